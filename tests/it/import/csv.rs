//! Tables.

use std::io::Write;

use earlystop::journal::{Format, Times};
use earlystop::model::{DoneStatus, Mode};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Desk, Tale};
use crate::support::shared;

const WIDE: &str = "\
lr,acc_2,acc_10,acc_1
0.1,0.5,0.9,0.3
0.2,,0.8,0.2
0.3,0.6,,NaN
0.4,,,0.1
0.5,0.4,nan,0.3
0.6,,,
";

const WANT: [&str; 4] = ["--metric", "acc", "--mode", "max"];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    WANT.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_wide_table_is_a_row_a_trial() {
    let desk = Desk::new();
    desk.put("data/runs.csv", WIDE);
    let said = desk.import(&args(&["--columns", "acc_*", "data/runs.csv"]));
    let tale = desk.tale();
    assert_eq!((tale.imported.format, tale.imported.times), (Format::Csv, Times::MadeUp));
    assert_eq!(tale.imported.source, "data/runs.csv");
    assert_eq!(tale.order, ["row-1", "row-2", "row-3", "row-4", "row-5", "row-6"]);

    let first = tale.trial("row-1");
    assert_eq!(first.curve("acc"), [(1, 0.3), (2, 0.5), (10, 0.9)], "in the order of numbers, not of letters");
    assert_eq!(first.spec.experiment.as_ref().unwrap().as_str(), "runs");
    assert_eq!(first.spec.params["lr"], "0.1");
    assert_eq!(first.spec.params.len(), 1);
    assert_eq!(first.spec.objective.as_ref().map(|o| (o.metric.as_str(), o.mode)), Some(("acc", Mode::Max)));
    assert_eq!(first.spec.total_steps, Some(10));
    assert_eq!(first.done, Some(DoneStatus::Completed));

    // A value that is missing leaves a report without one; empty cells at the end are no reports.
    let of = |name: &str| (tale.trial(name).reported(), tale.trial(name).curve("acc"), tale.trial(name).done);
    assert_eq!(of("row-2"), (vec![1, 2, 10], vec![(1, 0.2), (10, 0.8)], Some(DoneStatus::Completed)));
    assert_eq!(of("row-3"), (vec![1, 2], vec![(2, 0.6)], None), "censored at its last report");
    assert_eq!(of("row-4"), (vec![1], vec![(1, 0.1)], None));
    assert_eq!(of("row-5"), (vec![1, 2, 10], vec![(1, 0.3), (2, 0.4)], Some(DoneStatus::Completed)), "it came so far");
    assert_eq!(of("row-6"), (vec![], vec![], None), "the row is kept");
    for line in ["6 trials of runs", "complete   3", "censored   3", "12 reports", "3 without a value"] {
        let line = line.replace("12 reports", "reports    12,");
        assert!(said.contains(&line), "{line}: {said}");
    }
}

#[test]
fn made_up_times_are_one_second_a_step_one_trial_after_the_other() {
    let desk = Desk::new();
    desk.put("runs.csv", WIDE);
    desk.import(&args(&["--columns", "acc_*", "runs.csv"]));
    let tale = desk.tale();
    let first = tale.trial("row-1");
    let from = first.began.wall_ms;
    assert_eq!(from, 946_684_800_000);
    assert_eq!(first.times(), [from + 1000, from + 2000, from + 10_000]);
    assert_eq!(first.closed.unwrap().wall_ms, from + 10_000);
    assert_eq!(tale.trial("row-2").began.wall_ms, from + 10_000);
    assert_eq!(tale.trial("row-2").times()[0], from + 11_000);
    assert!(tale.trial("row-6").began < tale.trial("row-6").closed.unwrap().plus(1));
}

#[test]
fn the_first_column_can_be_left_out() {
    let desk = Desk::new();
    desk.put("runs.csv", "trial,acc_0,acc_1,acc_2\na,0.1,0.2,0.3\nb,0.1,0.3,\n");
    desk.import(&args(&["--columns", "acc_*", "--skip-first", "runs.csv"]));
    let tale = desk.tale();
    assert_eq!(tale.order, ["a", "b"]);
    assert_eq!(tale.trial("a").curve("acc"), [(1, 0.2), (2, 0.3)]);
    assert!(tale.trial("a").spec.params.is_empty(), "neither the name nor what was left out is a parameter");
    assert_eq!(tale.trial("b").done, None);

    let desk = Desk::new();
    desk.put("runs.csv", "trial,acc_0,acc_1,acc_2\na,0.1,0.2,0.3\nb,0.1,0.3,\n");
    let said = desk.import(&args(&["runs.csv"]));
    assert_eq!(desk.tale().trial("a").curve("acc"), [(0, 0.1), (1, 0.2), (2, 0.3)], "the columns are guessed");
    assert!(said.contains("--skip-first"), "{said}");
}

#[test]
fn a_packed_table_is_known_by_its_first_bytes() {
    let desk = Desk::new();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(WIDE.as_bytes()).unwrap();
    desk.put("packed.csv", packer.finish().unwrap());
    desk.put("plain.csv.gz", WIDE);
    desk.import(&args(&["--columns", "acc_*", "--experiment", "mine", "packed.csv"]));
    let packed = desk.tale();
    assert_eq!(packed.trial("row-1").spec.experiment.as_ref().unwrap().as_str(), "mine");
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    desk.import(&args(&["--columns", "acc_*", "--total", "2", "plain.csv.gz"]));
    let plain = desk.tale();
    assert_eq!(plain.trial("row-3").curve("acc"), packed.trial("row-3").curve("acc"));
    assert_eq!(plain.trial("row-3").done, Some(DoneStatus::Completed), "two steps were asked for");
    assert_eq!(plain.trial("row-3").spec.total_steps, Some(2));
}

#[test]
fn a_status_column_says_how_trials_ended() {
    let desk = Desk::new();
    let table = "name;status;acc_1;acc_2\na;FINISHED;0,1;\nb;failed;1;2\nc;pruned;1;\nd;running;1;\nd;running;1;2\n";
    desk.put("runs.csv", table);
    let said = desk.refused(&args(&["--columns", "acc_*", "runs.csv"]));
    assert!(said.contains("runs.csv:2: column acc_1: \"0,1\" is no number") && said.contains("point"), "{said}");
    desk.put("runs.csv", table.replace("0,1", "0.1"));
    desk.import(&args(&["--columns", "acc_*", "--trial-column", "name", "runs.csv"]));
    let tale = desk.tale();
    let ends: Vec<_> = tale.order.iter().map(|name| (name.as_str(), tale.trial(name).done)).collect();
    let (completed, failed, stopped) = (DoneStatus::Completed, DoneStatus::Failed, DoneStatus::Stopped);
    let expected =
        [("a", Some(completed)), ("b", Some(failed)), ("c", Some(stopped)), ("d", None), ("d-row-5", Some(completed))];
    assert_eq!(ends, expected);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let desk = Desk::new();
    desk.put("runs.csv", "lr,acc_1,acc_2\n0.1,0.2,0.3\n0.1,\"a\nb\",0.3\n0.1,0.2,x\n");
    desk.put("short.csv", "lr,acc_1,acc_2\n0.1,0.2,0.3\n0.1,0.2\n");
    desk.put("latin.csv", b"lr,acc_1\n0.1,0.2\n\xe4,0.2\n");
    desk.put("empty.csv", "");
    desk.put("header.csv", "acc_1,acc_2\n");
    desk.put("twice.csv", "acc_1,acc_1\n1,2\n");
    desk.put("odd.csv", "acc_1,acc_best\n1,2\n");
    desk.put("same.csv", "acc_1,acc_01\n1,2\n");
    let wide = |file| args(&["--columns", "acc_*", file]);
    for (args, parts) in [
        (wide("runs.csv"), ["runs.csv:3: column acc_1: \"a\\nb\" is no number", "leave the cell empty"]),
        (wide("short.csv"), ["short.csv:3: this row has 2 cells, the header 3", "quotes"]),
        (wide("latin.csv"), ["latin.csv:3: this is not UTF-8", "UTF-8"]),
        (wide("empty.csv"), ["empty.csv: the table has no rows", "right file"]),
        (wide("header.csv"), ["header.csv: the table has no rows", "right file"]),
        (wide("twice.csv"), ["twice.csv:1: two columns are called \"acc_1\"", "another name"]),
        (wide("odd.csv"), ["odd.csv:1: column \"acc_best\" has no number in its name", "acc_[0-9]*"]),
        (wide("same.csv"), ["same.csv:1: columns \"acc_1\" and \"acc_01\" have the same number", "--columns"]),
        (wide("gone.csv"), ["gone.csv: No such file", "hint"]),
        (args(&["--columns", "ac-*", "runs.csv"]), ["no column that matches \"ac-*\"", "lr, acc_1, acc_2"]),
        (args(&["--columns", "acc_*", "--trial-column", "l", "runs.csv"]), ["no column \"l\"", "did you mean \"lr\"?"]),
    ] {
        let said = desk.refused(&args);
        for part in parts {
            assert!(said.contains(part), "{args:?}: {part:?}: {said}");
        }
    }
    let said = desk.refused(&["--metric", "accu", "--mode", "max", "runs.csv"]);
    assert!(said.contains("no column \"accu\"") && said.contains("--columns 'accu_*'"), "{said}");
}

#[test]
fn a_journal_that_is_there_stays() {
    let desk = Desk::new();
    desk.put("runs.csv", WIDE);
    let wide = args(&["--columns", "acc_*", "runs.csv"]);
    desk.import(&wide);
    let before = std::fs::read(desk.path("j.sqlite")).unwrap();
    let again = desk.try_import(&wide);
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("j.sqlite: there is a file of this name already"), "{said}");
    assert_eq!(std::fs::read(desk.path("j.sqlite")).unwrap(), before);

    let copy = Desk::new();
    copy.put("runs.csv", WIDE);
    copy.import(&wide);
    let (one, other) = (desk.tale(), copy.tale());
    let runs = |tale: &Tale| tale.order.iter().map(|name| tale.trial(name).run).collect::<Vec<_>>();
    assert_eq!(runs(&one), runs(&other), "the same source gives the same runs");
    assert!(runs(&one).is_sorted() && runs(&one).len() == 6);
}

#[test]
fn curves_that_get_worse_are_remarked_upon() {
    let desk = Desk::new();
    desk.put("runs.csv", "loss_1,loss_2\n2,1\n3,1\n");
    let said = desk.import(&["--metric", "loss", "--mode", "max", "runs.csv"]);
    assert!(said.contains("is --mode min meant?"), "{said}");
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    let said = desk.import(&["--metric", "loss", "--mode", "min", "runs.csv"]);
    assert!(!said.contains("meant?"), "{said}");
}

#[test]
fn the_public_corpora_come_in_whole() {
    let Some(folder) = shared("curves") else { return };
    let corpora = [
        ("metaqnn_cifar10", "acc", "max", "acc_*", None, 1000, 20),
        ("deep_resnets_cifar10", "acc", "max", "acc_*", Some("--skip-first"), 486, 49),
        ("lstm_ptb", "perplexity", "min", "ep_*", Some("--skip-first"), 280, 59),
    ];
    for (name, metric, mode, columns, skip, trials, steps) in corpora {
        let desk = Desk::new();
        let file = folder.join(format!("{name}.csv.gz")).display().to_string();
        let mut args = vec!["--metric", metric, "--mode", mode, "--columns", columns, &file];
        args.extend(skip);
        let said = desk.import(&args);
        assert!(said.contains(&format!("{trials} trials of {name}")), "{said}");
        let tale = desk.tale();
        assert_eq!(tale.trials.len(), trials);
        let all: Vec<u64> = (1..=steps).collect();
        for (name, told) in &tale.trials {
            assert_eq!(told.reported(), all, "{name}");
            assert_eq!(told.curve(metric).len(), all.len(), "{name}");
            assert_eq!((told.done, told.spec.total_steps), (Some(DoneStatus::Completed), Some(steps)), "{name}");
        }
        assert!(tale.ticks >= trials * steps as usize, "every report is judged");
        assert!(!said.contains("meant?"), "{said}");
    }
}
