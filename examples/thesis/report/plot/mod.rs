//! Plots as SVG: a frame with two axes, and what is drawn into it.
//!
//! [`frame`] and [`axis`] are what all have; [`bands`] shows medians and quartiles, [`lines`] several lines, [`scatter`]
//! points with names, [`critical`] mean ranks.

mod axis;
mod bands;
mod critical;
mod frame;
mod lines;
mod scatter;

pub use axis::Axis;
pub use bands::{Level, Place, band, levels};
pub use critical::critical;
pub use frame::Size;
pub use lines::{Line, Shape, lines};
pub use scatter::{Dot, scatter};

/// Colours that stay apart on paper and for colour-blind readers (Okabe and Ito 2008), and dashes that stay apart in grey.
const PENS: [(&str, &str); 6] = [
    ("#0072b2", ""),
    ("#d55e00", "6 3"),
    ("#009e73", "2 2"),
    ("#7d4fa3", "8 3 2 3"),
    ("#8a6d00", "1 3"),
    ("#333333", "12 4"),
];

/// Height of the letters, in SVG's units.
const LETTERS: f64 = 9.0;

/// About how wide a text is: the widest common sans-serif takes a little less.
fn width(text: &str) -> f64 {
    0.6 * LETTERS * text.chars().count() as f64
}

/// Whether a drawing has a coordinate that is no number: of a test.
#[cfg(test)]
fn is_sound(svg: &str) -> bool {
    !svg.contains("NaN") && !svg.contains("inf") && svg.starts_with("<svg") && svg.ends_with("</svg>")
}
