//! Trials: recorded ones, and made-up ones for costs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use earlystop::model::Mode;

use super::Draw;

/// Columns of early system metrics.
const SYSTEM: [&str; 3] = ["memory_bytes", "cpu_utilization", "step_seconds"];

/// A recorded trial; values turned so that higher is better.
pub struct Trial {
    pub values: Vec<f64>,
    /// Hyperparameters.
    pub params: Arc<BTreeMap<String, String>>,
    /// Early system metrics, by name.
    pub system: Vec<(Arc<str>, f64)>,
}

/// Trials of one task.
pub struct Corpus {
    pub name: &'static str,
    pub mode: Mode,
    pub trials: Vec<Trial>,
}

impl Corpus {
    /// Steps of a trial.
    pub fn length(&self) -> usize {
        self.trials[0].values.len()
    }

    /// Columns that begin with `prefix`, from the first trained step on.
    pub fn read(folder: &Path, name: &'static str, prefix: &str, mode: Mode) -> Option<Corpus> {
        let file = File::open(folder.join(format!("{name}.csv.gz"))).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        Some(Corpus { name, mode, trials: rows(&text, prefix, mode) })
    }

    /// What `benches/system_metrics.py` recorded.
    pub fn recorded(file: &Path) -> Option<Corpus> {
        let text = std::fs::read_to_string(file).ok()?;
        Some(Corpus { name: "digits", mode: Mode::Max, trials: rows(&text, "acc_", Mode::Max) })
    }

    /// Made up: saturating curves of `length` values with noise, whose end their hyperparameters tell in part.
    pub fn made_up(trials: usize, length: usize) -> Corpus {
        let mut draw = Draw(7);
        let mut trial = |_| {
            let (top, pace) = (0.5 + 0.4 * draw.one(), 0.02 + 0.1 * draw.one());
            let value = |x: usize, noise: f64| top - 0.5 * (-pace * x as f64).exp() + 0.01 * (noise - 0.5);
            let values = (1..=length).map(|x| value(x, draw.one())).collect();
            let params = [("lr", pace), ("width", 100.0 * top + 5.0 * draw.one()), ("seed", draw.one())];
            let params = params.map(|(name, value)| (name.to_owned(), value.to_string())).into();
            Trial { values, params: Arc::new(params), system: Vec::new() }
        };
        Corpus { name: "made up", mode: Mode::Max, trials: (0..trials).map(&mut trial).collect() }
    }
}

fn rows(text: &str, prefix: &str, mode: Mode) -> Vec<Trial> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let step = |column: &str| column.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
    let sign = if mode == Mode::Max { 1.0 } else { -1.0 };
    let row = |line: &str| {
        let cells = cells(line);
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<(&str, &String)> {
            head.iter().zip(&cells).filter(|(column, _)| wanted(column)).map(|(column, cell)| (*column, cell)).collect()
        };
        let number = |cell: &String| cell.parse().unwrap_or(f64::NAN);
        let is_param = |column: &str| step(column).is_none() && column != "net" && !SYSTEM.contains(&column);
        let values = of(&|column| step(column).is_some_and(|n| n > 0));
        Trial {
            values: values.into_iter().map(|(_, cell)| sign * number(cell)).collect(),
            params: Arc::new(of(&is_param).into_iter().map(|(name, cell)| (name.into(), cell.clone())).collect()),
            system: of(&|column| SYSTEM.contains(&column))
                .into_iter()
                .map(|(n, cell)| (n.into(), number(cell)))
                .collect(),
        }
    };
    lines.map(row).collect()
}

/// The cells of a line of CSV; a quoted one may hold commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().expect("one at least").push(c),
        }
    }
    cells
}
