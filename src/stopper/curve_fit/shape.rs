//! The shapes that learning curves are thought to have.
//!
//! Domhan et al. (2015) take eleven parametric families. Each is here, made free to lie at any height and to rise by any
//! amount (an offset and a factor), for a metric may be an accuracy, a perplexity or a reward. Then some of the eleven are one
//! and the same curve, written differently, and such a curve is fitted once:
//!
//! | shape | families |
//! |---|---|
//! | `x^-a` | pow3 |
//! | `(x + b)^-a` | pow4 (its factor inside the bracket goes into the one outside) |
//! | `exp(-(x/k)^d)` | weibull, janoschek, exp4 |
//! | `1 / (1 + (x/k)^d)` | mmf, hill3 (mmf that begins at 0), log_power (hill3 with `k = e^b`, `d = -c`) |
//! | `exp(b/x) x^c` | vap |
//! | `1 / ln(1 + x)` | ilog2 |
//! | `ln(1 + r ln x)` | loglog_linear |
//!
//! Offset and factor are linear and are solved for exactly; what is left, up to two figures a shape, is integrated over.
//! `x` counts in the distance of the first report from the curve's origin, so that the first report lies at 1.

/// The families by the name that Domhan et al. give them, and the shape that each has.
#[cfg(test)]
pub(super) const FAMILIES: [(&str, Shape); 11] = [
    ("vap", Shape::Vapour),
    ("ilog2", Shape::InverseLog),
    ("weibull", Shape::Exponential),
    ("pow3", Shape::Power),
    ("pow4", Shape::ShiftedPower),
    ("loglog_linear", Shape::LogLog),
    ("mmf", Shape::Sigmoid),
    ("janoschek", Shape::Exponential),
    ("hill3", Shape::Sigmoid),
    ("log_power", Shape::Sigmoid),
    ("exp4", Shape::Exponential),
];

/// A shape: a function of `x` and of up to two figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `x^-a`.
    Power,
    /// `(x + b)^-a`.
    ShiftedPower,
    /// `exp(-(x/k)^d)`.
    Exponential,
    /// `1 / (1 + (x/k)^d)`.
    Sigmoid,
    /// `exp(b/x) x^c`.
    Vapour,
    /// `1 / ln(1 + x)`.
    InverseLog,
    /// `ln(1 + r ln x)`.
    LogLog,
}

/// The two figures of a shape, where it has so many; those that are positive by their logarithm.
pub(super) type Node = [f64; 2];

/// The figures between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub low: Node,
    pub high: Node,
}

impl Shape {
    /// All shapes.
    pub(super) const ALL: [Shape; 7] = [
        Shape::Power,
        Shape::ShiftedPower,
        Shape::Exponential,
        Shape::Sigmoid,
        Shape::Vapour,
        Shape::InverseLog,
        Shape::LogLog,
    ];

    /// Its value where the logarithm of `x` is `ln_x`.
    pub(super) fn at(self, [first, second]: Node) -> impl Fn(f64) -> f64 {
        let (a, b) = (first.exp(), second.exp());
        move |ln_x: f64| match self {
            Shape::Power => (-a * ln_x).exp(),
            Shape::ShiftedPower => (-a * (ln_x.exp() + b).ln()).exp(),
            Shape::Exponential => (-(b * (ln_x - first)).exp()).exp(),
            Shape::Sigmoid => 1.0 / (1.0 + (b * (ln_x - first)).exp()),
            Shape::Vapour => (first * (-ln_x).exp() + second * ln_x).exp(),
            Shape::InverseLog => 1.0 / ln_x.exp().ln_1p(),
            Shape::LogLog => (a * ln_x).ln_1p(),
        }
    }

    /// The figures that it may have for a curve that ends at `x = exp(ln_end)`, all equally likely, and into how many parts
    /// they are cut at first. The time scales of the saturating shapes reach from half a report to three times the whole
    /// length: slower ones cannot be told from a straight line, faster ones not from a constant.
    fn range(self, ln_end: f64) -> ([(f64, f64); 2], [usize; 2]) {
        const ONE: (f64, f64) = (0.0, 0.0);
        let ln = |low: f64, high: f64| (low.ln(), high.ln());
        let scale = (0.5f64.ln(), ln_end + 3f64.ln());
        match self {
            Shape::Power => ([ln(0.05, 4.0), ONE], [8, 1]),
            Shape::ShiftedPower => ([ln(0.15, 4.0), (0.0, ln_end.max(0.1))], [5, 4]),
            Shape::Exponential => ([scale, ln(0.3, 2.5)], [12, 6]),
            Shape::Sigmoid => ([scale, ln(0.5, 6.0)], [12, 6]),
            Shape::Vapour => ([(-6.0, 1.0), (-0.7, 0.7)], [5, 6]),
            Shape::InverseLog => ([ONE, ONE], [1, 1]),
            Shape::LogLog => ([ln(0.05, 20.0), ONE], [6, 1]),
        }
    }

    /// The cells that it is looked at in at first.
    pub(super) fn cells(self, ln_end: f64) -> Vec<Cell> {
        let (range, parts) = self.range(ln_end);
        Cell { low: range.map(|(low, _)| low), high: range.map(|(_, high)| high) }.cut(parts)
    }
}

impl Cell {
    /// Its middle.
    pub(super) fn middle(&self) -> Node {
        [0, 1].map(|i| 0.5 * (self.low[i] + self.high[i]))
    }

    /// Cut into equal cells.
    fn cut(&self, parts: [usize; 2]) -> Vec<Cell> {
        let bound = |i: usize, part: usize| self.low[i] + (self.high[i] - self.low[i]) * part as f64 / parts[i] as f64;
        let cell =
            |a: usize, b: usize| Cell { low: [bound(0, a), bound(1, b)], high: [bound(0, a + 1), bound(1, b + 1)] };
        (0..parts[0]).flat_map(|a| (0..parts[1]).map(move |b| cell(a, b))).collect()
    }

    /// Cut in the middle of each of its sides; nothing where it has none.
    pub(super) fn split(&self) -> Vec<Cell> {
        let parts = [0, 1].map(|i| if self.high[i] > self.low[i] { 2 } else { 1 });
        if parts == [1, 1] { Vec::new() } else { self.cut(parts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The families as published (formulas of pylearningcurvepredictor) at `x`, with figures of ours.
    fn published(name: &str, x: f64) -> f64 {
        match name {
            "vap" => (0.4 - 1.5 / x + 0.1 * x.ln()).exp(),
            "ilog2" => 0.8 - 0.3 / (x + 1.0).ln(),
            "weibull" => 0.9 - (0.9 - 0.1) * (-(0.2 * x).powf(0.7)).exp(),
            "pow3" => 0.8 - 0.5 * x.powf(-0.65),
            "pow4" => 0.9 - (2.0 * x + 3.0).powf(-0.45),
            "loglog_linear" => (0.6 * x.ln() + 0.2f64).ln(),
            "mmf" => 0.9 - (0.9 - 0.2) / (1.0 + (0.3 * x).powf(1.3)),
            "janoschek" => 0.9 - (0.9 - 0.1) * (-0.3 * x.powf(0.7)).exp(),
            "hill3" => 0.9 * x.powf(1.3) / (4f64.powf(1.3) + x.powf(1.3)),
            "log_power" => 0.9 / (1.0 + (x / 1.2f64.exp()).powf(-1.3)),
            "exp4" => 0.8 - (-0.3 * x.powf(0.7) + 0.4).exp(),
            _ => unreachable!("no such family"),
        }
    }

    /// The figures that the family above has in its shape.
    fn node(name: &str) -> Node {
        match name {
            "vap" => [-1.5, 0.1],
            "ilog2" => [0.0, 0.0],
            "weibull" => [5f64.ln(), 0.7f64.ln()],
            "pow3" => [0.65f64.ln(), 0.0],
            "pow4" => [0.45f64.ln(), 1.5f64.ln()],
            "loglog_linear" => [3f64.ln(), 0.0],
            "mmf" => [-(0.3f64.ln()), 1.3f64.ln()],
            "janoschek" | "exp4" => [-(0.3f64.ln()) / 0.7, 0.7f64.ln()],
            "hill3" => [4f64.ln(), 1.3f64.ln()],
            "log_power" => [1.2, 1.3f64.ln()],
            _ => unreachable!("no such family"),
        }
    }

    #[test]
    fn each_family_as_published_is_its_shape_times_a_factor_plus_an_offset() {
        for (name, shape) in FAMILIES {
            let shape = shape.at(node(name));
            let g = |x: f64| shape(x.ln());
            let factor = (published(name, 9.0) - published(name, 2.0)) / (g(9.0) - g(2.0));
            let offset = published(name, 2.0) - factor * g(2.0);
            for x in [1.0f64, 1.7, 3.0, 5.5, 20.0, 60.0] {
                let seen = offset + factor * g(x);
                assert!((seen - published(name, x)).abs() < 1e-12, "{name} at {x}: {seen}, {}", published(name, x));
            }
        }
    }

    #[test]
    fn every_shape_belongs_to_a_family() {
        assert!(Shape::ALL.iter().all(|shape| FAMILIES.iter().any(|(_, of)| of == shape)));
    }

    #[test]
    fn cells_fill_what_they_are_cut_from() {
        let area =
            |cells: &[Cell]| -> f64 { cells.iter().map(|c| (c.high[0] - c.low[0]) * (c.high[1] - c.low[1])).sum() };
        let cells = Shape::Sigmoid.cells(60f64.ln());
        assert_eq!((cells.len(), cells[0].split().len()), (72, 4));
        assert!((area(&cells[..1]) - area(&cells[0].split())).abs() < 1e-12);
        assert_eq!(Shape::Power.cells(3.0)[0].split().len(), 2);
        assert!(Shape::InverseLog.cells(3.0)[0].split().is_empty());
    }
}
