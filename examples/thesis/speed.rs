//! `thesis speed`: how fast a core trains. `benches/trainer.py` runs it beside scikit-learn.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::{Axis, Slice};
use rustix::time::{ClockId, clock_gettime};

use crate::data::{self, Known, Table};
use crate::model::{Loss, Sgd, Task};
use crate::split::{Part, Scaler};

/// Rows of mnist_784 that are its training set.
const MNIST_TRAINING: usize = 60_000;

/// Measure how fast one core trains
///
/// By CPU time, so that whoever shares the core costs nothing.
///
/// Prints a line for each case: name, batch size, steps a second, samples a second, and the same with the batch's loss
/// computed before each step, as trials do.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the data files are; without it, only red_wine is measured
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seconds a figure
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    seconds: f64,
    /// Only the set of this name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Measures all cases.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let at_least = Duration::try_from_secs_f64(arguments.seconds).map_err(|e| format!("--seconds: {e}"))?;
    println!("set\tbatch\tsteps/s\tsamples/s\twith loss: steps/s\tsamples/s");
    let is_wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    if is_wanted("red_wine") {
        let sgd = sgd(Task::Regression, Loss::Squared);
        measure(&data::red_wine(), 1599, &sgd, &[2, 32, 256], at_least);
    }
    if let Some(folder) = arguments.data.as_deref().filter(|_| is_wanted("mnist_784")) {
        let sgd = sgd(Task::Classes(10), Loss::Log);
        measure(&mnist(folder)?, MNIST_TRAINING, &sgd, &[2, 32, 256, 4096, 60_000], at_least);
    }
    Ok(())
}

fn sgd(task: Task, loss: Loss) -> Sgd {
    Sgd { task, loss, learning_rate: 0.001, alpha: 0.0001, shuffle: None }
}

fn mnist(folder: &Path) -> Result<Table, Box<dyn Error>> {
    data::from_folder(Known::find("mnist_784").expect("it is one of the four"), folder)
}

fn measure(table: &Table, rows: usize, sgd: &Sgd, batches: &[usize], at_least: Duration) {
    let rows = Slice::from(..rows.min(table.rows()));
    let x = table.data.records.slice_axis(Axis(0), rows).to_owned();
    let part = Part { x: Scaler::of(&x).apply(x), y: table.data.targets.slice_axis(Axis(0), rows).to_owned() };
    for batch in batches {
        let plain = pace(&part, sgd, *batch, at_least, |_, _, _| 0.0);
        let with_loss = pace(&part, sgd, *batch, at_least, |model, sgd, rows| model.mean_loss(sgd.loss, rows));
        println!("{}\t{batch}\t{:.0}\t{:.0}\t{:.0}\t{:.0}", table.name, plain.0, plain.1, with_loss.0, with_loss.1);
    }
}

/// Steps and samples a second over whole epochs, `at_least` so long.
fn pace(
    part: &Part,
    sgd: &Sgd,
    batch: usize,
    at_least: Duration,
    before: impl Fn(&crate::model::LinearModel, &Sgd, crate::model::Rows<'_>) -> f64,
) -> (f64, f64) {
    let mut model = sgd.new_model(part.x.ncols());
    let count = part.y.len();
    let (mut steps, mut samples) = (0, 0);
    let start = cpu_time();
    while cpu_time() - start < at_least {
        for first in (0..count).step_by(batch) {
            let rows = part.rows(first..(first + batch).min(count));
            black_box(before(&model, sgd, rows));
            sgd.partial_fit(&mut model, rows);
            steps += 1;
        }
        samples += count;
    }
    black_box(&model);
    let seconds = (cpu_time() - start).as_secs_f64();
    (f64::from(steps) / seconds, samples as f64 / seconds)
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
