//! Sources that are cut, mixed up or nonsense: they are refused or understood, and never end in a panic or a half-written
//! journal.

use std::path::Path;

use earlystop::import::{Ask, First, read, write};
use earlystop::journal::Reader;
use earlystop::model::Mode;

use super::Desk;

/// Numbers without a pattern (xorshift64), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn ask(first: First) -> Ask {
    Ask {
        metric: "acc".into(),
        mode: Mode::Max,
        columns: None,
        first,
        experiment: None,
        total: None,
        trial_column: None,
        step_column: None,
        time_column: None,
        status_column: None,
    }
}

/// Pieces of tables, good and bad.
const PIECES: [&str; 40] = [
    "acc",
    "acc_1",
    "acc_2",
    "acc_0",
    "acc_99999999999999999999",
    "step",
    "epoch",
    "trial",
    "status",
    "time",
    "timestamp",
    "metric",
    "value",
    "experiment",
    "group",
    "fold",
    "total_steps",
    ",",
    ",",
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\"",
    ";",
    "\t",
    "0.5",
    "1",
    "2",
    "9007199254740992",
    "18446744073709551615",
    "-1",
    "NaN",
    "inf",
    "1700000000",
    "1e308",
    "\u{e4}\u{0}",
];

#[test]
fn tables_of_any_text_are_understood_or_refused() {
    let desk = Desk::new();
    let (mut random, mut understood) = (Random(0x9E37_79B9_7F4A_7C15), 0);
    for round in 0..3000 {
        let mut text =
            ["", "trial,step,acc,time\n", "acc_0,acc_1,acc_2\n", "step,metric,value\n"][random.below(4)].to_string();
        // Half of them are tables whose rows have as many cells as their header.
        let columns = text.matches(',').count() + 1;
        for _ in 0..random.below(60) {
            match round % 2 {
                0 => text += PIECES[random.below(PIECES.len())],
                _ => {
                    let row: Vec<&str> = (0..columns).map(|_| PIECES[29 + random.below(10)]).collect();
                    text += &format!("{}\n", row.join(","));
                }
            }
        }
        let path = desk.put("t.csv", &text);
        let first = if random.below(2) == 0 { First::Counts } else { First::Skipped };
        let Ok(history) = read(&path.display().to_string(), &ask(first)) else { continue };
        understood += 1;
        if understood % 10 == 0 {
            keep(&desk, &history, &text);
        }
    }
    assert!(understood > 100, "{understood}");
}

/// What was understood can be written, and be read again.
fn keep(desk: &Desk, history: &earlystop::import::History, text: &str) {
    let journal = desk.path("j.sqlite");
    if let Err(trouble) = write(history, &journal, 0) {
        panic!("{trouble}: {text:?}");
    }
    let told = Reader::open(&journal).expect("a journal").filter(|input| input.is_ok()).count();
    assert!(told >= 2 + history.trials.len(), "{text:?}");
    std::fs::remove_file(&journal).expect("it is ours");
}

#[test]
fn binary_sources_that_are_cut_or_changed_are_understood_or_refused() {
    let desk = Desk::new();
    let db = desk.path("m.db");
    store(&db);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, b"acc_1,acc_2\n1,2\n3,4\n").expect("memory");
    let sources = [std::fs::read(&db).expect("it was written"), packer.finish().expect("memory")];
    assert_eq!(read(&db.display().to_string(), &ask(First::Counts)).expect("a store").trials.len(), 2);
    let mut random = Random(7);
    for round in 0..400 {
        let mut bytes = sources[round % 2].clone();
        match random.below(3) {
            0 => bytes.truncate(random.below(bytes.len())),
            _ => (0..1 + random.below(20)).for_each(|_| {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }),
        }
        let path = desk.put("changed", bytes);
        if let Ok(history) = read(&path.display().to_string(), &ask(First::Counts)) {
            keep(&desk, &history, "a changed source");
        }
    }
}

/// The least that MLflow's tables have.
fn store(path: &Path) {
    let db = rusqlite::Connection::open(path).expect("a file of ours");
    let sql = "
        CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
        CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, experiment_id INTEGER);
        CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
        CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
        CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
        INSERT INTO experiments VALUES (1, 'e', 'active');
        INSERT INTO runs VALUES ('a', NULL, 'FINISHED', 1000, NULL, 'active', 1), ('b', 'b', NULL, NULL, 9223372036854775807, 'active', 1);
        INSERT INTO metrics VALUES ('acc', 0.5, 2000, 'a', 1, 0), ('acc', 0.5, -5, 'b', 9223372036854775807, 0), ('acc', 1, 0, 'b', 3, 1);
        INSERT INTO tags VALUES ('mlflow.runName', 'named', 'a'), ('status', 'x', 'a'), ('', NULL, 'b');
        INSERT INTO params VALUES ('', 'x', 'a');";
    db.execute_batch(sql).expect("plain SQL");
}
