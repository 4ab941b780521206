//! `stopper = { ... }`: rules over learning curves, read and understood.

use super::file::{File, Scalar, Table, near};
use super::units;
use crate::model::{
    AshaDialect, Axis, Extent, FutilityVariant, MedianDialect, Mode, PatienceDialect, PrecheltCriterion,
    PredictionDialect, SECOND, Slack, StopperKind, StopperSpec,
};
use crate::stopper::{KINDS, KindRow};

/// Reduction factor where none is given: Ray's and Optuna's default.
const ETA: f64 = 4.0;

/// Prechelt's (1998) strip length.
const STRIP: u64 = 5;

/// The default of Optuna's WilcoxonPruner.
const WILCOXON_P: f64 = 0.1;

/// The threshold of Domhan et al. (2015).
const CURVE_P: f64 = 0.05;

/// The lower one of the two that Baker et al. (2017) published.
const DELTA: f64 = 0.95;

/// So many complete trials are learned from, where the rule does not say: a fifth of the hundred that Baker et al. train on, for
/// a search of a hundred trials must have something left to save. With ten it saves more and loses the best trial more often
/// (figures: docs/lookahead.md).
const TRAIN_TRIALS: u64 = 20;

/// Reads the table of a stopper; `None` where it has no meaning. All its findings are made all the same.
pub(super) fn read(file: &File, table: Table<'_>) -> Option<StopperSpec> {
    let keys = Keys { file, table: &table };
    let row = keys.row();
    let metric = keys.required("metric", "\"val_accuracy\"");
    let at = keys.axis();
    let (grace, max, every) = (keys.extent("grace", at), keys.extent("max", at), keys.extent("every", at));
    let min_peers = keys.count("min_peers", "5");
    let mode = keys.word("mode", "\"min\"", &[("min", Mode::Min), ("max", Mode::Max)]);
    let kind = row.and_then(|row| keys.kind(row));
    if matches!(kind, Some(StopperKind::Asha { .. })) && at == Some(Axis::Fraction) && grace.is_none() {
        let hint = "write grace = \"30 %\": without it the first rung is at 1, where the trial is over";
        file.error("missing-key", table.span.clone(), "`asha` over fractions without `grace`", hint);
    }
    // Which keys may stand here depends on the kind.
    if row.is_some() {
        table.close();
    }
    Some(StopperSpec { kind: kind?, metric: metric?, mode, at, grace, max, every, min_peers })
}

/// A stopper in words: `median (vizier) of val_accuracy`.
pub(super) fn words(spec: &StopperSpec) -> String {
    let name = match &spec.kind {
        StopperKind::Median { dialect } => format!("median ({})", dialect.as_str()),
        StopperKind::Percentile { p } => format!("percentile {p}"),
        StopperKind::Asha { eta, dialect } => format!("asha ({}, eta {eta})", dialect.as_str()),
        StopperKind::Bandit { slack: Slack::Ratio(slack) } => format!("bandit (slack {slack})"),
        StopperKind::Bandit { slack: Slack::Amount(slack) } => format!("bandit (slack_amount {slack})"),
        StopperKind::Plateau { window, std } => format!("plateau (std {std} over {window} reports)"),
        StopperKind::Patience { patience, .. } => format!("patience ({patience} reports)"),
        StopperKind::Threshold { .. } => "threshold".to_string(),
        StopperKind::Prechelt { criterion, limit, .. } => {
            let name = CRITERIA.iter().find(|(_, c)| c == criterion).map_or("", |(name, _)| name);
            format!("prechelt ({name} {limit})")
        }
        StopperKind::CvFutility { variant } => {
            let name = VARIANTS.iter().find(|(_, v)| v == variant).map_or("", |(name, _)| name);
            format!("cv_futility ({name})")
        }
        StopperKind::Wilcoxon { p } => format!("wilcoxon (p {p})"),
        StopperKind::Curve { p } => format!("curve (p {p})"),
        StopperKind::Prediction { delta, dialect, .. } => format!("prediction ({}, delta {delta})", dialect.as_str()),
        StopperKind::Auto => "auto".to_string(),
    };
    format!("{name} of {}", spec.metric)
}

const CRITERIA: [(&str, PrecheltCriterion); 3] =
    [("gl", PrecheltCriterion::Gl), ("pq", PrecheltCriterion::Pq), ("up", PrecheltCriterion::Up)];

const VARIANTS: [(&str, FutilityVariant); 2] =
    [("forgiving", FutilityVariant::Forgiving), ("aggressive", FutilityVariant::Aggressive)];

/// Reads the keys of one table.
struct Keys<'t> {
    file: &'t File,
    table: &'t Table<'t>,
}

impl Keys<'_> {
    fn missing(&self, key: &str, example: &str) {
        if !self.table.attempts(&[key]) {
            let message = format!("a stopper without `{key}`");
            self.file.error("missing-key", self.table.span.clone(), message, &format!("write {key} = {example}"));
        }
    }

    fn required(&self, key: &'static str, example: &str) -> Option<String> {
        let text = self.table.text(key, example);
        if text.is_none() {
            self.missing(key, example);
        }
        text.map(|t| t.get_ref().clone())
    }

    /// The row of the kind that the table names.
    fn row(&self) -> Option<&'static KindRow> {
        let Some(kind) = self.table.text("kind", "\"median\"") else {
            self.missing("kind", "\"median\"");
            return None;
        };
        let row = KINDS.iter().find(|row| row.name == kind.get_ref());
        if row.is_none() {
            let hint = near(kind.get_ref(), KINDS.iter().map(|row| row.name));
            self.file.error("unknown-stopper", kind.span(), format!("no stopper `{}`", kind.get_ref()), &hint);
        }
        row
    }

    /// One of several words.
    fn word<T: Copy>(&self, key: &'static str, example: &str, known: &[(&'static str, T)]) -> Option<T> {
        let text = self.table.text(key, example)?;
        let found = known.iter().find(|(name, _)| name == text.get_ref()).map(|(_, value)| *value);
        if found.is_none() {
            let hint = near(text.get_ref(), known.iter().map(|(name, _)| *name));
            self.file.error("bad-value", text.span(), format!("no {key} `{}`", text.get_ref()), &hint);
        }
        found
    }

    fn axis(&self) -> Option<Axis> {
        self.word("at", "\"epoch\"", &Axis::ALL.map(|axis| (axis.as_str(), axis)))
    }

    fn count(&self, key: &'static str, example: &str) -> Option<u32> {
        self.table.count(key, 1, example).map(|n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX))
    }

    /// A place on the axis: a number in its unit, a share of the whole, a duration on an axis of time.
    fn extent(&self, key: &'static str, at: Option<Axis>) -> Option<Extent> {
        let scalar = self.table.scalar(key, "\"30 %\"")?;
        let time = matches!(at, Some(Axis::Elapsed | Axis::CpuSeconds));
        let extent = match scalar.get_ref() {
            Scalar::Number(units) => Some(Extent::Units(*units)),
            Scalar::Text(text) if text.trim_end().ends_with('%') => {
                units::share(scalar.get_ref()).ok().filter(|share| *share <= 1.0).map(Extent::Share)
            }
            text if time => units::duration(text).ok().map(|ns| Extent::Units(ns as f64 / SECOND as f64)),
            Scalar::Text(_) => None,
        };
        let least = |extent: &Extent| match extent {
            Extent::Units(n) | Extent::Share(n) => n.is_finite() && (*n > 0.0 || (key == "grace" && *n == 0.0)),
        };
        let extent = extent.filter(least);
        if extent.is_none() {
            let message = format!("`{key}` is no place on the axis");
            let hint = match time {
                true => format!("write {key} = \"30 %\", or a time: {key} = \"10m\""),
                false => format!("write {key} = \"30 %\" of the whole, or a number in the unit of `at`: {key} = 10"),
            };
            self.file.error("bad-value", scalar.span(), message, &hint);
        }
        extent
    }

    /// A number, or per cent where it is a share.
    fn number(&self, key: &'static str, range: (f64, f64), example: &str) -> Option<f64> {
        let scalar = self.table.scalar(key, example)?;
        let number = match scalar.get_ref() {
            Scalar::Number(number) => Some(*number),
            text if range.1 <= 1.0 => units::share(text).ok(),
            Scalar::Text(_) => None,
        };
        let number = number.filter(|n| n.is_finite() && range.0 <= *n && *n <= range.1);
        if number.is_none() {
            let message = match range.1 {
                most if most.is_finite() => format!("`{key}` must be a number from {} to {most}", range.0),
                _ => format!("`{key}` must be a number"),
            };
            self.file.error("bad-value", scalar.span(), message, &format!("write {key} = {example}"));
        }
        number
    }

    fn required_number(&self, key: &'static str, range: (f64, f64), example: &str) -> Option<f64> {
        if self.table.key(key).is_none() {
            self.missing(key, example);
        }
        self.number(key, range, example)
    }

    /// What only this kind knows.
    fn kind(&self, row: &KindRow) -> Option<StopperKind> {
        const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
        const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);
        const SHARE: (f64, f64) = (0.0, 1.0);
        Some(match row.name {
            "median" => {
                let known = MedianDialect::ALL.map(|d| (d.as_str(), d));
                StopperKind::Median { dialect: self.word("dialect", "\"vizier\"", &known).unwrap_or_default() }
            }
            "percentile" => StopperKind::Percentile { p: self.required_number("p", (0.0, 100.0), "25")? },
            "asha" => {
                let known = AshaDialect::ALL.map(|d| (d.as_str(), d));
                let dialect = self.word("dialect", "\"ray\"", &known).unwrap_or_default();
                let eta = self.number("eta", (1.0, 1e6), "3").unwrap_or(ETA);
                if eta <= 1.0 {
                    let hint = "write eta = 3: at every rung one of three goes on";
                    self.file.error("bad-value", self.table.span.clone(), "`eta` must be above 1", hint);
                }
                StopperKind::Asha { eta, dialect }
            }
            "bandit" => StopperKind::Bandit { slack: self.slack()? },
            "plateau" => StopperKind::Plateau {
                window: self.required_count("window", 2, "5")?,
                std: self.required_number("std", POSITIVE, "0.001")?,
            },
            "patience" => {
                let known = PatienceDialect::ALL.map(|d| (d.as_str(), d));
                StopperKind::Patience {
                    patience: self.required_count("patience", 1, "10")?,
                    min_delta: self.number("min_delta", POSITIVE, "0.001").unwrap_or(0.0),
                    dialect: self.word("dialect", "\"sklearn\"", &known).unwrap_or_default(),
                }
            }
            "threshold" => {
                let (above, below) = (self.number("above", ANY, "10.0"), self.number("below", ANY, "0.1"));
                if above.is_none() && below.is_none() {
                    self.missing("above", "10.0");
                    return None;
                }
                StopperKind::Threshold { above, below }
            }
            "prechelt" => self.prechelt()?,
            "cv_futility" => {
                let variant = self.word("variant", "\"forgiving\"", &VARIANTS).unwrap_or(FutilityVariant::Forgiving);
                StopperKind::CvFutility { variant }
            }
            "wilcoxon" => StopperKind::Wilcoxon { p: self.number("p", SHARE, "0.1").unwrap_or(WILCOXON_P) },
            "curve" => StopperKind::Curve { p: self.number("p", SHARE, "0.05").unwrap_or(CURVE_P) },
            "prediction" => {
                let known = PredictionDialect::ALL.map(|d| (d.as_str(), d));
                let trials = self.table.count("train_trials", 4, "20").map_or(TRAIN_TRIALS, |n| *n.get_ref());
                StopperKind::Prediction {
                    delta: self.number("delta", SHARE, "0.95").unwrap_or(DELTA),
                    train_trials: u32::try_from(trials).unwrap_or(u32::MAX),
                    dialect: self.word("dialect", "\"ridge\"", &known).unwrap_or_default(),
                }
            }
            _ => StopperKind::Auto,
        })
    }

    fn required_count(&self, key: &'static str, least: u64, example: &str) -> Option<u32> {
        if self.table.key(key).is_none() {
            self.missing(key, example);
        }
        self.table.count(key, least, example).map(|n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX))
    }

    fn slack(&self) -> Option<Slack> {
        let ratio = self.number("slack", (0.0, f64::INFINITY), "0.2").map(Slack::Ratio);
        let amount = self.number("slack_amount", (0.0, f64::INFINITY), "0.05").map(Slack::Amount);
        if ratio.is_some() && amount.is_some() {
            let hint = "leave one of them out: a share of the best, or a difference from it";
            self.file.error("bad-value", self.table.span.clone(), "`slack` and `slack_amount` stand together", hint);
        }
        if ratio.is_none() && amount.is_none() {
            self.missing("slack", "0.2");
        }
        ratio.or(amount)
    }

    fn prechelt(&self) -> Option<StopperKind> {
        let criterion = self.word("criterion", "\"gl\"", &CRITERIA);
        if self.table.key("criterion").is_none() {
            self.missing("criterion", "\"gl\"");
        }
        let limit = self.required_number("limit", (0.0, f64::INFINITY), "5");
        let strip = self.table.count("strip", 2, "5").map_or(STRIP, |n| *n.get_ref());
        let train_metric = self.table.text("train_metric", "\"train_loss\"").map(|t| t.get_ref().clone());
        if criterion == Some(PrecheltCriterion::Pq) && train_metric.is_none() {
            self.missing("train_metric", "\"train_loss\"");
            return None;
        }
        let strip = u32::try_from(strip).unwrap_or(u32::MAX);
        Some(StopperKind::Prechelt { criterion: criterion?, limit: limit?, strip, train_metric })
    }
}
