//! Full runs foretold from their beginnings, or from runs on a part of the rows.

use super::super::page::{Section, Table, significant};
use super::row::Row;

/// The section: all columns that there are.
pub fn section(forecasts: &[Row], shares: &[Row]) -> Section {
    let mut words = vec![
        "`error` is the median absolute error of a regression (linfa's interface, ridge) on the hyperparameters and on what was \
         seen early, of configurations that it was not fitted on; it foretells what is still to come. `error last` is that of \
         what was seen last: score and memory as they are, time and CPU as if it went on as it went (of a share of the rows: \
         times so many). Diverged runs are not foretold. A row is missing where too few trials were looked at so early, the \
         others being over too soon. Batch size is among the hyperparameters for the sake of time and memory; it is no cause of \
         a score."
            .to_string(),
    ];
    let source = |row: &Row| {
        format!(
            "Share {} % of the rows: journal {}, made by: {}.",
            significant(100.0 * row.number("share").unwrap_or(f64::NAN), 3),
            row.text("journal"),
            row.text("command")
        )
    };
    words.extend(shares.iter().map(source));
    if shares.is_empty() {
        words.push(
            "Nothing is foretold from runs on a part of the rows: `-- search SET... --share 10% --out DIR` makes such runs, and \
             `-- policies --share-of DIR` reads them."
                .into(),
        );
    }
    Section {
        title: "Full runs foretold from stopped ones".into(),
        answer: answer(forecasts),
        words,
        tables: vec![table(forecasts)],
        ..Section::default()
    }
}

/// In how many of the forecasts of each quantity the regression is nearer, quantities in the order of the file.
fn answer(forecasts: &[Row]) -> String {
    let mut counts: Vec<(&str, usize, usize)> = Vec::new();
    for row in forecasts {
        let (Some(error), Some(last)) = (row.number("error"), row.number("error_last")) else { continue };
        let quantity = row.text("quantity");
        let place = counts.iter().position(|count| count.0 == quantity).unwrap_or_else(|| {
            counts.push((quantity, 0, 0));
            counts.len() - 1
        });
        counts[place].1 += usize::from(error < last);
        counts[place].2 += 1;
    }
    let said: Vec<String> =
        counts.iter().map(|(quantity, nearer, all)| format!("of {quantity} in {nearer} of {all}")).collect();
    match said.len() {
        0 => "Nothing was foretold: too few configurations came to their end.".into(),
        _ => format!(
            "The regression is nearer to the full run than the last value is, over data sets and how much was seen: {} \
             forecasts.",
            said.join(", ")
        ),
    }
}

fn table(forecasts: &[Row]) -> Table {
    let columns: Vec<&str> = forecasts.first().map(|row| row.columns().collect()).unwrap_or_default();
    // Names of columns live as long as the program; these are known only when the file is read, once.
    let head = columns.iter().map(|column| &*column.replace('_', " ").leak()).collect();
    let rows = forecasts.iter().map(|row| columns.iter().map(|column| row.cell(column)).collect()).collect();
    let caption = "Forecasts of full runs.".into();
    Table { name: "forecasts", caption, head, rows, shown: 60 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_come_later_are_shown_too() {
        let row = |error: f64| -> Row {
            let text = format!(
                r#"{{"set":"s","from":"share 10 %","quantity":"score","error":{error},"error_last":0.5,"unit":"s"}}"#
            );
            serde_json::from_str(&text).expect("a row")
        };
        let section = section(&[row(0.1), row(0.9)], &[]);
        assert!(section.answer.ends_with("of score in 1 of 2 forecasts."), "{}", section.answer);
        assert_eq!(section.tables[0].head, ["set", "from", "quantity", "error", "error last", "unit"]);
        assert_eq!(section.tables[0].rows[1][1].shown(), "share 10 %");
    }
}
