//! The plot: what is used against what is kept and what is lost, as SVG.

use std::fmt::Write;

use crate::model::Policy;
use crate::replay::FINISHED;

/// What a point stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole policy.
    Policy,
    /// One of its rules alone.
    Rule,
    /// "Report for a while, then finish the best few".
    Baseline,
}

impl Kind {
    /// The class of its points.
    fn class(self) -> &'static str {
        match self {
            Kind::Policy => "policy",
            Kind::Rule => "rule",
            Kind::Baseline => "baseline",
        }
    }
}

/// A way to stop.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Used cost as a share of the recorded.
    pub used: f64,
    /// How often the best was kept, and the bounds of that.
    pub kept: (f64, f64, f64),
    /// What was lost, as a share of the best; may be infinite.
    pub regret: f64,
}

/// Policies of one rule each, everything else as it is.
pub fn alone(policy: &Policy) -> impl Iterator<Item = Policy> {
    policy.rules.iter().map(|rule| Policy { rules: vec![rule.clone()], ..policy.clone() })
}

/// The name of a baseline where there is little room.
pub fn short_baseline(share: f64) -> String {
    format!("{} %, best {FINISHED}", (share * 100.0).round())
}

/// Width and height of a panel, and room around it for words, in SVG's units.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;

/// A panel: the same points over the same share of cost, by another figure.
struct Panel<'p> {
    title: &'static str,
    axis: &'static str,
    points: &'p [Point],
    /// The figure of a point.
    value: fn(&Point) -> f64,
    /// Its bounds, where they are drawn.
    bounds: fn(&Point) -> Option<(f64, f64)>,
    /// The axis's ends.
    range: (f64, f64),
    /// Whether more is better.
    more: bool,
}

/// Both panels beside each other.
pub fn render(points: &[Point]) -> String {
    let most = points.iter().map(|p| p.regret).filter(|r| r.is_finite()).fold(0.0, f64::max);
    let top = nice_end(100.0 * most);
    let kept = Panel {
        title: "How often the best was kept",
        axis: "kept",
        points,
        value: |p| p.kept.0,
        bounds: |p| (p.kept.1 < p.kept.2).then_some((p.kept.1, p.kept.2)),
        range: (0.0, 1.0),
        more: true,
    };
    let regret = Panel {
        title: "What was lost",
        axis: "regret, % of the best",
        points,
        value: |p| 100.0 * p.regret,
        bounds: |_| None,
        range: (0.0, top),
        more: false,
    };
    let (width, height) = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    let mut svg = String::new();
    for (n, panel) in [kept, regret].iter().enumerate() {
        let _ = write!(
            svg,
            "<svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\" id=\"plot{n}\">",
            panel.title
        );
        panel.draw(&mut svg);
        svg += "</svg>\n";
    }
    svg
}

/// The next number of the kind 1, 2, 5 at or above a value.
fn nice_end(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|end| *end >= value).unwrap_or(10.0 * power)
}

impl Panel<'_> {
    fn x(&self, used: f64) -> f64 {
        LEFT + WIDTH * used.clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        TOP + HEIGHT * (1.0 - ((value - low) / (high - low)).clamp(0.0, 1.0))
    }

    fn draw(&self, svg: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(svg, "<text class=\"title\" x=\"{LEFT}\" y=\"18\">{}</text>", self.title);
        self.axes(svg);
        self.front(svg);
        let shown: Vec<&Point> = self.points.iter().filter(|p| (self.value)(p).is_finite()).collect();
        let mut taken: Vec<(f64, f64, f64)> =
            shown.iter().map(|p| (self.x(p.used) - 6.0, self.y((self.value)(p)), 12.0)).collect();
        // The policy is drawn last, over the others.
        for point in shown.iter().rev() {
            self.point(svg, point);
        }
        for point in shown {
            self.label(svg, point, &mut taken);
        }
    }

    fn axes(&self, svg: &mut String) {
        let (low, high) = self.range;
        for tick in 0..=5 {
            let share = f64::from(tick) / 5.0;
            let (x, y) = (self.x(share), self.y(low + share * (high - low)));
            let (end, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}M{x:.1} {TOP}V{bottom}\"/>");
            let value = low + share * (high - low);
            let digits = if high >= 5.0 {
                0
            } else if high >= 0.5 {
                1
            } else {
                3
            };
            let _ = write!(
                svg,
                "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{value:.digits$}</text>",
                LEFT - 8.0,
                y + 4.0
            );
            let _ = write!(
                svg,
                "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{}\">{:.0} %</text>",
                bottom + 18.0,
                100.0 * share
            );
        }
        let middle = LEFT + WIDTH / 2.0;
        let _ = write!(
            svg,
            "<text class=\"axis mid\" x=\"{middle}\" y=\"{}\">compute used, share of the record</text>",
            TOP + HEIGHT + 40.0
        );
        let height = TOP + HEIGHT / 2.0;
        let _ = write!(
            svg,
            "<text class=\"axis mid\" transform=\"translate(16 {height}) rotate(-90)\">{}</text>",
            self.axis
        );
    }

    /// The line of those that no other beats in both: less used, and no worse.
    fn front(&self, svg: &mut String) {
        let mut points: Vec<(f64, f64)> =
            self.points.iter().map(|p| (p.used, (self.value)(p))).filter(|(_, v)| v.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best: Option<f64> = None;
        let mut path = String::new();
        for (used, value) in points {
            let better = best.is_none_or(|best| if self.more { value > best } else { value < best });
            if better {
                let _ = match best {
                    None => write!(path, "M{:.1} {:.1}", self.x(used), self.y(value)),
                    Some(_) => write!(path, "H{:.1}V{:.1}", self.x(used), self.y(value)),
                };
                best = Some(value);
            }
        }
        if best.is_some() {
            let _ = write!(svg, "<path class=\"front\" d=\"{path}H{}\"/>", LEFT + WIDTH);
        }
    }

    fn point(&self, svg: &mut String, point: &Point) {
        let (x, y) = (self.x(point.used), self.y((self.value)(point)));
        let class = point.kind.class();
        if let Some((low, high)) = (self.bounds)(point) {
            let _ =
                write!(svg, "<path class=\"bounds {class}\" d=\"M{x:.1} {:.1}V{:.1}\"/>", self.y(low), self.y(high));
        }
        let title = format!(
            "{}: {:.1} % used, kept {:.3}, regret {:.3} %",
            escape(&point.name),
            100.0 * point.used,
            point.kept.0,
            100.0 * point.regret
        );
        let _ = match point.kind {
            Kind::Policy => {
                write!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.5\"><title>{title}</title></circle>"
                )
            }
            Kind::Rule => {
                write!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{title}</title></circle>"
                )
            }
            Kind::Baseline => write!(
                svg,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"><title>{title}</title></rect>",
                x - 4.0,
                y - 4.0
            ),
        };
    }

    /// A name beside its point, where it is in nobody's way; `taken` are left ends, heights and widths of what is there.
    fn label(&self, svg: &mut String, point: &Point, taken: &mut Vec<(f64, f64, f64)>) {
        // About what a character takes at 11 px.
        let width = 6.2 * point.name.chars().count() as f64;
        let (x, y) = (self.x(point.used), self.y((self.value)(point)));
        let right = [(9.0, -6.0), (9.0, 4.0), (9.0, 16.0), (9.0, -21.0), (9.0, 28.0), (9.0, -33.0), (9.0, 40.0)];
        let left = right.map(|(_, dy)| (-9.0 - width, dy));
        let mut places = right.into_iter().chain(left).map(|(dx, dy)| (x + dx, y + dy));
        let free = |(left, base): &(f64, f64)| {
            let inside =
                *left >= LEFT && left + width <= LEFT + WIDTH + RIGHT && *base > TOP && *base < TOP + HEIGHT + 4.0;
            let hits =
                taken.iter().any(|(l, m, w)| left + width > *l && l + w > *left && (base - 4.0 - m).abs() < 11.0);
            inside && !hits
        };
        // Where there is no room the table and the point's own words have to do.
        let Some((left, base)) = places.find(free) else { return };
        taken.push((left, base - 4.0, width));
        let class = point.kind.class();
        let _ =
            write!(svg, "<text class=\"name {class}\" x=\"{left:.1}\" y=\"{base:.1}\">{}</text>", escape(&point.name));
    }
}

/// Text in a page.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, kind: Kind, used: f64, kept: f64) -> Point {
        Point { name: name.into(), kind, used, kept: (kept, kept - 0.1, kept), regret: 1.0 - kept }
    }

    #[test]
    fn ends_of_axes_are_round() {
        assert_eq!([0.0, 0.03, 1.0, 3.2, 7.0, 11.0].map(nice_end), [1.0, 0.05, 1.0, 5.0, 10.0, 20.0]);
        assert_eq!(nice_end(f64::INFINITY), 1.0);
    }

    #[test]
    fn a_name_is_no_markup() {
        let hostile = point("<script>alert('x')</script>&\u{1b}", Kind::Rule, 0.5, 0.5);
        let svg = render(&[hostile, point("a", Kind::Policy, f64::NAN, f64::NAN)]);
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;") && !svg.contains('\u{1b}'), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let crowd: Vec<Point> = (0..6).map(|n| point(&format!("rule-{n}"), Kind::Rule, 0.5, 0.9)).collect();
        let svg = render(&crowd);
        let mut heights: Vec<&str> =
            svg.split("class=\"name rule\" x=\"").skip(1).map(|t| t.split("\">").next().unwrap()).collect();
        let all = heights.len();
        heights.sort_unstable();
        heights.dedup();
        assert!(all >= 8 && heights.len() * 2 >= all, "{heights:?}");
    }
}
