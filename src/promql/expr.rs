//! Expressions: what was written, resolved and checked for types.

use std::ops::Range;

use regex::Regex;

use super::{Function, Kind};

/// A part of an expression and where it stands in the text.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Bytes of the text that it was made of, as far as known.
    pub place: Place,
}

/// Bytes of the text; `0..0` where it is not known.
pub type Place = Range<usize>;

/// What a part of an expression is.
#[derive(Clone, Debug)]
pub enum Node {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// The last sample of each series that the selector chooses.
    Vector(Selector),
    /// The samples of each series in the left-open range of so many milliseconds.
    Matrix(Selector, i64),
    /// An expression evaluated at several times.
    Subquery {
        /// What is evaluated.
        inner: Box<Expr>,
        /// How far back, milliseconds.
        range: i64,
        /// Time between two evaluations, milliseconds; `None` for the default ([`super::Limits::subquery_step`]).
        step: Option<i64>,
        /// Offset and `@`.
        shift: Shift,
    },
    /// In brackets; they are kept so that the text comes back as it was written.
    Paren(Box<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    /// A function's call.
    Call(&'static Function, Vec<Expr>),
    /// Many labelled numbers become fewer.
    Aggregate {
        /// How.
        op: Aggregation,
        /// The parameter of those that have one.
        param: Option<Box<Expr>>,
        /// Of what.
        inner: Box<Expr>,
        /// By which labels.
        grouping: Grouping,
    },
    /// Two become one.
    Binary {
        /// How.
        op: Operator,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
        /// Who goes with whom, where both are vectors.
        matching: Matching,
        /// A comparison gives 0 or 1 and filters nothing.
        returns_bool: bool,
    },
}

/// Which series, and at which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All must fit; the name is one of them (`__name__`).
    pub matchers: Vec<Matcher>,
    /// Offset and `@`.
    pub shift: Shift,
}

impl Selector {
    /// The one name it fixes with `=`, if it does.
    pub fn name(&self) -> Option<&str> {
        let named = |m: &&Matcher| m.label == super::NAME && matches!(m.test, Match::Equal);
        self.matchers.iter().find(named).map(|m| m.value.as_str())
    }

    /// Whether a series with these labels is chosen.
    pub fn fits(&self, labels: &super::Labels) -> bool {
        self.matchers.iter().all(|m| m.fits(labels.get(&m.label)))
    }
}

/// A condition on one label; an absent label has the value `""`.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub test: Match,
    /// With what, as written.
    pub value: String,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        let same = std::mem::discriminant(&self.test) == std::mem::discriminant(&other.test);
        same && self.label == other.label && self.value == other.value
    }
}

impl Matcher {
    /// Whether a label's value fits.
    pub fn fits(&self, value: &str) -> bool {
        match &self.test {
            Match::Equal => value == self.value,
            Match::NotEqual => value != self.value,
            Match::Fits(regex) => regex.is_match(value),
            Match::NotFits(regex) => !regex.is_match(value),
        }
    }
}

/// How a label is compared.
#[derive(Clone, Debug)]
pub enum Match {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Fits(Regex),
    /// `!~`, anchored at both ends.
    NotFits(Regex),
}

/// Offset and `@` of a selector or subquery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Milliseconds back; negative: ahead.
    pub offset: i64,
    /// A fixed time in place of the evaluation's.
    pub at: Option<At>,
}

/// The time after `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the Unix epoch.
    Time(i64),
    /// Of the query's range.
    Start,
    /// Of the query's range.
    End,
}

/// `by` or `without`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// These labels and no others; `by ()` where nothing is written.
    By(Vec<String>),
    /// All but these and the name.
    Without(Vec<String>),
}

/// Who goes with whom in a binary operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// `on (...)` as `By`, `ignoring (...)` as `Without`; `Without` nothing where nothing is written.
    pub labels: Grouping,
    /// How many on either side.
    pub cardinality: Cardinality,
}

/// How many elements of either side may share their matching labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One and one.
    OneToOne,
    /// `group_left (...)`: many on the left; the labels come from the right.
    ManyToOne(Vec<String>),
    /// `group_right (...)`: many on the right; the labels come from the left.
    OneToMany(Vec<String>),
    /// Set operators.
    ManyToMany,
}

/// Aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Aggregation {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

impl Aggregation {
    /// All of the dialect.
    pub const ALL: [Aggregation; 12] = {
        use Aggregation::*;
        [Sum, Avg, Count, Min, Max, Group, Stddev, Stdvar, Topk, Bottomk, Quantile, CountValues]
    };

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Aggregation::Sum => "sum",
            Aggregation::Avg => "avg",
            Aggregation::Count => "count",
            Aggregation::Min => "min",
            Aggregation::Max => "max",
            Aggregation::Group => "group",
            Aggregation::Stddev => "stddev",
            Aggregation::Stdvar => "stdvar",
            Aggregation::Topk => "topk",
            Aggregation::Bottomk => "bottomk",
            Aggregation::Quantile => "quantile",
            Aggregation::CountValues => "count_values",
        }
    }
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    NotEq,
    Gt,
    Lt,
    GtEq,
    LtEq,
    And,
    Or,
    Unless,
}

impl Operator {
    /// All of them.
    pub const ALL: [Operator; 16] = {
        use Operator::*;
        [Add, Sub, Mul, Div, Mod, Pow, Atan2, Eq, NotEq, Gt, Lt, GtEq, LtEq, And, Or, Unless]
    };

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Sub => "-",
            Operator::Mul => "*",
            Operator::Div => "/",
            Operator::Mod => "%",
            Operator::Pow => "^",
            Operator::Atan2 => "atan2",
            Operator::Eq => "==",
            Operator::NotEq => "!=",
            Operator::Gt => ">",
            Operator::Lt => "<",
            Operator::GtEq => ">=",
            Operator::LtEq => "<=",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Unless => "unless",
        }
    }

    /// Whether it compares.
    pub fn compares(self) -> bool {
        use Operator::*;
        matches!(self, Eq | NotEq | Gt | Lt | GtEq | LtEq)
    }

    /// Whether it is a set operator.
    pub fn is_set(self) -> bool {
        matches!(self, Operator::And | Operator::Or | Operator::Unless)
    }
}

impl Expr {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match &self.node {
            Node::Number(_) => Kind::Scalar,
            Node::Text(_) => Kind::Text,
            Node::Vector(_) | Node::Aggregate { .. } => Kind::Vector,
            Node::Matrix(..) | Node::Subquery { .. } => Kind::Matrix,
            Node::Paren(inner) | Node::Negate(inner) => inner.kind(),
            Node::Call(function, _) => function.returns,
            Node::Binary { left, right, .. } => match (left.kind(), right.kind()) {
                (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
                _ => Kind::Vector,
            },
        }
    }

    /// The parts directly below, from left to right.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Number(_) | Node::Text(_) | Node::Vector(_) | Node::Matrix(..) => Vec::new(),
            Node::Subquery { inner, .. } | Node::Paren(inner) | Node::Negate(inner) => vec![inner],
            Node::Call(_, args) => args.iter().collect(),
            Node::Aggregate { param, inner, .. } => param.iter().map(|p| &**p).chain([&**inner]).collect(),
            Node::Binary { left, right, .. } => vec![left, right],
        }
    }

    /// Calls `see` for this part and all below it, from the top.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        see(self);
        for part in self.parts() {
            part.visit(see);
        }
    }

    /// Every selector in it.
    pub fn selectors(&self) -> Vec<&Selector> {
        let mut found = Vec::new();
        self.visit(&mut |part| {
            if let Node::Vector(selector) | Node::Matrix(selector, _) = &part.node {
                found.push(selector);
            }
        });
        found
    }
}
