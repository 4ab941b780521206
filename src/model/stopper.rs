//! A stopping rule over learning curves, as a policy says it. The algorithms are in `stopper/`.

use super::Mode;

/// What curves are compared over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// Epochs as reported.
    Epoch,
    /// Steps as reported.
    Step,
    /// Samples as reported.
    Samples,
    /// Share of the trial's own total, 0 to 1.
    Fraction,
    /// Seconds since the trial began.
    Elapsed,
    /// CPU seconds of the trial's tree.
    CpuSeconds,
    /// Reports of the metric: 1, 2, ...
    Report,
}

impl Axis {
    /// All axes.
    pub const ALL: [Axis; 7] =
        [Axis::Epoch, Axis::Step, Axis::Samples, Axis::Fraction, Axis::Elapsed, Axis::CpuSeconds, Axis::Report];

    /// The value of the key `at`.
    pub fn as_str(self) -> &'static str {
        match self {
            Axis::Epoch => "epoch",
            Axis::Step => "step",
            Axis::Samples => "samples",
            Axis::Fraction => "fraction",
            Axis::Elapsed => "elapsed",
            Axis::CpuSeconds => "cpu_seconds",
            Axis::Report => "report",
        }
    }
}

/// A place on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// In the axis's unit.
    Units(f64),
    /// A share of the whole, 0 to 1.
    Share(f64),
}

impl Extent {
    /// In the axis's unit, where the whole is known or not needed.
    pub fn of(self, whole: Option<f64>) -> Option<f64> {
        match self {
            Extent::Units(units) => Some(units),
            Extent::Share(share) => whole.map(|whole| share * whole),
        }
    }
}

/// Which tool's median rule. They share a name and little else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MedianDialect {
    /// Google Vizier (Golovin et al. 2017).
    #[default]
    Vizier,
    /// NNI's medianstop assessor.
    Nni,
    /// Ray Tune's MedianStoppingRule.
    Ray,
    /// Optuna's MedianPruner.
    Optuna,
    /// Amazon SageMaker's automatic model tuning.
    Sagemaker,
    /// Syne Tune's MedianStoppingRule.
    SyneTune,
    /// Katib's medianstop.
    Katib,
}

impl MedianDialect {
    /// All dialects, the default first.
    pub const ALL: [MedianDialect; 7] = [
        MedianDialect::Vizier,
        MedianDialect::Nni,
        MedianDialect::Ray,
        MedianDialect::Optuna,
        MedianDialect::Sagemaker,
        MedianDialect::SyneTune,
        MedianDialect::Katib,
    ];

    /// The value of the key `dialect`.
    pub fn as_str(self) -> &'static str {
        match self {
            MedianDialect::Vizier => "vizier",
            MedianDialect::Nni => "nni",
            MedianDialect::Ray => "ray",
            MedianDialect::Optuna => "optuna",
            MedianDialect::Sagemaker => "sagemaker",
            MedianDialect::SyneTune => "syne-tune",
            MedianDialect::Katib => "katib",
        }
    }
}

/// Which tool's successive halving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AshaDialect {
    /// Ray Tune's ASHAScheduler, one bracket.
    #[default]
    Ray,
    /// Optuna's SuccessiveHalvingPruner.
    Optuna,
    /// Syne Tune's ASHA, type stopping.
    SyneTune,
    /// The top 1/eta of all that reached the rung, nothing else (Li et al. 2018).
    Pure,
}

impl AshaDialect {
    /// All dialects, the default first.
    pub const ALL: [AshaDialect; 4] = [AshaDialect::Ray, AshaDialect::Optuna, AshaDialect::SyneTune, AshaDialect::Pure];

    /// The value of the key `dialect`.
    pub fn as_str(self) -> &'static str {
        match self {
            AshaDialect::Ray => "ray",
            AshaDialect::Optuna => "optuna",
            AshaDialect::SyneTune => "syne-tune",
            AshaDialect::Pure => "pure",
        }
    }
}

/// Which tool's patience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PatienceDialect {
    /// Keras' EarlyStopping: better than the last that counted as better.
    #[default]
    Keras,
    /// scikit-learn's `n_iter_no_change` and `tol`: better than the best so far.
    Sklearn,
}

impl PatienceDialect {
    /// All dialects, the default first.
    pub const ALL: [PatienceDialect; 2] = [PatienceDialect::Keras, PatienceDialect::Sklearn];

    /// The value of the key `dialect`.
    pub fn as_str(self) -> &'static str {
        match self {
            PatienceDialect::Keras => "keras",
            PatienceDialect::Sklearn => "sklearn",
        }
    }
}

/// Which regression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PredictionDialect {
    /// Ridge regression, which knows less of a trial that is unlike those it has learned from.
    #[default]
    Ridge,
    /// Support vector regression with nu and a random search for its settings, as Baker et al. (2017) published it.
    NuSvr,
}

impl PredictionDialect {
    /// All dialects, the default first.
    pub const ALL: [PredictionDialect; 2] = [PredictionDialect::Ridge, PredictionDialect::NuSvr];

    /// The value of the key `dialect`.
    pub fn as_str(self) -> &'static str {
        match self {
            PredictionDialect::Ridge => "ridge",
            PredictionDialect::NuSvr => "nu-svr",
        }
    }
}

/// How far behind the best a trial may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slack {
    /// By this share of the best.
    Ratio(f64),
    /// By this much.
    Amount(f64),
}

/// Prechelt's (1998) criteria.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrecheltCriterion {
    /// Generalisation loss, percent.
    Gl,
    /// Quotient of generalisation loss and progress.
    Pq,
    /// So many successive strips in which the validation error rose.
    Up,
}

/// How early cross-validation gives a configuration up (Bergman, Purucker, Hutter 2024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FutilityVariant {
    /// Its mean so far is not better than the incumbent's mean.
    Aggressive,
    /// Its mean so far is not better than the incumbent's worst fold.
    Forgiving,
}

/// Which rule, with what only it knows.
#[derive(Clone, Debug, PartialEq)]
pub enum StopperKind {
    /// Worse than the median of the others.
    Median {
        /// Whose definition.
        dialect: MedianDialect,
    },
    /// Not among the best `p` percent (Optuna's PercentilePruner: 25 keeps the best quarter).
    Percentile {
        /// 0 to 100.
        p: f64,
    },
    /// Asynchronous successive halving: at rungs only the best 1/eta go on.
    Asha {
        /// Reduction factor, above 1.
        eta: f64,
        /// Whose definition.
        dialect: AshaDialect,
    },
    /// Too far behind the best of all.
    Bandit {
        /// How far.
        slack: Slack,
    },
    /// The last reports hardly differ.
    Plateau {
        /// So many reports.
        window: u32,
        /// Their standard deviation is at most this.
        std: f64,
    },
    /// No better for so many reports.
    Patience {
        /// So many reports.
        patience: u32,
        /// Only by more than this is better.
        min_delta: f64,
        /// Whose definition.
        dialect: PatienceDialect,
    },
    /// Past a bound.
    Threshold {
        /// Stop above this.
        above: Option<f64>,
        /// Stop below this.
        below: Option<f64>,
    },
    /// Overfitting.
    Prechelt {
        /// Which.
        criterion: PrecheltCriterion,
        /// The criterion's bound: percent for GL, percent per progress for PQ, strips for UP.
        limit: f64,
        /// Reports in a strip.
        strip: u32,
        /// The training error, for PQ.
        train_metric: Option<String>,
    },
    /// A configuration whose first folds are already worse than the best configuration.
    CvFutility {
        /// How early.
        variant: FutilityVariant,
    },
    /// Wilcoxon's signed-rank test over folds (or steps) against the best trial, as Optuna's WilcoxonPruner.
    Wilcoxon {
        /// Stop below this p-value.
        p: f64,
    },
    /// Parametric extrapolation: it will hardly become the best (Domhan et al. 2015).
    Curve {
        /// Stop when the probability to beat the best is below this.
        p: f64,
    },
    /// A regression from the beginning of a curve to its end (Baker et al. 2017).
    Prediction {
        /// Stop when the best is better with at least this probability.
        delta: f64,
        /// So many complete trials are learned from before anything is stopped.
        train_trials: u32,
        /// Which regression.
        dialect: PredictionDialect,
    },
    /// Our own, without settings.
    Auto,
}

impl StopperKind {
    /// The value of the key `kind`.
    pub fn as_str(&self) -> &'static str {
        match self {
            StopperKind::Median { .. } => "median",
            StopperKind::Percentile { .. } => "percentile",
            StopperKind::Asha { .. } => "asha",
            StopperKind::Bandit { .. } => "bandit",
            StopperKind::Plateau { .. } => "plateau",
            StopperKind::Patience { .. } => "patience",
            StopperKind::Threshold { .. } => "threshold",
            StopperKind::Prechelt { .. } => "prechelt",
            StopperKind::CvFutility { .. } => "cv_futility",
            StopperKind::Wilcoxon { .. } => "wilcoxon",
            StopperKind::Curve { .. } => "curve",
            StopperKind::Prediction { .. } => "prediction",
            StopperKind::Auto => "auto",
        }
    }
}

/// A stopping rule over learning curves.
#[derive(Clone, Debug, PartialEq)]
pub struct StopperSpec {
    /// Which.
    pub kind: StopperKind,
    /// The reported metric it reads.
    pub metric: String,
    /// Which way is better; `None`: as the trial's hello says.
    pub mode: Option<Mode>,
    /// What curves are compared over; `None`: epochs where every peer reports them, else steps.
    pub at: Option<Axis>,
    /// No verdict before; `None`: the kind's own.
    pub grace: Option<Extent>,
    /// The whole length of a trial; `None`: what the trial's hello says.
    pub max: Option<Extent>,
    /// A verdict only each time so much more was done; `None`: at every report (or at the kind's rungs).
    pub every: Option<Extent>,
    /// No verdict with fewer peers; `None`: the kind's own.
    pub min_peers: Option<u32>,
}
