//! Which trial a person means by NAME, EXPERIMENT/NAME or a run id: the living one, else the latest.

use super::Failure;
use crate::wire::row::{ListRow, TrialRow};

/// Finds the trial among the rows of several daemons; gives the daemon's number with it.
///
/// # Errors
/// There is none, there are several, or it is another user's.
pub fn resolve<'a>(named: &str, rows: &[(usize, &'a ListRow)]) -> Result<(usize, &'a TrialRow), Failure> {
    let own = rows.iter().filter_map(|(at, row)| match row {
        ListRow::Own(row) => Some((*at, &**row)),
        ListRow::Foreign(_) => None,
    });
    let all: Vec<(usize, &TrialRow)> = own.collect();
    let mut found: Vec<(usize, &TrialRow)> = all.iter().copied().filter(|(_, row)| is_meant(named, row)).collect();
    let living: Vec<(usize, &TrialRow)> = found.iter().copied().filter(|(_, row)| is_living(row)).collect();
    match living.as_slice() {
        [one] => Ok(*one),
        [] => {
            found.sort_by(|(_, a), (_, b)| a.started.total_cmp(&b.started));
            found.pop().ok_or_else(|| unknown(named, rows, &all))
        }
        several => Err(ambiguous(named, several)),
    }
}

/// Whether it still runs.
pub fn is_living(row: &TrialRow) -> bool {
    matches!(row.state.as_str(), "running" | "stopping")
}

/// EXPERIMENT/NAME.
pub fn full_name(row: &TrialRow) -> String {
    format!("{}/{}", row.experiment, row.trial)
}

fn is_meant(named: &str, row: &TrialRow) -> bool {
    named == row.trial || named == full_name(row) || named.eq_ignore_ascii_case(&row.run)
}

fn ambiguous(named: &str, several: &[(usize, &TrialRow)]) -> Failure {
    let mut lines: Vec<String> =
        several.iter().map(|(_, row)| format!("\n    {}  (run {})", full_name(row), row.run)).collect();
    lines.sort();
    let message = format!("{named:?} may be any of {} trials:{}", several.len(), lines.concat());
    Failure::new(message, "give EXPERIMENT/NAME or the run id")
}

fn unknown(named: &str, rows: &[(usize, &ListRow)], own: &[(usize, &TrialRow)]) -> Failure {
    let foreign = rows.iter().any(|(_, row)| match row {
        ListRow::Foreign(row) => named == row.trial || named == format!("{}/{}", row.experiment, row.trial),
        ListRow::Own(_) => false,
    });
    if foreign {
        return Failure::new(format!("the trial {named:?} belongs to another user"), "its owner or root can do this");
    }
    let names = own.iter().flat_map(|(_, row)| [row.trial.clone(), full_name(row)]);
    let near = names.map(|n| (strsim::damerau_levenshtein(named, &n), n)).min();
    // A third of the letters wrong is no slip of the finger any more.
    let hint = match near {
        Some((distance, name)) if distance * 3 <= named.chars().count() => format!("did you mean {name:?}?"),
        _ => "see `earlystop list`".to_string(),
    };
    Failure::new(format!("there is no trial {named:?}"), hint)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::wire::row::ForeignRow;

    /// A row with little in it.
    pub fn row(experiment: &str, trial: &str, state: &str, started: f64) -> TrialRow {
        TrialRow {
            trial: trial.into(),
            experiment: experiment.into(),
            run: format!("01J{experiment}{trial}{started}").to_uppercase(),
            attempt: 1,
            labels: Default::default(),
            params: Default::default(),
            group: None,
            fold: None,
            parent: None,
            uid: 0,
            pid: Some(7),
            state: state.into(),
            started,
            ended: None,
            step: None,
            target_steps: None,
            epoch: None,
            memory_bytes: None,
            rules: Vec::new(),
            stop: None,
            exit: None,
        }
    }

    fn found(named: &str, rows: &[TrialRow]) -> Result<(String, f64), String> {
        let rows: Vec<ListRow> = rows.iter().cloned().map(|r| ListRow::Own(Box::new(r))).collect();
        let rows: Vec<(usize, &ListRow)> = rows.iter().map(|row| (0, row)).collect();
        resolve(named, &rows).map(|(_, r)| (full_name(r), r.started)).map_err(|e| e.to_string())
    }

    #[test]
    fn the_living_one_else_the_latest() {
        let rows = [row("a", "x", "failed", 1.0), row("a", "x", "running", 2.0), row("a", "y", "failed", 3.0)];
        assert_eq!(found("x", &rows).unwrap(), ("a/x".into(), 2.0));
        assert_eq!(found("a/x", &rows).unwrap(), ("a/x".into(), 2.0));
        assert_eq!(found(&rows[0].run.to_lowercase(), &rows).unwrap(), ("a/x".into(), 1.0));
        let ended = [row("a", "x", "failed", 1.0), row("b", "x", "completed", 9.0)];
        assert_eq!(found("x", &ended).unwrap(), ("b/x".into(), 9.0));
    }

    #[test]
    fn several_are_listed_and_slips_are_noticed() {
        let rows = [row("b", "train", "running", 1.0), row("a", "train", "stopping", 2.0)];
        let said = found("train", &rows).unwrap_err();
        assert!(said.contains("any of 2 trials:\n    a/train  (run 01J"), "{said}");
        assert!(said.contains("hint: give EXPERIMENT/NAME"), "{said}");
        assert!(found("trian", &rows).unwrap_err().contains("did you mean \"train\"?"));
        assert!(found("zzz", &rows).unwrap_err().contains("see `earlystop list`"));
    }

    #[test]
    fn other_users_trials_are_theirs() {
        let theirs =
            ListRow::Foreign(ForeignRow { trial: "x".into(), experiment: "a".into(), state: "running".into() });
        let said = resolve("a/x", &[(0, &theirs)]).unwrap_err().to_string();
        assert!(said.contains("belongs to another user"), "{said}");
    }
}
