//! Budgets on the use of the system: whom they stop, how early, and what is left.

use super::super::page::{Cell, Section, Table};
use super::super::plot::{Axis, Line, Shape, Size, lines};
use super::found::Found;
use super::row::{Row, distinct};
use super::selects;
use crate::runs::DIVERGED;
use crate::stats::median;

/// Rows of a table on the page: two data sets.
const SHOWN: usize = 40;

/// The section.
pub fn section(found: &Found) -> Section {
    let budgets = &found.budgets;
    let mut plots = plots(budgets);
    let (more, selects) = selects::shown(&found.selects);
    plots.extend(more);
    Section {
        title: "RQ3: budgets on the use of the system".into(),
        answer: answer(budgets),
        words: words(found),
        plots,
        tables: vec![stops(budgets), left(budgets), selects],
        ..Section::default()
    }
}

fn answer(budgets: &[Row]) -> String {
    let middle: Vec<&Row> = budgets.iter().filter(|row| row.number("quantile") == Some(0.5)).collect();
    let of = |column: &str| median(&middle.iter().filter_map(|row| row.number(column)).collect::<Vec<_>>());
    let (Some(saved), false) = (of("saved_cpu"), middle.is_empty()) else {
        return "No budget was tried.".into();
    };
    let recall = of("recall").map_or("an unknown share".into(), |recall| format!("{:.0} %", 100.0 * recall));
    let kept = middle.iter().filter(|row| row.holds("feasible_kept")).count();
    format!(
        "A budget at the median of the full runs stops {recall} of the trials that would break it before they end, and saves \
         {:.0} % of the CPU (medians of {} budgets by data set and measure); in {kept} of them the best configuration that \
         fits the budget is still there.",
        100.0 * saved,
        middle.len()
    )
}

fn words(found: &Found) -> Vec<String> {
    let budgets = &found.budgets;
    let noted = |note: &str| budgets.iter().filter(|row| row.text("note") == note).count();
    let count = |column: &str| {
        budgets.iter().filter_map(|row| row.number(column)).map(|count| count as usize).max().unwrap_or(0)
    };
    let diverged: Vec<String> = found.diverged.iter().map(|(set, count)| format!("{count} on {set}")).collect();
    vec![
        "A trial is feasible if its full run stays within the budget. Precision: of the trials stopped, the share that would \
         have broken it. Recall: of those that would have broken it, the share stopped before they ended. Time to detection: \
         median from the start of a trial to its stop. The price is how much worse the best feasible configuration (feasible \
         on all folds) is than the best of all. A rule looks at every tick of the sidecar: a trial that ends before is \
         stopped by none."
            .to_string(),
        format!(
            "Of {} budgets {} stop no trial, {} stop all, and under {} no configuration is feasible on all folds.",
            budgets.len(),
            noted("stops none"),
            noted("stops all"),
            noted("no configuration is feasible on all folds")
        ),
        format!(
            "A configuration with a diverged fold is never the best feasible one: up to {} configurations that fit a budget \
             are left out for that. Diverged trials: {}. {DIVERGED}",
            count("diverged_configurations"),
            if diverged.is_empty() { "none".into() } else { diverged.join(", ") }
        ),
    ]
}

/// A plot for each set and measure: precision, recall and saving against where the budget is set.
fn plots(budgets: &[Row]) -> Vec<String> {
    let mut plots = Vec::new();
    for (set, measure) in distinct(budgets, "set")
        .into_iter()
        .flat_map(|set| distinct(budgets, "measure").into_iter().map(move |measure| (set, measure)))
    {
        let of: Vec<&Row> =
            budgets.iter().filter(|row| row.text("set") == set && row.text("measure") == measure).collect();
        let line = |name: &str, column: &str| Line {
            name: name.into(),
            points: of.iter().filter_map(|row| Some((row.number("quantile")?, row.number(column)?))).collect(),
        };
        let drawn = [line("recall", "recall"), line("precision", "precision"), line("CPU saved", "saved_cpu")];
        let ticks = of.iter().filter_map(|row| row.number("quantile")).map(|q| (q, format!("{:.0} %", 100.0 * q)));
        let x = Axis::shares("budget at this quantile of the full runs").with_ticks(ticks.collect());
        let title = format!("{set}: {measure}");
        plots.push(lines(Size::Small, &title, (x, Axis::shares("share of trials, or of CPU")), Shape::Dotted, &drawn));
    }
    plots
}

/// Whom budgets stop, how early, and what that saves.
fn stops(budgets: &[Row]) -> Table {
    let head = vec![
        "data set",
        "budget on",
        "quantile %",
        "budget (bytes or s)",
        "trials",
        "not measured",
        "feasible",
        "stopped",
        "precision %",
        "recall %",
        "detected after s",
        "of the run %",
        "saved steps %",
        "saved time %",
        "saved CPU %",
        "remark",
    ];
    let row = |row: &Row| {
        let mut cells = vec![row.cell("set"), row.cell("measure"), row.percent("quantile")];
        cells.extend(["bound", "trials", "unmeasured", "feasible", "stopped"].map(|column| row.cell(column)));
        cells.extend([row.percent("precision"), row.percent("recall"), row.cell("detection_seconds")]);
        cells
            .extend(["detection_share", "saved_steps", "saved_seconds", "saved_cpu"].map(|column| row.percent(column)));
        cells.push(row.cell("note"));
        cells
    };
    let caption =
        "Budgets at quantiles of what the full runs took. Times are of single trials; shares saved are of the whole \
                   search."
            .into();
    Table { name: "rq3_budgets", caption, head, rows: budgets.iter().map(row).collect(), shown: SHOWN }
}

/// What budgets leave to choose from.
fn left(budgets: &[Row]) -> Table {
    let head = vec![
        "data set",
        "budget on",
        "quantile %",
        "feasible configurations",
        "left out, diverged",
        "best of all",
        "best feasible",
        "price %",
        "best feasible kept",
        "best kept",
    ];
    let row = |row: &Row| {
        let kept = if row.text("best_feasible").is_empty() { Cell::None } else { row.cell("feasible_kept") };
        let mut cells = vec![row.cell("set"), row.cell("measure"), row.percent("quantile")];
        cells.extend(["feasible_configurations", "diverged_configurations", "best"].map(|column| row.cell(column)));
        cells.extend([row.cell("best_feasible"), row.percent("price"), kept, row.cell("best_kept")]);
        cells
    };
    let caption = "What budgets leave to choose from. The batch size in a name is no finding about learning.".into();
    Table { name: "rq3_left", caption, head, rows: budgets.iter().map(row).collect(), shown: SHOWN }
}
