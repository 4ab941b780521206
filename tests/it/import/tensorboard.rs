//! TensorBoard: event files that tensorboardX and TensorBoard's own writer made.

use std::path::{Path, PathBuf};
use std::process::Command;

use earlystop::journal::{Format, Times};
use earlystop::model::DoneStatus;

use super::{Desk, python};
use crate::support::repository;

const START: i64 = 1_700_000_000_000;

/// A desk with what the real writers wrote in `logs/`.
fn desk() -> Option<Desk> {
    let python = python()?;
    let desk = Desk::new();
    let script = repository().join("tests/it/import/write_events.py");
    let written = Command::new(python).arg(script).arg(desk.path("logs")).output().expect("python runs");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    Some(desk)
}

/// The event file of a folder.
fn file_in(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.is_file()).expect("a file")
}

#[test]
fn folders_of_event_files_are_runs() {
    let Some(desk) = desk() else { return };
    let want = ["--metric", "val/loss", "--mode", "min", "logs/torch/runs"];
    let said = desk.import(&want);
    let tale = desk.tale();
    assert_eq!((tale.imported.format, tale.imported.times), (Format::TensorBoard, Times::Recorded));
    assert_eq!(tale.order, ["lr0.25", "lr0.5"]);
    let (short, long) = (tale.trial("lr0.25"), tale.trial("lr0.5"));
    assert_eq!(long.spec.experiment.as_ref().unwrap().as_str(), "runs");
    let params: Vec<_> = long.spec.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(params, [("lr", "0.5"), ("nesterov", "true"), ("opt", "sgd")], "of the folder below");
    let values = [0.5, 0.25, 0.5 / 3.0, 0.125, 0.1].map(|value| f64::from(value as f32));
    assert_eq!(long.curve("val/loss"), (1..).zip(values).collect::<Vec<_>>(), "they are kept as 32 bits");
    let acc = long.curve("acc");
    assert!(acc[1].0 == 2 && acc[1].1.is_nan() && acc[2] == (3, 3.0), "{acc:?}");
    assert_eq!(long.curve("batch/loss")[0], (100, 0.5), "in steps of its own");
    assert_eq!(long.reported(), [1, 2, 3, 4, 5]);
    assert_eq!(long.times()[..3], [START + 10_000, START + 13_000, START + 20_000]);
    assert!(long.curve("weights").is_empty() && long.curve("note").is_empty());
    assert_eq!((long.done, long.spec.total_steps), (Some(DoneStatus::Completed), Some(5)));
    assert_eq!((short.done, short.spec.total_steps), (None, Some(5)), "censored: the longest curve has 5 steps");
    assert!(said.contains("1 ended before their total"), "{said}");

    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    desk.import(&[&want[..], &["--total", "3"]].concat());
    assert_eq!(desk.tale().trial("lr0.25").done, Some(DoneStatus::Completed));
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    let said = desk.refused(&["--metric", "val/los", "--mode", "min", "logs/torch/runs"]);
    assert!(said.contains("no metric \"val/los\"") && said.contains("did you mean \"val/loss\"?"), "{said}");
}

#[test]
fn a_run_may_keep_its_parts_in_folders_of_their_own() {
    let Some(desk) = desk() else { return };
    desk.import(&["--metric", "validation/epoch_loss", "--mode", "min", "logs/keras"]);
    let tale = desk.tale();
    assert_eq!(tale.order, ["one", "two"]);
    let (one, two) = (tale.trial("one"), tale.trial("two"));
    assert_eq!(one.curve("validation/epoch_loss"), [(0, 8.0), (1, 6.0), (2, 4.0), (3, 2.0)], "tensors are values too");
    assert_eq!(one.curve("train/epoch_loss"), [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]);
    let params: Vec<_> = one.spec.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(params, [("activation", "relu"), ("units", "32")]);
    assert_eq!(
        (one.done, two.done),
        (Some(DoneStatus::Completed), Some(DoneStatus::Failed)),
        "as the session's end says"
    );

    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    desk.import(&["--metric", "epoch_loss", "--mode", "min", "--skip-first", "logs/keras"]);
    let tale = desk.tale();
    let mut names = tale.order.clone();
    names.sort();
    assert_eq!(names, ["one/train", "one/validation", "two/train", "two/validation"]);
    assert_eq!(tale.trial("one/train").curve("epoch_loss"), [(1, 3.0), (2, 2.0), (3, 1.0)]);
}

#[test]
fn a_file_of_a_living_trainer_may_be_torn_a_damaged_one_may_not() {
    let Some(desk) = desk() else { return };
    let file = file_in(&desk.path("logs/torch/runs/lr0.5"));
    let whole = std::fs::read(&file).unwrap();
    let want = ["--metric", "val/loss", "--mode", "min", "solo/run"];
    let cut = whole.len() * 2 / 3;
    desk.put("solo/run", &whole[..cut]);
    desk.import(&want);
    let told = desk.tale().trial("solo").clone();
    let curve = told.curve("val/loss");
    assert!((1..=5).contains(&curve.len()) && curve[0] == (1, 0.5), "{curve:?}");
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();

    let mut damaged = whole.clone();
    damaged[cut] ^= 0x10;
    desk.put("solo/run", &damaged);
    let said = desk.refused(&want);
    let offset: usize =
        said.split("at byte ").nth(1).and_then(|t| t.split(' ').next()?.parse().ok()).expect("an offset");
    assert!(said.contains("solo/run: the record at byte") && offset <= cut && offset + 500 > cut, "{said}");
    desk.put("logs2/sub/readme.txt", "nothing");
    let said = desk.refused(&["--metric", "val/loss", "--mode", "min", "logs2"]);
    assert!(said.contains("no event files"), "{said}");
}
