//! Points with names; those in front are joined.

use super::super::page::escape;
use super::axis::Axis;
use super::frame::{Frame, Legend, Size, Words};
use super::{LETTERS, width};

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Dot {
    /// Its name.
    pub name: String,
    /// Where, from the left.
    pub x: f64,
    /// Where, from below.
    pub y: f64,
    /// Which kind it is of: the place of that in the legend.
    pub kind: usize,
}

/// Points over two axes, both of which are better when lower. Those that no other is better than in both are joined and
/// bear their names; the others tell theirs when pointed at.
pub fn scatter(title: &str, axes: (Axis, Axis), kinds: &[&str], dots: &[Dot]) -> String {
    let (x, y) = axes;
    let measure = y.label.clone();
    let mut frame = Frame::new(Size::Broad, &Words { title, measure: &measure, legend: Legend::Marks(kinds) }, x, y);
    let front = front(dots);
    let mut path = String::new();
    for (place, dot) in front.iter().enumerate() {
        let (right, down) = (frame.right_of(dot.x), frame.down_to(dot.y));
        path += &if place == 0 { format!("M{right:.1} {down:.1}") } else { format!("H{right:.1}V{down:.1}") };
    }
    if front.len() > 1 {
        frame.add(format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"#5a636e\" stroke-dasharray=\"1 2\"/>"));
    }
    for dot in dots {
        let (right, down) = (frame.right_of(dot.x), frame.down_to(dot.y));
        frame.mark(dot.kind, right, down, &dot.name);
    }
    names(&mut frame, &front, dots);
    frame.done()
}

/// Those that no other is at least as good as in both and better in one, from the left.
fn front(dots: &[Dot]) -> Vec<&Dot> {
    let mut front: Vec<&Dot> = dots
        .iter()
        .filter(|dot| {
            !dots.iter().any(|other| other.x <= dot.x && other.y <= dot.y && (other.x, other.y) != (dot.x, dot.y))
        })
        .collect();
    front.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
    front
}

/// Writes names where they cover neither a point nor another name; a name that fits nowhere is left out.
fn names(frame: &mut Frame, front: &[&Dot], dots: &[Dot]) {
    let points: Vec<(f64, f64)> = dots.iter().map(|dot| (frame.right_of(dot.x), frame.down_to(dot.y))).collect();
    let mut taken: Vec<[f64; 4]> = points.iter().map(|(x, y)| [x - 4.0, y - 4.0, x + 4.0, y + 4.0]).collect();
    let (right_end, bottom) = (frame.left + frame.width, frame.top + frame.height);
    for dot in front {
        let (x, y) = (frame.right_of(dot.x), frame.down_to(dot.y));
        let wide = width(&dot.name);
        let lines = [-11.0, -22.0, -33.0, -44.0, -55.0, -66.0, 0.0];
        // Above before beside: the line that joins those in front goes on to the right.
        let boxes = lines.iter().flat_map(|line| {
            let (up, down) = (y + line - LETTERS / 2.0, y + line + LETTERS / 2.0);
            [[x + 7.0, up, x + 7.0 + wide, down], [x - 7.0 - wide, up, x - 7.0, down]]
        });
        let fits = |of: &[f64; 4]| {
            let inside = of[0] >= frame.left && of[2] <= right_end && of[1] >= frame.top && of[3] <= bottom;
            inside && !taken.iter().any(|other| meet(of, other))
        };
        let Some(place) = boxes.into_iter().find(fits) else { continue };
        frame.add(format_args!("<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", place[0], place[3] - 1.0, escape(&dot.name)));
        taken.push(place);
    }
}

fn meet(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::super::is_sound;
    use super::*;

    fn dot(name: &str, x: f64, y: f64) -> Dot {
        Dot { name: name.into(), x, y, kind: name.len() % 3 }
    }

    #[test]
    fn the_front_holds_those_that_nobody_beats() {
        let dots = [dot("a", 0.2, 0.5), dot("b", 0.5, 0.1), dot("c", 0.6, 0.1), dot("d", 1.0, 0.0), dot("e", 0.5, 0.4)];
        let names: Vec<&str> = front(&dots).iter().map(|dot| dot.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d"]);
        let axes = (Axis::shares("x"), Axis::lost("y", dots.iter().map(|dot| dot.y)));
        let svg = scatter("t", axes, &["one", "two", "three"], &dots);
        assert!(svg.contains(">b</text>") && !svg.contains(">e</text>") && svg.contains("<title>e</title>"), "{svg}");
        assert!(is_sound(&svg), "{svg}");
    }

    #[test]
    fn names_at_one_place_do_not_cover_each_other() {
        let dots: Vec<Dot> = ["patience-1", "patience-2", "patience-3"].map(|name| dot(name, 0.5, 0.0)).into();
        let axes = (Axis::shares("x"), Axis::lost("y", [1.0].into_iter()));
        let svg = scatter("t", axes, &["one"], &dots);
        let names = svg.split("<text ").filter_map(|text| text.split_once(">patience-"));
        let places: std::collections::BTreeSet<&str> =
            names.map(|(place, _)| place).filter(|place| !place.contains("<")).collect();
        assert_eq!(places.len(), 3, "{svg}");
    }
}
