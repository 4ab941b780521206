//! A row of a table, with its columns in the order in which they were written.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::super::page::Cell;

/// A row: names of columns, and what is in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// Words in a column; none are empty.
    pub fn text(&self, column: &str) -> &str {
        self.value(column).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number in a column, if it is one.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.value(column).and_then(Value::as_f64)
    }

    /// Whether a column holds `true`.
    pub fn holds(&self, column: &str) -> bool {
        self.value(column) == Some(&Value::Bool(true))
    }

    /// Names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// What is in a column, for a table.
    pub fn cell(&self, column: &str) -> Cell {
        match self.value(column) {
            Some(Value::String(text)) => Cell::text(text),
            Some(Value::Bool(yes)) => Cell::text(if *yes { "yes" } else { "no" }),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(count) => Cell::count(count as usize),
                None => Cell::number(number.as_f64()),
            },
            Some(Value::Null) | None => Cell::None,
            Some(other) => Cell::text(other.to_string()),
        }
    }

    /// A share as percent.
    pub fn percent(&self, column: &str) -> Cell {
        Cell::number(self.number(column).map(|share| 100.0 * share))
    }

    fn value(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a row with named columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Row(columns))
            }
        }
        deserializer.deserialize_map(Columns)
    }
}

/// The values of a column of text in the order in which they first come.
pub fn distinct<'a>(rows: &'a [Row], column: &str) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for row in rows {
        let text = row.text(column);
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_and_gaps_are_gaps() {
        let row: Row = serde_json::from_str(r#"{"z":"words","a":0.25,"n":3,"none":null,"yes":true}"#).expect("a row");
        assert_eq!(row.columns().collect::<Vec<_>>(), ["z", "a", "n", "none", "yes"]);
        assert_eq!(
            (row.text("z"), row.number("a"), row.number("none"), row.text("no such")),
            ("words", Some(0.25), None, "")
        );
        assert_eq!((row.cell("n"), row.cell("none"), row.cell("yes")), (Cell::count(3), Cell::None, Cell::text("yes")));
        assert_eq!(row.percent("a"), Cell::number(Some(25.0)));
        assert!(serde_json::from_str::<Row>("[1]").is_err());
        assert_eq!(distinct(&[row.clone(), row], "z"), ["words"]);
    }
}
