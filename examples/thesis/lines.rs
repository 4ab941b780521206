//! Measurements kept as lines of JSON, one each.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

/// All whole lines of a file: the last one of a command that was cut off may be half there. Nothing where there is no file: it
/// was not measured. Errors: the file cannot be read; a line is none of these.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let line = |(place, line)| {
        serde_json::from_str(line).map_err(|e| format!("{}, line {}: {e}", path.display(), place + 1).into())
    };
    whole.enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_read_and_a_strange_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("measured.jsonl");
        assert!(read::<u32>(&path).expect("not measured").is_empty());
        fs::write(&path, "1\n2\n3").expect("ours");
        assert_eq!(read::<u32>(&path).expect("two are whole"), [1, 2]);
        fs::write(&path, "1\nx\n").expect("ours");
        assert!(read::<u32>(&path).expect_err("no number").to_string().contains("line 2"));
        assert!(read::<u32>(folder.path()).expect_err("a folder").to_string().contains("cannot read"));
    }
}
