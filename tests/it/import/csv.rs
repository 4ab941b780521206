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

const LONG: &str = "\
run_id,epoch,lr,acc,val_acc,phase
a,1,0.1,0.5,0.4,train
b,1,0.2,0.3,,train
a,2,0.1,0.6,0.5,test
b,2,0.2,NaN,0.2,train
a,3,0.1,0.7,0.6,train
c,1,0.3,0.1,0.1,train
a,3,0.1,0.8,0.6,train
";

#[test]
fn a_long_table_is_a_row_a_report() {
    let desk = Desk::new();
    desk.put("log.csv", LONG);
    let said = desk.import(&args(&["log.csv"]));
    let tale = desk.tale();
    assert_eq!((tale.order.as_slice(), tale.imported.times), (&["a", "b", "c"].map(String::from)[..], Times::MadeUp));
    let a = tale.trial("a");
    assert_eq!(a.curve("acc"), [(1, 0.5), (2, 0.6), (3, 0.8)], "the last value of a step counts");
    assert_eq!(a.curve("val_acc"), [(1, 0.4), (2, 0.5), (3, 0.6)], "other metrics come along");
    assert_eq!(a.spec.params.iter().collect::<Vec<_>>(), [(&"lr".to_string(), &"0.1".to_string())]);
    assert_eq!((a.done, a.spec.total_steps), (Some(DoneStatus::Completed), Some(3)), "the longest curve is the total");
    let b = tale.trial("b");
    assert_eq!((b.reported(), b.curve("acc"), b.done), (vec![1, 2], vec![(1, 0.3)], None));
    assert_eq!(tale.trial("c").spec.experiment.as_ref().unwrap().as_str(), "log");
    for line in [
        "column epoch",
        "named by the column run_id",
        "of which the last counts: 2",
        "neither metric nor parameter: phase",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn a_long_table_may_name_metrics_in_a_column_and_tell_the_time() {
    let desk = Desk::new();
    let table = "trial\tmetric\tstep\tvalue\ttimestamp\tstate\n\
                 t1\tloss\t0\t9\t1700000000\tCOMPLETE\n\
                 t1\tloss\t100\t2.5\t1700000010.5\tCOMPLETE\n\
                 t2\tloss\t100\t3\t1700000005\tPRUNED\n\
                 t1\tacc\t100\t0.5\t1700000011\tCOMPLETE\n";
    desk.put("log.tsv", table);
    let want = ["--metric", "loss", "--mode", "min", "log.tsv"];
    desk.import(&want);
    let tale = desk.tale();
    assert_eq!(tale.imported.times, Times::Recorded);
    let t1 = tale.trial("t1");
    assert_eq!(t1.curve("loss"), [(0, 9.0), (100, 2.5)]);
    assert_eq!(t1.curve("acc"), [(100, 0.5)]);
    assert_eq!(t1.times(), [1_700_000_000_000, 1_700_000_011_000]);
    assert_eq!((t1.done, tale.trial("t2").done), (Some(DoneStatus::Completed), Some(DoneStatus::Stopped)));
    assert_eq!(tale.trial("t2").began.wall_ms, 1_700_000_005_000, "while the other ran");

    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    desk.import(&[&want[..], &["--skip-first"]].concat());
    assert_eq!(desk.tale().trial("t1").curve("loss"), [(100, 2.5)]);
    let said = desk.try_import(&["--metric", "los", "--mode", "min", "log.tsv"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("no metric \"los\"") && said.contains("did you mean \"loss\"?"), "{said}");
}

#[test]
fn times_may_count_from_the_start_of_each_trial() {
    let desk = Desk::new();
    desk.put("progress.csv", "trial_id,training_iteration,time_total_s,score\na,1,5,1\na,2,10,2\nb,1,4,1\nb,2,8,3\n");
    let said = desk.import(&["--metric", "score", "--mode", "max", "progress.csv"]);
    let tale = desk.tale();
    let (a, b) = (tale.trial("a"), tale.trial("b"));
    assert_eq!(tale.imported.times, Times::Recorded);
    assert_eq!(a.times(), [a.began.wall_ms + 5000, a.began.wall_ms + 10_000]);
    assert_eq!((b.began.wall_ms, b.times()[0]), (a.times()[1], a.times()[1] + 4000));
    assert!(said.contains("one after the other"), "{said}");
}

#[test]
fn a_table_may_be_one_trial_or_several_experiments() {
    let desk = Desk::new();
    // As Lightning's CSVLogger writes: training and validation in rows of their own.
    desk.put("metrics.csv", "epoch,step,train_loss,val_loss\n0,9,0.5,\n0,9,,0.6\n1,19,0.4,\n1,19,,0.5\n1,,,\n");
    desk.import(&["--metric", "val_loss", "--mode", "min", "metrics.csv"]);
    let tale = desk.tale();
    let only = tale.trial("metrics");
    assert_eq!(
        (only.curve("val_loss"), only.curve("train_loss")),
        (vec![(9, 0.6), (19, 0.5)], vec![(9, 0.5), (19, 0.4)])
    );
    assert_eq!(only.curve("epoch"), [(9, 0.0), (19, 1.0)]);

    let desk = Desk::new();
    desk.put("all.csv", "experiment,trial,step,acc\nx,1,1,0.5\ny,1,1,0.6\ny,1,2,0.7\ny,2,1,0.7\n");
    desk.import(&args(&["--experiment", "y", "all.csv"]));
    let tale = desk.tale();
    assert_eq!(tale.order, ["1", "2"]);
    assert_eq!(tale.trial("1").curve("acc"), [(1, 0.6), (2, 0.7)]);
    assert_eq!(tale.trial("1").spec.experiment.as_ref().unwrap().as_str(), "y");
}

#[test]
fn mistakes_in_a_long_table_are_told_with_their_place() {
    let desk = Desk::new();
    desk.put("a.csv", "step,acc\n1,0.1\n2,0.2\n1,0.1\n");
    desk.put("b.csv", "trial,step,acc\na,1,0.1\na,x,0.2\n");
    desk.put("c.csv", "trial,step,acc\na,1,0.1\na,2,low\n");
    desk.put("d.csv", "trial,round,acc\na,1,0.1\na,2,0.2\n");
    desk.put("e.csv", "trial,step,when,acc\na,1,noon,0.1\n");
    desk.put("f.csv", "trial,step,when,acc\na,1,0,0.1\na,1,1700000000,0.1\n");
    for (args, parts) in [
        (args(&["a.csv"]), ["a.csv:4: the step goes back from 2 to 1", "--trial-column"]),
        (args(&["b.csv"]), ["b.csv:3: column step: \"x\" is no step", "whole numbers"]),
        (args(&["c.csv"]), ["c.csv:3: column acc: \"low\" is no number", "point"]),
        (args(&["d.csv"]), ["d.csv: no column counts steps; there are trial, round, acc", "--step-column"]),
        (args(&["e.csv", "--time-column", "when"]), ["e.csv:2: column when: \"noon\" is no time", "seconds"]),
        (
            args(&["f.csv", "--time-column", "when"]),
            ["f.csv:3: column when: \"1700000000\" counts from another", "--time"],
        ),
        (args(&["d.csv", "--step-column", "rounds"]), ["no column \"rounds\"", "did you mean \"round\"?"]),
    ] {
        let said = desk.refused(&args);
        for part in parts {
            assert!(said.contains(part), "{args:?}: {part:?}: {said}");
        }
    }
    desk.import(&args(&["d.csv", "--step-column", "round"]));
    assert_eq!(desk.tale().trial("a").curve("acc"), [(1, 0.1), (2, 0.2)]);
}
