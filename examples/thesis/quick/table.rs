//! What became of the trials: a row each, read from what the sidecar saw, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write;

use earlystop::model::{ExitStatus, TrialState, TrialView};

/// One trial's row. What nobody saw is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The trial's name.
    pub trial: String,
    /// How it ended.
    pub state: TrialState,
    /// The rule that stopped it.
    pub rule: Option<String>,
    /// Why it ended, in words.
    pub why: String,
    /// Steps done.
    pub step: Option<u64>,
    /// Steps of a full run.
    pub target: Option<u64>,
    /// The last validation error it reported, in grades.
    pub rmse: Option<f64>,
    /// Highest memory (RSS - shared), bytes.
    pub memory_peak: Option<u64>,
    /// CPU seconds, user and system.
    pub cpu: f64,
    /// Seconds from start to end.
    pub elapsed: f64,
    /// Seconds that the stop saved, as the sidecar estimates.
    pub saved: Option<f64>,
}

impl Row {
    /// The row of a trial that has ended.
    pub fn of(view: &TrialView) -> Row {
        let final_rmse = view.metrics.get("val_rmse").map(|metric| metric.last_word.unwrap_or(metric.last));
        let saved = (!view.saved.is_empty()).then(|| view.saved.values().sum());
        Row {
            trial: view.trial.to_string(),
            state: view.state,
            rule: view.stop.as_ref().map(|stop| stop.rule.to_string()),
            why: why(view),
            step: view.progress.step,
            target: view.progress.target_steps,
            rmse: final_rmse,
            memory_peak: view.totals.memory_peak,
            cpu: view.totals.cpu.first + view.totals.cpu.second,
            elapsed: view.ended.map_or(0.0, |ended| ended.seconds_since(view.started)),
            saved,
        }
    }
}

/// Why a trial ended.
fn why(view: &TrialView) -> String {
    if let Some(stop) = &view.stop {
        return format!("{}: {}", stop.rule, stop.reason);
    }
    let status = match view.exit.and_then(|exit| exit.status) {
        Some(ExitStatus::Code(0)) | None => String::new(),
        Some(ExitStatus::Code(code)) => format!(", exit code {code}"),
        Some(ExitStatus::Signal(signal)) => format!(", signal {signal}"),
    };
    format!("{}{status}", view.state.as_str())
}

/// The table for a person: a line a trial, then a line of totals.
pub fn text(rows: &[Row], wall_seconds: f64) -> String {
    const HEADS: [&str; 8] = ["trial", "steps", "of", "val RMSE", "peak MiB", "CPU s", "saved s", "why it ended"];
    let mut lines = vec![HEADS.map(String::from)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; HEADS.len()] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            // Names and reasons read from the left, numbers from the right; nothing trails the last column.
            let _ = match column {
                0 => write!(text, "{cell:<0$}", widths[0]),
                7 => write!(text, "  {cell}"),
                _ => write!(text, "  {cell:>0$}", widths[column]),
            };
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&totals(rows, wall_seconds));
    text
}

/// A row's cells as text.
fn cells(row: &Row) -> [String; 8] {
    let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
    [
        row.trial.clone(),
        or_dash(row.step.map(|step| step.to_string())),
        or_dash(row.target.map(|target| target.to_string())),
        or_dash(row.rmse.map(rmse_text)),
        or_dash(row.memory_peak.map(|bytes| format!("{:.1}", bytes as f64 / 1_048_576.0))),
        format!("{:.2}", row.cpu),
        or_dash(row.saved.map(|saved| format!("{saved:.1}"))),
        row.why.clone(),
    ]
}

/// Grades run from 0 to 10: beyond 10,000 only the size of an error matters.
fn rmse_text(rmse: f64) -> String {
    if rmse.abs() < 1e4 { format!("{rmse:.4}") } else { format!("{rmse:.1e}") }
}

/// The line of totals.
fn totals(rows: &[Row], wall_seconds: f64) -> String {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let end = row.rule.as_ref().map_or(row.state.as_str().to_string(), |rule| format!("stopped by {rule}"));
        *ends.entry(end).or_default() += 1;
    }
    let ends: Vec<String> = ends.into_iter().map(|(end, count)| format!("{count} {end}")).collect();
    let cpu: f64 = rows.iter().map(|row| row.cpu).sum();
    let saved: f64 = rows.iter().filter_map(|row| row.saved).sum();
    let mut text = format!(
        "{} trials in {wall_seconds:.1} s: {}. CPU {cpu:.1} s; saved about {saved:.0} s (at the pace the stopped trials \
         had).\n",
        rows.len(),
        ends.join(", ")
    );
    let finished = rows.iter().filter(|row| row.state == TrialState::Completed && row.rmse.is_some());
    if let Some(best) = finished.min_by(|a, b| f64::total_cmp(&a.rmse.unwrap_or(f64::NAN), &b.rmse.unwrap_or(f64::NAN)))
    {
        let _ = writeln!(text, "Best of those that finished: {}, val RMSE {}.", best.trial, cells(best)[3]);
    }
    text
}

/// The table for programs: full precision, an empty field where nobody saw a value.
pub fn csv(rows: &[Row]) -> String {
    let mut text = "trial,state,rule,steps,target_steps,val_rmse,memory_peak_bytes,cpu_seconds,elapsed_seconds,\
                    saved_seconds,why\n"
        .to_string();
    for row in rows {
        let number = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
        let count = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let fields = [
            row.trial.clone(),
            row.state.as_str().into(),
            row.rule.clone().unwrap_or_default(),
            count(row.step),
            count(row.target),
            number(row.rmse),
            count(row.memory_peak),
            row.cpu.to_string(),
            row.elapsed.to_string(),
            number(row.saved),
            format!("\"{}\"", row.why.replace('"', "\"\"")),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trial: &str, state: TrialState) -> Row {
        Row {
            trial: trial.into(),
            state,
            rule: None,
            why: state.as_str().into(),
            step: Some(100),
            target: Some(100),
            rmse: Some(0.65),
            memory_peak: Some(3 << 20),
            cpu: 1.25,
            elapsed: 1.5,
            saved: None,
        }
    }

    fn stopped() -> Row {
        Row {
            rule: Some("diverged".into()),
            why: "diverged: val_rmse 2.1e11 > 10, \"far\" off".into(),
            rmse: Some(2.087e11),
            memory_peak: None,
            saved: Some(8.75),
            ..row("b2-lr0.1", TrialState::Stopped)
        }
    }

    #[test]
    fn the_table_lines_up_and_adds_up() {
        let rows = [row("b256-lr0.001", TrialState::Completed), stopped()];
        let want = "\
trial         steps   of  val RMSE  peak MiB  CPU s  saved s  why it ended
b256-lr0.001    100  100    0.6500       3.0   1.25        -  completed
b2-lr0.1        100  100    2.1e11         -   1.25      8.8  diverged: val_rmse 2.1e11 > 10, \"far\" off

2 trials in 3.0 s: 1 completed, 1 stopped by diverged. CPU 2.5 s; saved about 9 s (at the pace the stopped trials had).
Best of those that finished: b256-lr0.001, val RMSE 0.6500.
";
        assert_eq!(text(&rows, 3.0), want);
    }

    #[test]
    fn a_stopped_trial_is_never_the_best() {
        let rows = [Row { rmse: Some(0.1), ..stopped() }];
        assert!(!text(&rows, 1.0).contains("Best"));
    }

    #[test]
    fn csv_keeps_every_digit_and_quotes_reasons() {
        let text = csv(&[stopped()]);
        let line = text.lines().nth(1).expect("a row");
        assert_eq!(
            line,
            "b2-lr0.1,stopped,diverged,100,100,208700000000,,1.25,1.5,8.75,\
             \"diverged: val_rmse 2.1e11 > 10, \"\"far\"\" off\""
        );
    }
}
