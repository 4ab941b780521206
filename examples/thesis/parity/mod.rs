//! `thesis parity`: repeats runs of scikit-learn and tells how far the numbers lie apart.

mod case;
mod repeat;

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use case::Case;
use repeat::Distance;

use crate::data::{self, Frame};

/// The largest relative difference that passes.
const TOLERANCE: f64 = 1e-9;

/// Repeat training runs of scikit-learn, and tell how far apart the numbers lie
///
/// For each case, the largest relative difference of coef, intercept and batch losses, of the score on the test rows and
/// of the scaler. Exits 0 if all are at most 1e-9 and as many rows are predicted rightly, 1 if not, 2 if a case cannot
/// be run.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the data files are
    #[arg(long, value_name = "DIR", default_value = "../shared/data")]
    data: PathBuf,
    /// The cases (sklearn-*.json), or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All cases agree.
    Same,
    /// At least one does not.
    Different,
    /// At least one could not be run.
    NotRun,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> ExitCode {
        match verdict {
            Verdict::Same => ExitCode::SUCCESS,
            Verdict::Different => ExitCode::from(1),
            Verdict::NotRun => ExitCode::from(2),
        }
    }
}

/// Runs all cases and prints a line for each.
pub fn run(arguments: &Arguments) -> Verdict {
    let files = match cases(&arguments.files) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("thesis: {error}");
            return Verdict::NotRun;
        }
    };
    let width = files.iter().map(|file| stem(file).chars().count()).max().unwrap_or(0);
    println!(
        "{:<width$}  {:>8}  {:>9}  {:>8}  {:>8}  {:>8}  verdict",
        "case", "coef", "intercept", "losses", "score", "scaler"
    );
    let mut frames = HashMap::new();
    let mut verdict = Verdict::Same;
    for file in &files {
        match one(file, &arguments.data, &mut frames) {
            Ok((case, distance)) => {
                let passed = distance.largest() <= TOLERANCE && distance.counts_agree;
                let words = match (passed, case.dataset.synthetic) {
                    (true, false) => "same",
                    (true, true) => "same (on SYNTHETIC data)",
                    (false, _) => "DIFFERENT",
                };
                println!("{:<width$}  {distance}  {words}", case.name);
                verdict = if passed || verdict == Verdict::NotRun { verdict } else { Verdict::Different };
            }
            Err(error) => {
                eprintln!("thesis: {error}");
                verdict = Verdict::NotRun;
            }
        }
    }
    verdict
}

/// The files that are named, and those of the folders that are.
fn cases(named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for named in named {
        if !named.is_dir() {
            files.push(named.clone());
            continue;
        }
        let cannot = |error: io::Error| format!("cannot read the folder {}: {error}", named.display());
        let entries = fs::read_dir(named).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(cannot)?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let mut inside: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        if inside.is_empty() {
            return Err(format!("there is no case (NAME.json) in {}", named.display()));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// One case. Files that several cases share are read once.
fn one(file: &Path, data: &Path, frames: &mut HashMap<PathBuf, Frame>) -> Result<(Case, Distance), Box<dyn Error>> {
    let case = Case::read(file)?;
    let path = data.join(&case.dataset.file);
    if !frames.contains_key(&path) {
        let read = data::read_arff(&path);
        frames.insert(path.clone(), read.map_err(|e| format!("{}: {e}; --data says where it is", file.display()))?);
    }
    let distance = repeat::distance(&case, &frames[&path]).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok((case, distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/thesis/testdata/small")
    }

    #[test]
    fn a_folder_stands_for_the_cases_in_it() {
        let all = cases(&[folder(), "other.json".into()]).expect("it can be read");
        assert!(all.len() > 20 && all.is_sorted() && all.last() == Some(&"other.json".into()), "{all:?}");
        let empty = tempfile::tempdir().expect("a folder");
        assert!(cases(&[empty.path().to_path_buf()]).expect_err("nothing in it").starts_with("there is no case"));
    }

    /// Runs the case in this text.
    fn run_text(text: &str) -> Result<Distance, String> {
        let here = tempfile::tempdir().expect("a folder");
        let file = here.path().join("case.json");
        fs::write(&file, text).expect("the folder is ours");
        let ran = one(&file, &folder(), &mut HashMap::new());
        ran.map(|(_, distance)| distance).map_err(|error| error.to_string())
    }

    fn text_of(name: &str) -> String {
        fs::read_to_string(folder().join(name)).expect("the case is there")
    }

    /// scikit-learn 1.3.2 on small data: see testdata/make_cases.py.
    #[test]
    fn runs_of_scikit_learn_are_repeated() {
        let files = fs::read_dir(folder()).expect("the folder is there").map(|entry| entry.expect("an entry").path());
        let cases: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|e| e == "json")).collect();
        assert_eq!(cases.len(), 21);
        let mut frames = HashMap::new();
        for file in cases {
            let (case, distance) = one(&file, &folder(), &mut frames).expect("the case runs");
            assert!(distance.largest() <= TOLERANCE && distance.counts_agree, "{}: {distance}", case.name);
        }
    }

    #[test]
    fn what_differs_is_seen() {
        let text = text_of("small-class2-hinge-b2-in-order.json");
        let mut case: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let weight = case["coef"][0][1].as_f64().expect("a number");
        case["coef"][0][1] = (weight * (1.0 + 3e-9)).into();
        let distance = run_text(&case.to_string()).expect("it runs");
        assert!((2.5e-9..3.5e-9).contains(&distance.coef) && distance.largest() > TOLERANCE, "{distance}");
        assert!(distance.intercept <= TOLERANCE && distance.losses <= TOLERANCE);
        let count = case["test"]["n_correct"].as_u64().expect("a number");
        case["test"]["n_correct"] = (count + 1).into();
        assert!(!run_text(&case.to_string()).expect("it runs").counts_agree);
    }

    #[test]
    fn bad_cases_are_told_in_words() {
        let good = text_of("small-number-squared_error-b7-shuffled.json");
        let wrong = [
            ("\"batch_size\": 7", "\"batch_size\": 0", "batch_size and epochs have to be 1 or more"),
            ("\"l2\"", "\"l1\"", "penalty `l1`; only l2 is trained here"),
            ("\"squared_error\"", "\"huber\"", "no loss `huber`; there are squared_error, log_loss and hinge"),
            ("\"squared_error\"", "\"hinge\"", "loss hinge with no labels; numbers are trained by squared_error"),
            ("\"random_state\": 0", "\"random_state\": null", "shuffle: true without random_state cannot be repeated"),
            ("\"target\": \"number\"", "\"target\": \"nmber\"", "there is no column `nmber`; did you mean `number`?"),
            ("\"target\": \"number\"", "\"target\": \"class2\"", "has 6 features, the case 5"),
            ("\"n_rows_in_file\": 90", "\"n_rows_in_file\": 91", "has 90 rows, not those that the case was made with"),
            ("\"train_rows\": [", "\"train_rows\": [700, ", "n_steps is not"),
            ("\"test_rows\": [", "\"test_rows\": [700, ", "row 700 is not in small.arff.gz, which has 90"),
            ("\"small.arff.gz\"", "\"gone.arff.gz\"", "--data says where it is"),
            ("parity/1", "parity/2", "only `earlystop-sklearn-parity/1` is known"),
            ("{", "[", "this is no parity case"),
        ];
        for (from, to, want) in wrong {
            let error = run_text(&good.replacen(from, to, 1)).expect_err(want);
            assert!(error.contains(want), "{error:?} does not say {want:?}");
        }
    }
}
