//! Columns of numbers and classes, as a data file holds them.

use std::error::Error;
use std::fmt;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// One of these, as its place in the list.
    Classes(Vec<String>),
    /// Something that no model here can use (text, dates): all its values are missing.
    Other,
}

/// A column's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The columns' heads.
    pub columns: Vec<Column>,
    /// All values of the first row, then of the second; NaN where one is missing.
    pub values: Vec<f64>,
    /// Whether a remark in the file's head says that the values are made up (SYNTHETIC).
    pub synthetic: bool,
}

impl Frame {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// The place of a column. The error names the columns that come nearest.
    pub fn place(&self, name: &str) -> Result<usize, NoColumn> {
        self.columns.iter().position(|column| column.name == name).ok_or_else(|| NoColumn {
            name: name.into(),
            near: self
                .columns
                .iter()
                .map(|column| (strsim::jaro_winkler(&column.name, name), &column.name))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, name)| name.clone()),
        })
    }

    /// The values of some rows in some columns, all of the first row first. The places have to exist.
    pub fn pick(&self, rows: &[usize], columns: &[usize]) -> Vec<f64> {
        let width = self.columns.len();
        rows.iter().flat_map(|row| columns.iter().map(move |column| self.values[row * width + column])).collect()
    }
}

/// A column that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoColumn {
    name: String,
    near: Option<String>,
}

impl fmt::Display for NoColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no column `{}`", self.name)?;
        self.near.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
    }
}

impl Error for NoColumn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_picked_in_the_order_asked_for() {
        let column = |name: &str| Column { name: name.into(), kind: Kind::Number };
        let frame = Frame {
            columns: ["a", "b", "quality"].map(column).into(),
            values: (0..9).map(f64::from).collect(),
            synthetic: false,
        };
        assert_eq!(frame.rows(), 3);
        assert_eq!(frame.pick(&[2, 0], &[1, 0]), [7.0, 6.0, 1.0, 0.0]);
        assert_eq!(frame.place("b"), Ok(1));
        let error = frame.place("qualty").expect_err("no such column").to_string();
        assert_eq!(error, "there is no column `qualty`; did you mean `quality`?");
    }
}
