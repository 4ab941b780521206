//! The kinds of rules: one row each, and the rule for a kind as a policy says it.

use std::sync::Arc;

use super::asha::Asha;
use super::auto::Auto;
use super::bandit::Bandit;
use super::case::Stopper;
use super::curve_fit::CurveFit;
use super::cv_futility::CvFutility;
use super::median::Median;
use super::patience::Patience;
use super::percentile::Percentile;
use super::plateau::Plateau;
use super::prechelt::Prechelt;
use super::prediction::{Prediction, Sight};
use super::threshold::Threshold;
use super::wilcoxon::Wilcoxon;
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

const NOBODY: &str = "none: it looks at nobody else";

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
        name: "asha",
        keys: &["eta", "dialect"],
        dialects: &["ray", "optuna", "syne-tune", "pure"],
        grace: "the first rung at 1, in the unit of at",
        min_peers: "1 (optuna 0, pure eta - 1)",
        summary: "at a rung (grace, grace * eta, grace * eta^2, ...) not among the best 1/eta of those who came to it",
    },
    KindRow {
        name: "bandit",
        keys: &["slack", "slack_amount"],
        dialects: &[],
        grace: "from the first report on",
        min_peers: "1",
        summary: "its best so far is further behind the best that anybody had at this place than the slack allows",
    },
    KindRow {
        name: "plateau",
        keys: &["window", "std"],
        dialects: &[],
        grace: "from the window-th report on",
        min_peers: NOBODY,
        summary: "the standard deviation of its last reports is at most std",
    },
    KindRow {
        name: "patience",
        keys: &["patience", "min_delta", "dialect"],
        dialects: &["keras", "sklearn"],
        grace: "from the second report on",
        min_peers: NOBODY,
        summary: "so many reports in a row that are not better than the best by more than min_delta",
    },
    KindRow {
        name: "threshold",
        keys: &["above", "below"],
        dialects: &[],
        grace: "from the first report on",
        min_peers: NOBODY,
        summary: "a value above or below a bound, or not a number",
    },
    KindRow {
        name: "prechelt",
        keys: &["criterion", "limit", "strip", "train_metric"],
        dialects: &[],
        grace: "from the first report on (pq: the first strip, up: the second)",
        min_peers: NOBODY,
        summary: "overfitting: generalisation loss (gl), the same against progress in training (pq), or strips in a row that got worse (up), above limit",
    },
    KindRow {
        name: "cv_futility",
        keys: &["variant"],
        dialects: &[],
        grace: "from the first fold that is through on",
        min_peers: "1 configuration with all its folds through",
        summary: "the mean over the folds that are through is no better than the best configuration's mean (aggressive) or worst fold (forgiving)",
    },
    KindRow {
        name: "wilcoxon",
        keys: &["p"],
        dialects: &[],
        grace: "from the second pair on",
        min_peers: "1",
        summary: "a signed-rank test against the best finished trial, fold by fold (else place by place), gives less than p",
    },
    KindRow {
        name: "curve",
        keys: &["p"],
        dialects: &[],
        grace: "20 % of the length, and from the fourth report on; every 5 % of the length from there",
        min_peers: "1",
        summary: "curves laid through its reports come above the best of the others at the end with a probability below p",
    },
    KindRow {
        name: "prediction",
        keys: &["delta", "train_trials", "dialect"],
        dialects: &["ridge", "nu-svr"],
        grace: "20 % of the length; every 5 % of the length from there",
        min_peers: "train_trials complete ones",
        summary: "a regression that has learned from complete trials says with probability delta that the best stays the best",
    },
    KindRow {
        name: "auto",
        keys: &[],
        dialects: &[],
        grace: "5 % of the length; decides every 5 % of it, the last time at 75 %",
        min_peers: "3 complete trials",
        summary: "what is left to do costs more than its chance to become the best is worth, as learnt from the experiment's own trials",
    },
];

/// The row of a kind, if it has one.
pub fn row(kind: &StopperKind) -> Option<&'static KindRow> {
    KINDS.iter().find(|row| row.name == kind.as_str())
}

/// The rule for a kind; nothing for a kind that has no row.
pub fn of(kind: &StopperKind) -> Option<Arc<dyn Stopper>> {
    Some(match kind.clone() {
        StopperKind::Median { dialect } => Arc::new(Median { dialect }),
        StopperKind::Percentile { p } => Arc::new(Percentile { p }),
        StopperKind::Asha { eta, dialect } => Arc::new(Asha { eta, dialect }),
        StopperKind::Bandit { slack } => Arc::new(Bandit { slack }),
        StopperKind::Plateau { window, std } => Arc::new(Plateau { window, std }),
        StopperKind::Patience { patience, min_delta, dialect } => Arc::new(Patience { patience, min_delta, dialect }),
        StopperKind::Threshold { above, below } => Arc::new(Threshold { above, below }),
        StopperKind::Prechelt { criterion, limit, strip, train_metric } => {
            Arc::new(Prechelt { criterion, limit, strip, train_metric })
        }
        StopperKind::CvFutility { variant } => Arc::new(CvFutility { variant }),
        StopperKind::Wilcoxon { p } => Arc::new(Wilcoxon { p }),
        StopperKind::Curve { p } => Arc::new(CurveFit::new(p)),
        StopperKind::Prediction { delta, train_trials, dialect } => {
            Arc::new(Prediction::new(delta, train_trials, dialect, Sight::All))
        }
        StopperKind::Auto => Arc::new(Auto),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AshaDialect, MedianDialect, PatienceDialect, PredictionDialect};

    fn row(name: &str) -> &'static KindRow {
        KINDS.iter().find(|row| row.name == name).expect("it has a row")
    }

    #[test]
    fn the_table_names_the_dialects_that_there_are() {
        assert_eq!(row("asha").dialects, AshaDialect::ALL.map(AshaDialect::as_str));
        assert_eq!(row("patience").dialects, PatienceDialect::ALL.map(PatienceDialect::as_str));
        assert_eq!(row("prediction").dialects, PredictionDialect::ALL.map(PredictionDialect::as_str));
        assert_eq!(row("median").dialects, MedianDialect::ALL.map(MedianDialect::as_str));
    }
}
