//! What expressions are about and what they give.

use super::Labels;

/// One sample of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Milliseconds since the Unix epoch.
    pub t: i64,
    /// The value; [`STALE`] says that the series ended here.
    pub v: f64,
}

/// The staleness marker: the NaN that Prometheus stores where a series ends.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the staleness marker and not an ordinary NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A number.
    Scalar,
    /// Labelled numbers, one each, at one time.
    Vector,
    /// Labelled samples over a range of time.
    Matrix,
    /// A text.
    Text,
}

impl Kind {
    /// As Prometheus's messages call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Vector => "instant vector",
            Kind::Matrix => "range vector",
            Kind::Text => "string",
        }
    }
}

/// One labelled number of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// One labelled list of samples of a range vector or of the answer to a range query.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its labels.
    pub labels: Labels,
    /// In the order of time, without staleness markers.
    pub points: Vec<Point>,
}

/// What an evaluation gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Labelled numbers.
    Vector(Vec<Element>),
    /// Labelled samples.
    Matrix(Vec<Track>),
    /// A text.
    Text(String),
}

impl Value {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Scalar(_) => Kind::Scalar,
            Value::Vector(_) => Kind::Vector,
            Value::Matrix(_) => Kind::Matrix,
            Value::Text(_) => Kind::Text,
        }
    }
}
