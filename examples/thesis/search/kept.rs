//! Which search a folder holds: another run in it has to be the same one.

use std::fs;
use std::path::Path;

/// The file that says so.
const FILE: &str = "search.txt";

/// Parts of the text in which a search on a share may differ from that on all rows and still be its like.
const MAY_DIFFER: [&str; 3] = ["configurations ", "observe ", "share "];

/// Writes down which search it is; an error if the folder holds another.
pub fn claim(out: &Path, now: &str) -> Result<(), String> {
    let file = out.join(FILE);
    match kept(out) {
        Some(before) if before == now => Ok(()),
        Some(before) => {
            let out = out.display();
            Err(format!("{out} holds another search ({before}); say another --out"))
        }
        None => fs::write(&file, format!("{now}\n")).map_err(|e| format!("cannot write {}: {e}", file.display())),
    }
}

/// Which search a folder holds, if it holds one.
pub fn kept(folder: &Path) -> Option<String> {
    Some(fs::read_to_string(folder.join(FILE)).ok()?.trim_end().to_string())
}

/// Whether the trials of one search are those of the other on another share of the rows: the same seed, so the same folds,
/// the same effort, the same trainer.
pub fn are_alike(one: &str, other: &str) -> bool {
    let fixed = |text: &str| -> Vec<String> {
        let is_fixed = |part: &&str| !MAY_DIFFER.iter().any(|word| part.starts_with(word));
        text.split(", ").filter(is_fixed).map(str::to_string).collect()
    };
    fixed(one) == fixed(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_one_search() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(kept(folder.path()), None);
        claim(folder.path(), "seed 1, observe false").expect("it is empty");
        claim(folder.path(), "seed 1, observe false").expect("it is the same");
        let error = claim(folder.path(), "seed 2, observe false").expect_err("it is another");
        assert!(error.ends_with("holds another search (seed 1, observe false); say another --out"), "{error}");
    }

    #[test]
    fn a_share_is_like_the_whole_if_seed_and_effort_are_the_same() {
        let whole = "seed 42, Effort { epochs: 20, steps: None }, configurations None, observe true";
        let share = "seed 42, Effort { epochs: 20, steps: None }, configurations Some(4), observe false, share 0.1";
        assert!(are_alike(whole, share));
        for other in [
            share.replace("seed 42", "seed 7"),
            share.replace("epochs: 20", "epochs: 2"),
            format!("{share}, trainer sklearn"),
        ] {
            assert!(!are_alike(whole, &other), "{other}");
        }
    }
}
