//! `thesis components`: how memory grows when one component is added at a time: a plain loop, heartbeats and evaluation,
//! MLflow, Ray.
//!
//! In reading order: [`component`] says what is added; [`bench`] runs one; [`row`] is what is kept of it.

mod bench;
mod component;
pub mod row;

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::command;
use crate::data::red_wine;
use crate::runs;
use crate::search::folds;
use crate::search::trainer::{Kind, Trainer};
use crate::split::shuffled;
use bench::{Bench, Length};
use component::Component;
use row::{FILE, FOLDER, Row};

/// Measure how memory grows when metrics, MLflow and Ray are added to a plain training loop, one at a time
///
/// A linear regression on the red wine data, the same number of steps in each run of a trainer. `rust` runs plain and with
/// metrics, `sklearn` with MLflow and under Ray as well.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder of the search that it is for
    #[arg(long, value_name = "DIR", default_value = "thesis-search")]
    out: PathBuf,
    /// The trainers
    #[arg(long = "trainer", value_name = "TRAINER", value_enum, default_values_t = [Kind::Rust, Kind::Sklearn])]
    trainers: Vec<Kind>,
    /// The Python that has scikit-learn, MLflow and Ray; see examples/thesis/trainers/requirements.txt
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Seconds that each run trains at least
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// How often each is run
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Seed of the order
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "seconds are a number, as in 2.5".to_string())?;
    if (0.05..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("between 0.05 and 3600 seconds".into()) }
}

/// Runs all of them, each alone, beside a sidecar that looks every 10 ms.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut kinds = arguments.trainers.clone();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.contains(&Kind::Ray) {
        return Err("Ray is a component of the trainer sklearn here: `--trainer sklearn` runs it too".into());
    }
    // With Ray comes everything else that is needed.
    let trainer = |kind: &Kind| {
        let needs = if *kind == Kind::Rust { Kind::Rust } else { Kind::Ray };
        Trainer { kind: needs, python: arguments.python.clone() }.check()?;
        Ok(Trainer { kind: *kind, python: arguments.python.clone() })
    };
    let trainers = kinds.iter().map(trainer).collect::<Result<Vec<Trainer>, Box<dyn Error>>>()?;
    let start = Instant::now();
    let folder = arguments.out.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    command::note(&folder)?;
    let rows = folder.join("rows");
    folds::prepare(&red_wine(), arguments.seed, None, &rows)?;
    let bench = Bench::new(&folder, &rows)?;
    if kinds.contains(&Kind::Sklearn) {
        bench.make_store(&trainers[kinds.len() - 1])?;
    }
    let mut lengths = Vec::new();
    for trainer in &trainers {
        let length = bench.length_of(trainer, arguments.seconds)?;
        eprintln!("{}: {} steps a run, a report every {}", trainer.kind.as_str(), length.steps, length.steps_a_report);
        lengths.push((trainer, length));
    }
    all(&bench, &lengths, arguments)?;
    bench.end();
    let rows = kept(&folder, arguments)?;
    tell(&rows, arguments.seconds);
    println!(
        "{} runs are in {}; this took {:.1} s. `-- report` tells what they say.",
        rows.len(),
        folder.join(FILE).display(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Each repeat has every component of every trainer once, in an order of its own, drawn by the seed.
fn all(bench: &Bench, lengths: &[(&Trainer, Length)], arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let of = |(trainer, length): &(&Trainer, Length)| {
        let components = Component::of(trainer.kind).iter();
        components.map(|component| ((*trainer).clone(), *length, *component)).collect::<Vec<_>>()
    };
    let one_of_each: Vec<_> = lengths.iter().flat_map(of).collect();
    for repeat in 0..arguments.repeats {
        for place in shuffled(one_of_each.len(), arguments.seed + u64::from(repeat)) {
            let (trainer, length, component) = &one_of_each[place];
            bench.run(trainer, *component, *length, repeat)?;
        }
    }
    Ok(())
}

/// Reads the journal and writes down what it says of each run.
fn kept(folder: &Path, arguments: &Arguments) -> Result<Vec<Row>, Box<dyn Error>> {
    let journal = runs::journal_in(folder);
    let read = runs::read(&journal)?;
    if read.dropped > 0 {
        eprintln!("The journal says that it lacks {} inputs.", read.dropped);
    }
    let rows = row::rows(&read.runs, &journal.display().to_string(), arguments.repeats);
    let path = folder.join(FILE);
    let mut file = File::create(&path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    for row in &rows {
        writeln!(file, "{}", serde_json::to_string(row)?)?;
    }
    Ok(rows)
}

fn tell(rows: &[Row], seconds: f64) {
    for row in rows {
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
        let ray = row.ray_memory_kib.map(|kib| format!(", Ray beside it {kib:.0} KiB")).unwrap_or_default();
        println!(
            "{} {} {}: {:.2} s, {} s of CPU, memory grew by {} KiB, {} KiB/s{ray}",
            row.trainer,
            row.component,
            row.repeat,
            row.seconds,
            row.cpu_seconds.map_or("-".into(), |seconds| format!("{seconds:.2}")),
            number(row.growth_kib),
            number(row.slope_kib_s)
        );
    }
    let short = rows.iter().filter(|row| row.seconds < seconds).count();
    if short > 0 {
        println!("{short} of the runs were shorter than {seconds} s: they went faster than when they were timed.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("2.5"), Ok(2.5));
        for wrong in ["0", "-1", "NaN", "1e9", "two"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
