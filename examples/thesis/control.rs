//! Controls: processes of which it is known how their memory grows, measured by the same sidecar in the same way.

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use earlystop::model::{Hello, MILLI, Name, Step, TrialSpec};
use earlystop::wire::trainer::Trainer;

use crate::command;
use crate::process::Trial;
use crate::sidecar::{Setup, Sidecar};

/// The experiment that controls belong to.
const EXPERIMENT: &str = "control";

/// Folder of their journal, beside that of a search.
pub const FOLDER: &str = "controls";

/// Time between two steps.
const PACE: Duration = Duration::from_millis(10);

/// Bytes that the growing one takes at each step: four pages.
const GROWTH: usize = 4 * PAGE;
const PAGE: usize = 4096;

/// What a control does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Allocates nothing while it runs.
    Flat,
    /// Takes the same amount of memory at each step.
    Linear,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Flat => "flat",
            Kind::Linear => "linear",
        }
    }
}

/// Measure processes of which it is known how they grow, for the report's comparison
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which
    #[arg(value_enum, required = true)]
    kinds: Vec<Kind>,
    /// The folder of the search that they are for
    #[arg(long, value_name = "DIR", default_value = "thesis-search")]
    out: PathBuf,
    /// Seconds that each runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// One control's process
#[derive(Clone, Debug, clap::Args)]
pub struct Hold {
    #[arg(value_enum)]
    kind: Kind,
    seconds: u64,
}

/// Runs them one after the other beside a sidecar that looks every 10 ms.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = arguments.out.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    command::note(&folder)?;
    let state = folder.join("state");
    let setup = Setup { state: Some(&state), interval_ns: 10 * MILLI, observe: false };
    let sidecar = Sidecar::start("", "no policy".as_ref(), setup)?;
    for kind in &arguments.kinds {
        let words = ["hold".to_string(), kind.name().to_string(), arguments.seconds.to_string()];
        let ended = Trial::start(&words, sidecar.socket())?.wait()?;
        let view = sidecar.record_of(EXPERIMENT, kind.name(), ended)?;
        let peak = view.totals.memory_peak.map_or("unknown".into(), |peak| format!("{} KiB", peak / 1024));
        println!("{}: {}, memory peak {peak}", kind.name(), view.state.as_str());
    }
    sidecar.shutdown();
    Ok(())
}

/// One of them.
pub fn hold(arguments: &Hold) -> Result<(), Box<dyn Error>> {
    let steps = arguments.seconds * 1000 / PACE.as_millis() as u64;
    let (trial, experiment) = (Some(Name::new(arguments.kind.name())?), Some(Name::new(EXPERIMENT)?));
    let spec = TrialSpec { trial, experiment, total_steps: Some(steps), ..TrialSpec::default() };
    let mut sidecar = Trainer::hello(Hello { spec, ..Hello::default() });
    sidecar.wait_for_welcome(Duration::from_secs(5));
    // The kernel gives a page of these zeros only when it is first written to.
    let mut memory = vec![0_u8; GROWTH * usize::try_from(steps)?];
    sidecar.report(Step { phase: Some("train".into()), ..Step::default() });
    for step in 0..steps {
        let start = Instant::now();
        if arguments.kind == Kind::Linear {
            let from = GROWTH * usize::try_from(step)?;
            memory[from..from + GROWTH].iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        }
        thread::sleep(PACE);
        let seconds = Some(start.elapsed().as_secs_f64());
        sidecar.report(Step { step: Some(step + 1), n: Some(1), seconds, sample: true, ..Step::default() });
        if sidecar.stop_requested().is_some() {
            break;
        }
    }
    std::hint::black_box(&memory);
    sidecar.completed(&[]);
    Ok(())
}
