//! Several lines in one plot, each with its pen and name.

use super::PENS;
use super::axis::Axis;
use super::frame::{Frame, Legend, Size, Words};

/// How neighbouring points are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By a straight line, with a dot at each.
    Dotted,
    /// The value stays until the next one.
    Steps,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, in the order of the horizontal axis.
    pub points: Vec<(f64, f64)>,
}

/// Lines over the same axes. More lines than pens are not drawn: nobody could tell them apart.
pub fn lines(size: Size, title: &str, axes: (Axis, Axis), shape: Shape, lines: &[Line]) -> String {
    let lines = &lines[..lines.len().min(PENS.len())];
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let (x, y) = axes;
    let measure = y.label.clone();
    let mut frame = Frame::new(size, &Words { title, measure: &measure, legend: Legend::Lines(&names) }, x, y);
    for (line, (colour, dash)) in lines.iter().zip(PENS) {
        let mut path = String::new();
        for (place, (x, y)) in line.points.iter().enumerate() {
            let (right, down) = (frame.right_of(*x), frame.down_to(*y));
            path += &match (place, shape) {
                (0, _) => format!("M{right:.1} {down:.1}"),
                (_, Shape::Dotted) => format!("L{right:.1} {down:.1}"),
                (_, Shape::Steps) => format!("H{right:.1}V{down:.1}"),
            };
            if shape == Shape::Dotted {
                frame.add(format_args!("<circle cx=\"{right:.1}\" cy=\"{down:.1}\" r=\"2\" fill=\"{colour}\"/>"));
            }
        }
        if !path.is_empty() {
            frame.add(format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"{dash}\"/>"
            ));
        }
    }
    frame.done()
}

#[cfg(test)]
mod tests {
    use super::super::is_sound;
    use super::*;

    #[test]
    fn lines_are_named_and_stay_in_their_shape() {
        let line = |name: &str| Line { name: name.into(), points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)] };
        let axes = || (Axis::between("x", 0.0, 2.0), Axis::between("y", 0.0, 4.0));
        let svg = lines(Size::Small, "t", axes(), Shape::Steps, &[line("a<"), line("b")]);
        assert!(
            svg.contains(">a&lt;</text>") && svg.contains("H") && !svg.contains("<circle") && is_sound(&svg),
            "{svg}"
        );
        let svg = lines(Size::Broad, "t", axes(), Shape::Dotted, &vec![line("a"); 9]);
        assert_eq!(svg.matches(">a</text>").count(), PENS.len());
        assert!(svg.contains("<circle") && is_sound(&svg), "{svg}");
    }
}
