//! `earlystop import`: a history that was recorded elsewhere, as a journal for `earlystop replay`.

use std::io::Write;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};

use super::Failure;
use crate::import::{self, Ask, End, Ended, First, History, Trouble};
use crate::journal::Times;
use crate::model::Mode;

/// Arguments of `earlystop import`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A CSV file (plain or gzip), MLflow's SQLite file or address (http://...), TensorBoard's event files or their folder
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The journal to write; it must not be there yet
    #[arg(short, long, value_name = "JOURNAL")]
    pub output: PathBuf,
    /// The metric that trials are judged by
    #[arg(long, value_name = "NAME")]
    pub metric: String,
    /// Which way it is better: min or max
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Mode,
    /// The columns of the curve, where a row of the table is a whole trial, such as 'acc_*'
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub columns: Option<GlobMatcher>,
    /// The first value of each curve is of random weights: leave it out, so that steps count from 1
    #[arg(long)]
    pub skip_first: bool,
    /// The experiment's name [default: the file's or folder's]; of a source with several, the one that is taken
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Steps of a full run [default: as the source says, else the longest curve]
    #[arg(long, value_name = "STEPS")]
    pub total: Option<u64>,
    /// The column that names the trial
    #[arg(long, value_name = "COLUMN")]
    pub trial_column: Option<String>,
    /// The column of the step, where a row of the table is a report
    #[arg(long, value_name = "COLUMN")]
    pub step_column: Option<String>,
    /// The column of the time, where a row of the table is a report
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// The column that says how the trial ended
    #[arg(long, value_name = "COLUMN")]
    pub status_column: Option<String>,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure::new(trouble.to_string(), trouble.hint)
    }
}

/// Reads the source, writes the journal, says what is in it.
///
/// # Errors
/// What a person has to know.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<u8, Failure> {
    let history = import::read(&args.source, &ask(args))?;
    let uid = rustix::process::getuid().as_raw();
    import::write(&history, &args.output, uid)?;
    summary(&history, args, out)?;
    Ok(0)
}

fn ask(args: &Args) -> Ask {
    Ask {
        metric: args.metric.clone(),
        mode: args.mode,
        columns: args.columns.clone(),
        first: if args.skip_first { First::Skipped } else { First::Counts },
        experiment: args.experiment.clone(),
        total: args.total,
        trial_column: args.trial_column.clone(),
        step_column: args.step_column.clone(),
        time_column: args.time_column.clone(),
        status_column: args.status_column.clone(),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "min" => Ok(Mode::Min),
        "max" => Ok(Mode::Max),
        _ => Err("say min (lower is better) or max".to_string()),
    }
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    // Names of columns are no paths: `*` may stand for a slash too.
    GlobBuilder::new(text)
        .literal_separator(false)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| e.to_string())
}

/// What was imported, so that a person sees at a glance whether it was understood.
fn summary(history: &History, args: &Args, out: &mut dyn Write) -> std::io::Result<()> {
    let trials = &history.trials;
    let ended = |end: End| trials.iter().filter(|trial| trial.end == end).count();
    let experiments: std::collections::BTreeSet<&str> = trials.iter().map(|trial| trial.experiment.as_str()).collect();
    let experiments: Vec<&str> = experiments.into_iter().collect();
    writeln!(out, "{}: {} of {}", args.output.display(), count(trials.len(), "trial"), experiments.join(", "))?;
    let (way, other) = match history.objective.mode {
        Mode::Min => ("lower is better", "max"),
        Mode::Max => ("higher is better", "min"),
    };
    writeln!(out, "  objective  {}, {way}", history.objective.metric)?;
    let complete = ended(End::Completed);
    writeln!(out, "  complete   {complete}")?;
    let censored =
        [(End::Stopped, "stopped"), (End::Failed, "failed"), (End::Lost, "ended before their total, nobody says why")];
    let kinds: Vec<String> = censored
        .iter()
        .filter(|(end, _)| ended(*end) > 0)
        .map(|(end, what)| format!("{} {what}", ended(*end)))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    writeln!(out, "  censored   {}{kinds}", trials.len() - complete)?;
    let steps = || trials.iter().flat_map(|trial| &trial.reports).filter(|report| report.step.is_some());
    let missing = steps().filter(|report| !report.has_objective()).count();
    let totals: Vec<u64> = trials.iter().filter_map(|trial| trial.total).collect();
    let total = match (totals.iter().min(), totals.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("{most} steps"),
        (Some(least), Some(most)) => format!("{least} to {most} steps"),
        _ => "unknown".to_string(),
    };
    writeln!(out, "  full run   {total}")?;
    writeln!(out, "  reports    {}, {missing} without a value", steps().count())?;
    let times = match history.times {
        Times::Recorded => "as recorded",
        Times::MadeUp => "none in the source: one trial after the other, one second a step",
    };
    writeln!(out, "  times      {times}")?;
    for remark in &history.remarks {
        writeln!(out, "  note       {remark}")?;
    }
    if worsens(history) {
        writeln!(out, "  warning    most curves get worse from first to last: is --mode {other} meant?")?;
    }
    let path = args.output.display();
    writeln!(out, "now try a policy on it: earlystop replay --policy FILE {path}")
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Whether most curves end worse than they begin.
fn worsens(history: &History) -> bool {
    let ends = |trial: &Ended| {
        let mut values = trial.reports.iter().flat_map(|r| &r.values).filter(|(m, v)| *m == 0 && v.is_finite());
        let first = values.next()?.1;
        Some((first, values.next_back()?.1))
    };
    let pairs: Vec<(f64, f64)> = history.trials.iter().filter_map(ends).collect();
    let worse = pairs.iter().filter(|(first, last)| history.objective.mode.better(*first, *last)).count();
    worse * 2 > pairs.len()
}
