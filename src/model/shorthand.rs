//! The condition of a rule as the shorthand has it: what reasons are told from. It is evaluated as the PromQL it compiles to.

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// The operator as PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
        }
    }

    /// Whether it holds. Never for NaN.
    pub fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Comparison::Above => a > b,
            Comparison::AtLeast => a >= b,
            Comparison::Below => a < b,
            Comparison::AtMost => a <= b,
        }
    }
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
}

/// A series of one trial by name and labels; several may match (`trial_gpu_memory_bytes` of two GPUs).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesName {
    /// A name of the metrics table, `_sum` and `_count` of a histogram included.
    pub metric: String,
    /// Labels that must be equal.
    pub labels: Vec<(String, String)>,
}

/// A condition in the shorthand's terms. Like PromQL, to which it compiles, it yields a set of labelled values; a comparison
/// filters.
#[derive(Clone, Debug, PartialEq)]
pub enum Shorthand {
    /// A constant.
    Number(f64),
    /// The tick's time, seconds since the Unix epoch (`time()`).
    Now,
    /// The sample of this tick.
    Series(SeriesName),
    /// The samples of this tick of every matching series, added up (`sum by (trial, experiment)`): CPU over its modes.
    Sum(SeriesName),
    /// Mean of the samples in the window (`avg_over_time`).
    Mean(SeriesName, u64),
    /// Increase a second over the window (`rate`).
    Rate(SeriesName, u64),
    /// By how much it grew in the window (`delta`, `increase`).
    Growth(SeriesName, u64),
    /// Where the trend of the window (first) leads in so much time (second), both nanoseconds (`predict_linear`); nothing
    /// before it was seen for twice the window.
    Forecast(SeriesName, u64, u64),
    /// Seconds since the last step, time in these phases left out; nothing before the first step or after `done`.
    SinceStep(Vec<String>),
    /// Seconds since hello while no step has come.
    SinceHello,
    /// Two values with equal labels (or a number) become one.
    Arithmetic(Arithmetic, Box<Shorthand>, Box<Shorthand>),
    /// Keeps the left values for which it holds.
    Compare(Comparison, Box<Shorthand>, Box<Shorthand>),
    /// Keeps the values that are NaN (`x != x`).
    IsNan(Box<Shorthand>),
    /// Keeps the values that are NaN or infinite.
    NotFinite(Box<Shorthand>),
    /// The first one's values, if every one has some.
    All(Vec<Shorthand>),
    /// The values of any.
    Any(Vec<Shorthand>),
}

impl Shorthand {
    /// How far back it looks, nanoseconds.
    pub fn looks_back(&self) -> u64 {
        self.fold(&|e| match e {
            Shorthand::Mean(_, ns) | Shorthand::Rate(_, ns) | Shorthand::Growth(_, ns) => *ns,
            Shorthand::Forecast(_, trend_ns, _) => *trend_ns,
            _ => 0,
        })
    }

    /// Whether it reads a series of a metric whose name fits.
    pub fn reads(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        self.fold(&|e| e.series().is_some_and(|s| fits(&s.metric)) as u64) > 0
    }

    /// The series that this node itself reads.
    pub fn series(&self) -> Option<&SeriesName> {
        match self {
            Shorthand::Series(s)
            | Shorthand::Sum(s)
            | Shorthand::Mean(s, _)
            | Shorthand::Rate(s, _)
            | Shorthand::Growth(s, _)
            | Shorthand::Forecast(s, ..) => Some(s),
            _ => None,
        }
    }

    /// The largest value that `of` gives for any node.
    fn fold(&self, of: &dyn Fn(&Shorthand) -> u64) -> u64 {
        let mut most = 0;
        self.visit(&mut |e| most = most.max(of(e)));
        most
    }

    /// Calls `see` for this node and all below it.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Shorthand)) {
        see(self);
        match self {
            Shorthand::Arithmetic(_, a, b) | Shorthand::Compare(_, a, b) => {
                a.visit(see);
                b.visit(see);
            }
            Shorthand::IsNan(a) | Shorthand::NotFinite(a) => a.visit(see),
            Shorthand::All(all) | Shorthand::Any(all) => all.iter().for_each(|e| e.visit(see)),
            _ => {}
        }
    }
}
