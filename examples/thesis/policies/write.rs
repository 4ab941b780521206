//! The tables: as CSV, as one JSON, and as text for the terminal.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Tables;
use super::live::Compared;

/// Writes all of them.
pub fn tables(out: &Path, tables: &Tables) -> Result<(), Box<dyn Error>> {
    csv(&out.join("budgets.csv"), &tables.budgets)?;
    csv(&out.join("selects.csv"), &tables.selects)?;
    csv(&out.join("learning.csv"), &tables.learning)?;
    csv(&out.join("forecasts.csv"), &tables.forecasts)?;
    if !tables.live.is_empty() {
        csv(&out.join("live.csv"), &tables.live)?;
    }
    let path = out.join("policies.json");
    fs::write(&path, serde_json::to_vec_pretty(tables)?)
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(())
}

fn csv(path: &Path, rows: &[impl Serialize]) -> Result<(), Box<dyn Error>> {
    let mut writer = csv::Writer::from_path(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    Ok(writer.flush()?)
}

/// Budgets and learning rules for a person.
pub fn text(tables: &Tables) -> String {
    let mut text = String::from(
        "set        budget       quantile  feasible  stopped  precision  recall  at share  saved CPU  price    kept\n",
    );
    for one in &tables.budgets {
        let _ = writeln!(
            text,
            "{:<10} {:<12} {:>7}%  {:>8}  {:>7}  {:>9}  {:>6}  {:>8}  {:>9}  {:>6}  {:>5}  {}",
            one.set,
            one.measure,
            one.quantile * 100.0,
            one.feasible,
            one.stopped,
            percent(one.precision),
            percent(one.recall),
            percent(one.detection_share),
            percent(Some(one.saved_cpu)),
            percent(one.price),
            word(one.best_feasible.is_some(), one.feasible_kept),
            one.note
        );
    }
    text.push_str(
        "\nset        rule              trials  stopped  kept   regret  as stopped  saved steps  saved s  saved CPU\n",
    );
    for one in &tables.learning {
        let _ = writeln!(
            text,
            "{:<10} {:<16}  {:>6}  {:>7}  {:>4}  {:>7}  {:>10}  {:>11}  {:>7}  {:>9}  {}",
            one.set,
            one.rule,
            one.trials,
            one.stopped,
            word(true, one.kept),
            percent(one.regret),
            percent(one.regret_as_stopped),
            percent(Some(one.saved_steps)),
            percent(Some(one.saved_seconds)),
            percent(Some(one.saved_cpu)),
            one.note
        );
    }
    text.push_str(&forecasts(tables));
    text.push_str(&ranked(tables));
    text
}

fn forecasts(tables: &Tables) -> String {
    let mut text =
        String::from("\nset        from         foretold         trials  diverged  median error  as it stands  unit\n");
    for one in &tables.forecasts {
        let _ = writeln!(
            text,
            "{:<10} {:<11}  {:<15}  {:>6}  {:>8}  {:>12.4}  {:>12.4}  {}",
            one.set, one.from, one.quantity, one.trials, one.diverged, one.error, one.error_last, one.unit
        );
    }
    for source in &tables.shares {
        let _ = writeln!(
            text,
            "Share {}: {}, made by: {}",
            source.share.percent(),
            source.journal.display(),
            source.command
        );
    }
    if tables.shares.is_empty() {
        text.push_str(
            "Nothing is foretold from runs on a part of the rows: `-- search SET... --share 10% --out DIR` makes such runs, with \
             the options of the record; --share-of DIR reads them.\n",
        );
    }
    text
}

fn ranked(tables: &Tables) -> String {
    let Some(ranks) = &tables.ranks else { return String::new() };
    let mut text = String::from("\nMean ranks by CPU used at a regret of 0.1 % at most (1 is best):\n");
    for (treatment, rank) in ranks.treatments.iter().zip(&ranks.mean) {
        let _ = writeln!(text, "{treatment:<18} {rank:.2}");
    }
    let critical = ranks.nemenyi.map_or("-".into(), |critical| format!("{critical:.3}"));
    let _ = writeln!(
        text,
        "Friedman {:.3} (p {:.4}), tie-corrected {:.3} (p {:.4}); Nemenyi {critical}, Bonferroni {:.3}.\n{}",
        ranks.chi2, ranks.p, ranks.chi2_ties, ranks.p_ties, ranks.bonferroni, ranks.remark
    );
    text
}

/// What was foretold beside what was real.
pub fn live(rows: &[Compared]) -> String {
    let mut text = String::from(
        "\nset        policy            stopped       saved steps         saved s             saved CPU           off by\n",
    );
    for one in rows {
        let pair = |a: f64, b: f64| format!("{} / {}", percent(Some(a)), percent(Some(b)));
        let _ = writeln!(
            text,
            "{:<10} {:<16}  {:<12}  {:<18}  {:<18}  {:<18}  {}{}",
            one.set,
            one.policy,
            format!("{} / {}", one.foretold_stopped, one.real_stopped),
            pair(one.foretold_steps, one.real_steps),
            pair(one.foretold_seconds, one.real_seconds),
            pair(one.foretold_cpu, one.real_cpu),
            percent(Some(one.off_by)),
            if one.agrees { "" } else { "  more than 10 %" }
        );
    }
    text.push_str("Foretold / real. A share of what the record took; `off by` is about steps.\n");
    text
}

fn word(known: bool, kept: bool) -> &'static str {
    match (known, kept) {
        (false, _) => "-",
        (true, true) => "yes",
        (true, false) => "no",
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1}%", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_nobody_knows_is_no_zero() {
        assert_eq!(percent(None), "-");
        assert_eq!(percent(Some(0.1234)), "12.3%");
        assert_eq!(word(false, false), "-");
    }
}
