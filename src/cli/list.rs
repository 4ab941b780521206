//! `earlystop list`: all trials of all daemons of the user.

use std::io::Write;

use super::table::{self, Align};
use super::{Failure, daemons, resolve};
use crate::sys::clock;
use crate::wire::row::{ListRow, TrialRow};

/// Arguments of `earlystop list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "It asks the daemon and every `earlystop run` of this user. Running trials come first.")]
pub struct Args {
    /// Print a JSON array, for programs
    #[arg(long)]
    pub json: bool,
}

/// Prints the trials.
///
/// # Errors
/// No daemon.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let rows = rows()?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(0);
    }
    if rows.is_empty() {
        eprintln!("earlystop: no trials");
        return Ok(0);
    }
    for line in lines(&rows, None) {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// The rows of all daemons: running ones first, then by name and start.
///
/// # Errors
/// No daemon.
pub fn rows() -> Result<Vec<ListRow>, Failure> {
    let mut rows: Vec<ListRow> = daemons::ask_all()?.into_iter().flat_map(|daemon| daemon.rows).collect();
    rows.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal));
    Ok(rows)
}

fn order(row: &ListRow) -> (bool, &str, &str, f64) {
    match row {
        ListRow::Own(row) => (!resolve::is_living(row), &row.experiment, &row.trial, row.started),
        ListRow::Foreign(row) => {
            (!matches!(row.state.as_str(), "running" | "stopping"), &row.experiment, &row.trial, 0.0)
        }
    }
}

/// The table, its head first; lines are cut to `width` characters.
pub fn lines(rows: &[ListRow], width: Option<usize>) -> Vec<String> {
    use Align::{Left, Right};
    let head = [
        ("TRIAL", Left),
        ("STATE", Left),
        ("TIME", Right),
        ("STEP", Right),
        ("MEMORY", Right),
        ("PID", Right),
        ("RULES", Left),
    ];
    let now = clock::now().unix_seconds();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now)).collect();
    table::render(&head, &cells, width)
}

fn cells(row: &ListRow, now: f64) -> Vec<String> {
    let row = match row {
        ListRow::Own(row) => row,
        ListRow::Foreign(row) => return vec![format!("{}/{}", row.experiment, row.trial), row.state.clone()],
    };
    vec![
        resolve::full_name(row),
        row.state.clone(),
        table::seconds(row.ended.unwrap_or(now) - row.started),
        progress(row),
        row.memory_bytes.map(table::bytes).unwrap_or_default(),
        row.pid.filter(|_| resolve::is_living(row)).map(|pid| pid.to_string()).unwrap_or_default(),
        rules(row),
    ]
}

fn progress(row: &TrialRow) -> String {
    match (row.step, row.target_steps) {
        (Some(step), Some(target)) => format!("{step}/{target}"),
        (Some(step), None) => step.to_string(),
        (None, _) => row.epoch.map(|epoch| format!("epoch {epoch}")).unwrap_or_default(),
    }
}

/// The stop, else what fires or soon will, else how it ended.
fn rules(row: &TrialRow) -> String {
    if let Some(stop) = &row.stop {
        return format!("{}: {}", stop.rule, stop.reason);
    }
    let loud = row.rules.iter().filter(|r| matches!(r.state.as_str(), "firing" | "pending"));
    let loud: Vec<String> = loud.map(|r| format!("{} {}", r.rule, r.state)).collect();
    match &row.exit {
        Some(exit) if loud.is_empty() => match (exit.status, exit.signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(code), None) if code != 0 => format!("exit code {code}"),
            _ => String::new(),
        },
        _ => loud.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::resolve::tests::row;
    use crate::wire::row::{RuleRow, StopRow};

    #[test]
    fn a_row_says_what_matters() {
        let mut running = row("wine", "svm", "running", 100.0);
        running.step = Some(12);
        running.target_steps = Some(50);
        running.memory_bytes = Some(3 << 20);
        let rule = |name: &str, state: &str| RuleRow { rule: name.into(), state: state.into(), since: 0.0 };
        running.rules = vec![rule("memory-cap", "pending"), rule("stalled", "inactive")];
        let cells = |row: &TrialRow| cells(&ListRow::Own(Box::new(row.clone())), 165.0);
        assert_eq!(cells(&running), ["wine/svm", "running", "1m05s", "12/50", "3.0 MiB", "7", "memory-cap pending"]);
        running.state = "stopped".into();
        running.ended = Some(110.0);
        running.memory_bytes = None;
        let (rule, reason) = ("memory-cap".into(), "memory 3 MiB > 2 MiB".into());
        running.stop = Some(StopRow { id: "01J".into(), rule, reason, rung: 0, since: 0.0 });
        assert_eq!(cells(&running)[2..], ["10s", "12/50", "", "", "memory-cap: memory 3 MiB > 2 MiB"]);
    }
}
