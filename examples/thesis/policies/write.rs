//! The tables: as CSV, as one JSON, and the short of them as text for the terminal.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::forecast::share::Source;
use super::live::Compared;
use super::tables::Tables;

/// Rules of a data set that the terminal shows.
const BEST: usize = 2;

/// Writes all of them, and `sources.csv`: which journal and command each file comes from.
pub fn tables(out: &Path, tables: &Tables) -> Result<(), Box<dyn Error>> {
    csv(&out.join("budgets.csv"), &tables.budgets)?;
    csv(&out.join("selects.csv"), &tables.selects)?;
    csv(&out.join("learning.csv"), &tables.learning)?;
    csv(&out.join("points.csv"), &tables.points)?;
    csv(&out.join("ways.csv"), &tables.ways)?;
    csv(&out.join("extents.csv"), &tables.extents)?;
    csv(&out.join("forecasts.csv"), &tables.forecasts)?;
    let mut files = vec!["budgets", "selects", "learning", "points", "ways", "extents", "forecasts"];
    if !tables.live.is_empty() {
        csv(&out.join("live.csv"), &tables.live)?;
        files.push("live");
    }
    csv(&out.join("sources.csv"), &files.into_iter().map(|file| Origin::of(file, tables)).collect::<Vec<_>>())?;
    let path = out.join("policies.json");
    fs::write(&path, serde_json::to_vec_pretty(tables)?)
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(())
}

/// Where a file comes from.
#[derive(Serialize)]
struct Origin {
    file: String,
    journal: String,
    recorded_by: String,
    command: String,
}

impl Origin {
    fn of(file: &str, tables: &Tables) -> Origin {
        Origin {
            file: format!("{file}.csv"),
            journal: tables.journal.display().to_string(),
            recorded_by: tables.recorded_by.join("; "),
            command: tables.command.clone(),
        }
    }
}

fn csv(path: &Path, rows: &[impl Serialize]) -> Result<(), Box<dyn Error>> {
    let mut writer = csv::Writer::from_path(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    Ok(writer.flush()?)
}

/// The short of budgets, rules and ranks: everything is in the files, and on the page that `report` makes.
pub fn text(tables: &Tables) -> String {
    let mut text = String::from(
        "Budgets at the median    set                feasible  stopped  precision  recall  CPU used  price\n",
    );
    for one in tables.budgets.iter().filter(|one| one.quantile == 0.5) {
        let _ = writeln!(
            text,
            "{:<23}  {:<18} {:>8}  {:>7}  {:>9}  {:>6}  {:>8}  {:>5}  {}",
            one.measure,
            one.set,
            one.feasible,
            one.stopped,
            percent(one.precision),
            percent(one.recall),
            percent(Some(1.0 - one.saved_cpu)),
            percent(one.price),
            one.note
        );
    }
    let _ = writeln!(text, "\nCheapest rules that lose at most 0.1 %, of {} rules", super::RULES.len());
    for set in tables.diverged.keys() {
        let mut sound: Vec<_> =
            tables.points.iter().filter(|one| one.set == *set && one.kind == "rule" && !one.failed).collect();
        sound.sort_by(|a, b| a.used_cpu.total_cmp(&b.used_cpu));
        let words =
            |one: &&super::frontier::Point| format!("{} uses {} of the CPU", one.policy, percent(Some(one.used_cpu)));
        let words: Vec<String> = sound.iter().take(BEST).map(words).collect();
        let _ = writeln!(text, "{set:<18}  {}", if words.is_empty() { "none".into() } else { words.join(", ") });
    }
    for Source { share, journal, command } in &tables.shares {
        let _ = writeln!(text, "Share {}: {}, made by: {command}", share.percent(), journal.display());
    }
    if tables.shares.is_empty() {
        text.push_str(
            "\nNothing is foretold from runs on a part of the rows: `-- search SET... --share 10% --out DIR` makes such runs, with \
             the options of the record; --share-of DIR reads them.\n",
        );
    }
    text.push_str(&ranked(tables));
    text
}

fn ranked(tables: &Tables) -> String {
    let Some(ranks) = &tables.ranks else { return String::new() };
    let mut order: Vec<(&String, &f64)> = ranks.treatments.iter().zip(&ranks.mean).collect();
    order.sort_by(|a, b| a.1.total_cmp(b.1));
    let order: Vec<String> = order.iter().map(|(treatment, rank)| format!("{treatment} {rank:.2}")).collect();
    let critical = ranks.nemenyi.map_or("-".into(), |critical| format!("{critical:.3}"));
    format!(
        "\nMean ranks by CPU used at a regret of 0.1 % at most (1 is best): {}.\nFriedman {:.3} (p {:.4}), tie-corrected {:.3} \
         (p {:.4}); Nemenyi {critical}, Bonferroni {:.3}.\n{}\n",
        order.join(", "),
        ranks.chi2,
        ranks.p,
        ranks.chi2_ties,
        ranks.p_ties,
        ranks.bonferroni,
        ranks.remark
    )
}

/// What was foretold beside what was real.
pub fn live(rows: &[Compared]) -> String {
    let mut text = String::from("\nLive, foretold / real    set                 stopped  steps saved  off by\n");
    for one in rows {
        let _ = writeln!(
            text,
            "{:<23}  {:<18}  {:<9}  {:<13}  {}{}",
            one.policy,
            one.set,
            format!("{} / {}", one.foretold_stopped, one.real_stopped),
            format!("{} / {}", percent(Some(one.foretold_steps)), percent(Some(one.real_steps))),
            percent(Some(one.off_by)),
            if one.agrees { "" } else { "  more than 10 %" }
        );
    }
    text
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
    }
}
