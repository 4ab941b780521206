//! Which columns of a wide table are the curve, and which step each of them is.

use super::table::Table;
use crate::import::{Ask, First, Trouble};

/// The columns of the curve with their steps, steps rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Curve(pub Vec<(usize, u64)>);

impl Curve {
    /// The chosen columns in the order of their steps.
    ///
    /// # Errors
    /// Their order cannot be told; none is left.
    pub fn of(table: &Table, chosen: &[usize], ask: &Ask) -> Result<Curve, Trouble> {
        let mut columns = numbered(table, chosen)?;
        if ask.first == First::Skipped && !columns.is_empty() {
            let (_, first) = columns.remove(0);
            columns.iter_mut().for_each(|(_, step)| *step -= first);
        }
        if columns.is_empty() {
            let message = "--skip-first leaves no column of the curve";
            return Err(Trouble::new(table.path.display(), message, "choose more columns with --columns"));
        }
        Ok(Curve(columns))
    }

    /// The last step.
    pub fn total(&self) -> u64 {
        self.0.last().map_or(0, |(_, step)| *step)
    }
}

/// Each column with its step: the number in its name, or its place where no name has one.
fn numbered(table: &Table, chosen: &[usize]) -> Result<Vec<(usize, u64)>, Trouble> {
    let mut columns: Vec<(usize, u64)> = Vec::new();
    let refuse = |message: String| {
        let hint = "choose only the columns of the curve: --columns 'acc_[0-9]*'";
        Err(Trouble::new(format!("{}:1", table.path.display()), message, hint))
    };
    for column in chosen {
        let name = &table.header[*column];
        match number_in(name) {
            Some(step) => columns.push((*column, step)),
            None if columns.is_empty() => {}
            None => return refuse(format!("column {name:?} has no number in its name, others have")),
        }
    }
    if columns.is_empty() {
        return Ok(chosen.iter().copied().zip(1..).collect());
    }
    if columns.len() < chosen.len() {
        let name = &table.header[chosen[0]];
        return refuse(format!("column {name:?} has no number in its name, others have"));
    }
    columns.sort_by_key(|(_, step)| *step);
    if let Some(pair) = columns.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        let names = (&table.header[pair[0].0], &table.header[pair[1].0]);
        return refuse(format!("columns {:?} and {:?} have the same number in their names", names.0, names.1));
    }
    Ok(columns)
}

/// The last whole number in a name: 20 of `acc_20`, 3 of `val-3-loss`. Of a decimal there is none.
fn number_in(name: &str) -> Option<u64> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    name[start..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        assert_eq!(number_in("acc_20"), Some(20));
        assert_eq!(number_in("v2_acc_007"), Some(7));
        assert_eq!(number_in("epoch3"), Some(3));
        assert_eq!(number_in("12"), Some(12));
        assert_eq!(number_in("ep\u{fc}_5_"), Some(5));
        assert_eq!(number_in("acc"), None);
        assert_eq!(number_in("acc_99999999999999999999"), None);
    }
}
