//! Which hyperparameters a budget selects: the share of feasible trials at each value.

use std::collections::BTreeMap;

use super::super::page::{Cell, Table};
use super::super::plot::{Axis, Line, Shape, Size, lines};
use super::row::Row;

/// Quantiles at which budgets are set, as columns.
const COLUMNS: [(f64, &str); 5] = [
    (0.10, "feasible at 10 %"),
    (0.25, "feasible at 25 %"),
    (0.50, "feasible at 50 %"),
    (0.75, "feasible at 75 %"),
    (0.90, "feasible at 90 %"),
];

/// A data set, a measure and a hyperparameter.
type Part<'a> = (&'a str, &'a str, &'a str);

/// Its values, in order, each with its trials and the share of feasible ones by quantile.
type Values<'a> = Vec<(&'a str, usize, [Option<f64>; COLUMNS.len()])>;

/// A plot for each set and measure of the hyperparameter that differs most, and a table of all.
pub fn shown(selects: &[Row]) -> (Vec<String>, Table) {
    let parts = parts(selects);
    let mut most: BTreeMap<(&str, &str), (f64, &str)> = BTreeMap::new();
    for ((set, measure, parameter), values) in &parts {
        let differs = spread(values);
        let best = most.entry((set, measure)).or_insert((differs, parameter));
        if differs > best.0 {
            *best = (differs, parameter);
        }
    }
    let plots = most
        .iter()
        .map(|((set, measure), (_, parameter))| plot(set, measure, parameter, &parts[&(*set, *measure, *parameter)]));
    (plots.collect(), table(&parts))
}

fn parts(selects: &[Row]) -> BTreeMap<Part<'_>, Values<'_>> {
    let mut parts: BTreeMap<Part<'_>, Values<'_>> = BTreeMap::new();
    for row in selects {
        let values = parts.entry((row.text("set"), row.text("measure"), row.text("parameter"))).or_default();
        let value = row.text("value");
        let place = values.iter().position(|one| one.0 == value).unwrap_or_else(|| {
            values.push((value, row.number("trials").unwrap_or(0.0) as usize, [None; COLUMNS.len()]));
            values.len() - 1
        });
        if let Some(column) = COLUMNS.iter().position(|column| row.number("quantile") == Some(column.0)) {
            values[place].2[column] = row.number("feasible");
        }
    }
    let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
    parts.values_mut().for_each(|values| values.sort_by(|a, b| number(a.0).total_cmp(&number(b.0))));
    parts
}

/// How far apart the values of a hyperparameter are, over all budgets.
fn spread(values: &Values<'_>) -> f64 {
    let of = |column: usize| {
        let shares = values.iter().filter_map(|value| value.2[column]);
        let (low, high) = shares.fold((1.0_f64, 0.0_f64), |(low, high), share| (low.min(share), high.max(share)));
        (high - low).max(0.0)
    };
    (0..COLUMNS.len()).map(of).sum()
}

fn plot(set: &str, measure: &str, parameter: &str, values: &Values<'_>) -> String {
    let ticks = values.iter().enumerate().map(|(place, value)| (place as f64, value.0.to_string())).collect();
    let line = |column: usize| {
        let point = |(place, value): (usize, &(&str, usize, [Option<f64>; COLUMNS.len()]))| {
            Some((place as f64, value.2[column]?))
        };
        let name = format!("at {:.0} %", 100.0 * COLUMNS[column].0);
        Line { name, points: values.iter().enumerate().filter_map(point).collect() }
    };
    let drawn = [1, 2, 3].map(line);
    let x = Axis::between(parameter, -0.5, values.len() as f64 - 0.5).with_ticks(ticks);
    let feasible = Axis::shares("trials feasible under a budget at a quantile");
    lines(Size::Small, &format!("{set}: {measure}"), (x, feasible), Shape::Dotted, &drawn)
}

fn table(parts: &BTreeMap<Part<'_>, Values<'_>>) -> Table {
    let mut rows = Vec::new();
    for ((set, measure, parameter), values) in parts {
        for (value, trials, shares) in values {
            let words = [*set, *measure, *parameter, *value].map(Cell::text);
            let shares = shares.iter().map(|share| Cell::number(share.map(|share| 100.0 * share)));
            rows.push(words.into_iter().chain([Cell::count(*trials)]).chain(shares).collect());
        }
    }
    let mut head = vec!["data set", "budget on", "hyperparameter", "value", "trials"];
    head.extend(COLUMNS.map(|column| column.1));
    let caption = "Which hyperparameters a budget selects: of the trials with a value, the share (%) that stays within budgets at \
                   these quantiles; plotted is the hyperparameter that differs most. This is about the use of the system, not \
                   about learning."
        .into();
    Table { name: "rq3_selects", caption, head, rows, shown: 60 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_order_and_the_widest_is_drawn() {
        let row = |parameter: &str, value: &str, quantile: f64, feasible: f64| -> Row {
            let text = format!(
                r#"{{"set":"s","measure":"elapsed","quantile":{quantile},"parameter":"{parameter}","value":"{value}","trials":4,"feasible":{feasible}}}"#
            );
            serde_json::from_str(&text).expect("a row")
        };
        let rows = [
            row("batch_size", "16", 0.5, 1.0),
            row("batch_size", "2", 0.5, 0.0),
            row("alpha", "0.1", 0.5, 0.4),
            row("alpha", "0.01", 0.5, 0.6),
        ];
        let (plots, table) = shown(&rows);
        assert_eq!(plots.len(), 1);
        assert!(plots[0].contains(">batch_size</text>") && !plots[0].contains("NaN"), "{}", plots[0]);
        let values: Vec<String> = table.rows.iter().map(|row| row[3].shown()).collect();
        assert_eq!(values, ["0.01", "0.1", "2", "16"]);
        assert_eq!(table.rows[2][7], Cell::number(Some(0.0)));
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
    }
}
