//! A small plot as SVG: a line with a band around it.

use std::fmt::Write;

use super::page::{escape, significant};

/// Width and height of the plot's field, and room around it, in SVG's units.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 130.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;

/// One place of a line: where, the value, and the ends of the band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Where.
    pub x: f64,
    /// The value.
    pub middle: f64,
    /// The band's lower end.
    pub low: f64,
    /// The band's upper end.
    pub high: f64,
}

/// A plot with two lines of words above it. The vertical axis begins at 0: a small change is to look small.
pub fn band(title: &str, measure: &str, axis: &str, places: &[Place]) -> String {
    let end = places.iter().map(|place| place.x).fold(f64::MIN_POSITIVE, f64::max);
    let top = 1.1 * places.iter().map(|place| place.high).fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| LEFT + WIDTH * (value / end).clamp(0.0, 1.0);
    let y = |value: f64| TOP + HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0));
    let (width, height) = (LEFT + WIDTH + 14.0, TOP + HEIGHT + 34.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\" font-size=\"9\" font-family=\"sans-serif\">\
         <text x=\"{LEFT}\" y=\"12\" font-weight=\"600\">{0}</text><text x=\"{LEFT}\" y=\"25\">{1}</text>",
        escape(title),
        escape(measure)
    );
    for tick in 0..=2 {
        // Writing to a String cannot fail.
        let share = f64::from(tick) / 2.0;
        let (right, down) = (LEFT + WIDTH * share, TOP + HEIGHT * (1.0 - share));
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {down:.1}h{WIDTH}M{right:.1} {TOP}v{HEIGHT}\" stroke=\"#d9dde2\" fill=\"none\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT - 5.0,
            down + 3.0,
            significant(top * share, 3),
            TOP + HEIGHT + 13.0,
            significant(end * share, 3)
        );
    }
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        points.map(|(right, up)| format!("{:.1} {:.1}", x(right), y(up))).collect::<Vec<_>>().join("L")
    };
    let upper = path(&mut places.iter().map(|place| (place.x, place.high)));
    let lower = path(&mut places.iter().rev().map(|place| (place.x, place.low)));
    let middle = path(&mut places.iter().map(|place| (place.x, place.middle)));
    if !places.is_empty() {
        let _ = write!(
            svg,
            "<path d=\"M{upper}L{lower}Z\" fill=\"#1d6fb8\" fill-opacity=\".22\"/>\
             <path d=\"M{middle}\" fill=\"none\" stroke=\"#1d6fb8\" stroke-width=\"1.5\"/>"
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></svg>",
        LEFT + WIDTH / 2.0,
        TOP + HEIGHT + 27.0,
        escape(axis)
    );
    svg
}

/// One value of a hyperparameter: its name, the median and the quartiles of what was measured there.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// The median.
    pub middle: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
}

/// Medians and quartiles side by side. The vertical axis begins at 0.
pub fn levels(title: &str, measure: &str, axis: &str, levels: &[Level]) -> String {
    let top = 1.1 * levels.iter().map(|level| level.high).fold(f64::MIN_POSITIVE, f64::max);
    let y = |value: f64| TOP + HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0));
    let (width, height) = (LEFT + WIDTH + 14.0, TOP + HEIGHT + 34.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\" font-size=\"9\" font-family=\"sans-serif\">\
         <text x=\"{LEFT}\" y=\"12\" font-weight=\"600\">{0}</text><text x=\"{LEFT}\" y=\"25\">{1}</text>",
        escape(title),
        escape(measure)
    );
    for share in [0.0, 0.5, 1.0] {
        let down = TOP + HEIGHT * (1.0 - share);
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {down:.1}h{WIDTH}\" stroke=\"#d9dde2\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 5.0,
            down + 3.0,
            significant(top * share, 3)
        );
    }
    let room = WIDTH / levels.len().max(1) as f64;
    for (place, level) in levels.iter().enumerate() {
        let x = LEFT + room * (place as f64 + 0.5);
        let _ = write!(
            svg,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#1d6fb8\" stroke-width=\"3\" stroke-opacity=\".4\"/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#1d6fb8\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y(level.low),
            y(level.high),
            y(level.middle),
            TOP + HEIGHT + 13.0,
            escape(&level.name)
        );
    }
    let (x, y) = (LEFT + WIDTH / 2.0, TOP + HEIGHT + 27.0);
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text></svg>", escape(axis));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_begins_at_zero_and_escapes_names() {
        let places = [1.0, 2.0].map(|x| Place { x, middle: 5.0, low: 4.0, high: 10.0 });
        let svg = band("<a>", "m", "x", &places);
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>"), "{svg}");
        // Ticks of the vertical axis: 0, half, and a tenth above the highest.
        assert!(svg.contains(">0</text>") && svg.contains(">5.50</text>") && svg.contains(">11.0</text>"), "{svg}");
        assert!(!band("t", "m", "x", &[]).contains("NaN"));
        let level = Level { name: "<2>".into(), middle: 5.0, low: 4.0, high: 10.0 };
        let svg = levels("t", "m", "x", &[level]);
        assert!(svg.contains("&lt;2&gt;") && svg.contains(">11.0</text>"), "{svg}");
    }
}
