//! The kinds of rules: one row each, and the rule for a kind as a policy says it.

use std::sync::Arc;

use super::case::Stopper;
use super::median::Median;
use super::percentile::Percentile;
use super::threshold::Threshold;
use crate::model::StopperKind;

/// A kind of rule, for `check`, the docs and the nearest name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRow {
    /// The value of the key `kind`.
    pub name: &'static str,
    /// Keys that only it knows, beside those that all kinds know.
    pub keys: &'static [&'static str],
    /// Its dialects, the default first; empty where it has none.
    pub dialects: &'static [&'static str],
    /// When it first speaks, where the rule names no `grace`.
    pub grace: &'static str,
    /// How many peers it takes, where the rule names no `min_peers`.
    pub min_peers: &'static str,
    /// When it stops a trial.
    pub summary: &'static str,
}

/// All kinds.
pub const KINDS: &[KindRow] = &[
    KindRow {
        name: "median",
        keys: &["dialect"],
        dialects: &["vizier", "nni", "ray", "optuna", "sagemaker", "syne-tune", "katib"],
        grace: "from the first report on (katib: at the fourth)",
        min_peers: "3 (nni 1, optuna 5, syne-tune 4)",
        summary: "worse than the median of the others at this place, as the dialect defines it",
    },
    KindRow {
        name: "percentile",
        keys: &["p"],
        dialects: &[],
        grace: "from the first report on",
        min_peers: "5",
        summary: "its best so far is not among the best p percent of what finished trials had at this place",
    },
    KindRow {
        name: "threshold",
        keys: &["above", "below"],
        dialects: &[],
        grace: "from the first report on",
        min_peers: "none: it looks at nobody else",
        summary: "a value above or below a bound, or not a number",
    },
];

/// The rule for a kind; nothing for a kind that has no row.
pub fn of(kind: &StopperKind) -> Option<Arc<dyn Stopper>> {
    Some(match *kind {
        StopperKind::Median { dialect } => Arc::new(Median { dialect }),
        StopperKind::Percentile { p } => Arc::new(Percentile { p }),
        StopperKind::Threshold { above, below } => Arc::new(Threshold { above, below }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MedianDialect;

    fn row(name: &str) -> &'static KindRow {
        KINDS.iter().find(|row| row.name == name).expect("it has a row")
    }

    #[test]
    fn the_table_names_the_dialects_that_there_are() {
        assert_eq!(row("median").dialects, MedianDialect::ALL.map(MedianDialect::as_str));
    }
}
