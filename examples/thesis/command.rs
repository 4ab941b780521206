//! Which command made what: written down beside the journal, so that a report can name it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The file beside a journal.
const FILE: &str = "commands.txt";

/// This process's command line, as one would type it in the repository. Only the program's own place is left out.
pub fn line() -> String {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    typed(&words)
}

/// The command line with these arguments.
pub fn typed(arguments: &[String]) -> String {
    let quoted = |word: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+%".contains(c);
        let is_plain = !word.is_empty() && word.chars().all(is_plain);
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    let words = arguments.iter().map(quoted);
    std::iter::once("cargo run --release --example thesis --".to_string()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Adds this command to those that wrote in a folder.
pub fn note(folder: &Path) -> Result<(), String> {
    let path = folder.join(FILE);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    open.and_then(|mut file| writeln!(file, "{}", line())).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// The commands that wrote in a folder, each once, in their order.
pub fn noted(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if !lines.iter().any(|before| before == line) {
            lines.push(line.to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_noted_once() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(noted(folder.path()).is_empty());
        note(folder.path()).expect("the folder is ours");
        note(folder.path()).expect("the folder is ours");
        let [only] = &noted(folder.path())[..] else { panic!("one line is wanted") };
        assert!(only.starts_with("cargo run --release --example thesis --"), "{only}");
    }
}
