//! Policies as users write them: every way of being wrong with its exact message, files and folders together, and the
//! policies that are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use earlystop::cli::check::{self, Check};
use earlystop::cli::diagnostics::{Style, print};
use earlystop::policy::{self, Config, Context};

/// Writes the `.stderr` files anew instead of comparing with them; the difference then shows in `git diff`.
const REGENERATE: &str = "EARLYSTOP_REGENERATE";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policy")
}

/// What `check` writes, and its exit code.
fn checked(paths: &[PathBuf], explain: bool) -> (String, u8) {
    let mut out = Vec::new();
    let check = Check { paths: paths.to_vec(), config: None, explain };
    let code = check::run(&check, Style::Plain, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), code)
}

/// Compares with the file beside it, or writes it.
fn compare(expected: &Path, seen: &str) -> Result<(), String> {
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(expected, seen).unwrap();
        return Ok(());
    }
    let text = fs::read_to_string(expected).unwrap_or_default();
    match text == seen {
        true => Ok(()),
        false => Err(format!("{}\n--- expected\n{text}--- seen\n{seen}", expected.display())),
    }
}

#[test]
fn every_way_of_being_wrong_has_its_message() {
    let mut files: Vec<PathBuf> = fs::read_dir(data().join("wrong")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= 18, "{files:?}");
    let mut failed = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        let name = file.file_name().unwrap().to_str().unwrap();
        let seen = match name {
            "config.toml" => rendered(Config::parse(&text, Path::new(name)).map(|(_, warnings)| warnings)),
            "not-utf8.toml" => checked(&[file.clone()], false).0.replace(file.to_str().unwrap(), name),
            _ => rendered(policy::parse(&text, Path::new(name), &Context::default()).map(|(_, warnings)| warnings)),
        };
        assert!(!seen.is_empty(), "{name} is not wrong");
        failed.extend(compare(&file.with_extension("stderr"), &seen).err());
    }
    assert!(failed.is_empty(), "{}\nwrite them anew with {REGENERATE}=1", failed.join("\n"));
}

fn rendered(findings: Result<Vec<earlystop::model::Diagnostic>, Vec<earlystop::model::Diagnostic>>) -> String {
    let mut out = Vec::new();
    print(&findings.unwrap_or_else(|errors| errors), Style::Plain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn shipped_policies_are_clean_and_say_what_they_mean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let (text, code) = checked(&[folder.clone()], false);
    assert_eq!((text.as_str(), code), ("4 rules in 4 files, no findings\n", 0));
    let (text, code) = checked(&[folder.clone()], true);
    assert_eq!(code, 0);
    let text = text.replace(folder.to_str().unwrap(), "policies");
    compare(&data().join("explain.txt"), &text).unwrap();
}
