//! Medians and quartiles: along an axis, or side by side.

use super::axis::Axis;
use super::frame::{Frame, Legend, Size, Words};

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

/// A line with a band around it. The vertical axis begins at 0: a small change is to look small.
pub fn band(title: &str, measure: &str, axis: &str, places: &[Place]) -> String {
    let x = Axis::from_zero(axis, places.iter().map(|place| place.x / 1.05));
    let y = Axis::from_zero(measure, places.iter().flat_map(|place| [place.low, place.high]));
    let mut frame = Frame::new(Size::Small, &Words { title, measure, legend: Legend::None }, x, y);
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        let point = |(x, y)| format!("{:.1} {:.1}", frame.right_of(x), frame.down_to(y));
        points.map(point).collect::<Vec<_>>().join("L")
    };
    let upper = path(&mut places.iter().map(|place| (place.x, place.high)));
    let lower = path(&mut places.iter().rev().map(|place| (place.x, place.low)));
    let middle = path(&mut places.iter().map(|place| (place.x, place.middle)));
    if !places.is_empty() {
        frame.add(format_args!(
            "<path d=\"M{upper}L{lower}Z\" fill=\"#0072b2\" fill-opacity=\".22\"/>\
             <path d=\"M{middle}\" fill=\"none\" stroke=\"#0072b2\" stroke-width=\"1.5\"/>"
        ));
    }
    frame.done()
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
    let ticks = levels.iter().enumerate().map(|(place, level)| (place as f64, level.name.clone())).collect();
    let x = Axis::between(axis, -0.5, levels.len() as f64 - 0.5).with_ticks(ticks);
    let y = Axis::from_zero(measure, levels.iter().flat_map(|level| [level.low, level.high]));
    let mut frame = Frame::new(Size::Small, &Words { title, measure, legend: Legend::None }, x, y);
    for (place, level) in levels.iter().enumerate() {
        let (right, down) = (frame.right_of(place as f64), frame.down_to(level.middle));
        let (low, high) = (frame.down_to(level.low), frame.down_to(level.high));
        frame.add(format_args!(
            "<path d=\"M{right:.1} {low:.1}V{high:.1}\" stroke=\"#0072b2\" stroke-width=\"3\" stroke-opacity=\".4\"/>\
             <circle cx=\"{right:.1}\" cy=\"{down:.1}\" r=\"3\" fill=\"#0072b2\"/>"
        ));
    }
    frame.done()
}

#[cfg(test)]
mod tests {
    use super::super::is_sound;
    use super::*;

    #[test]
    fn a_plot_begins_at_zero_and_escapes_names() {
        let places = [1.0, 2.0].map(|x| Place { x, middle: 5.0, low: 4.0, high: 10.0 });
        let svg = band("<a>", "m", "x", &places);
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>") && is_sound(&svg), "{svg}");
        assert!(svg.contains(">0</text>") && svg.contains(">10</text>"), "{svg}");
        assert!(is_sound(&band("t", "m", "x", &[])));
        let level = Level { name: "<2>".into(), middle: 5.0, low: 4.0, high: 10.0 };
        let svg = levels("t", "m", "x", &[level]);
        assert!(svg.contains("&lt;2&gt;") && svg.contains(">10</text>") && is_sound(&svg), "{svg}");
        assert!(is_sound(&levels("t", "m", "x", &[])));
    }
}
