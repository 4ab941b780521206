//! Mean ranks on a line, with bars over those that cannot be told apart (Demsar 2006).

use std::fmt::Write;

use super::super::page::escape;
use super::LETTERS;

/// Places of the line, and of rows of names and bars, in SVG's units.
const LEFT: f64 = 190.0;
const WIDTH: f64 = 330.0;
const AXIS: f64 = 66.0;
const ROW: f64 = 14.0;
const BAR: f64 = 5.0;

/// The diagram: rank 1, the best, is left. `apart` is what two mean ranks must differ by.
pub fn critical(title: &str, names: &[String], ranks: &[f64], apart: f64) -> String {
    let count = names.len().max(2);
    let x = |rank: f64| LEFT + WIDTH * ((rank - 1.0) / (count as f64 - 1.0)).clamp(0.0, 1.0);
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| ranks[*a].total_cmp(&ranks[*b]));
    let sorted: Vec<f64> = order.iter().map(|place| ranks[*place]).collect();
    let bars = bars(&sorted, apart);
    let rows = names.len().div_ceil(2);
    let first = AXIS + 16.0 + BAR * bars.len() as f64;
    let (wide, high) = (2.0 * LEFT + WIDTH, first + ROW * rows as f64 + 6.0);
    let mut svg = format!(
        "<svg class=\"broad\" viewBox=\"0 0 {wide} {high}\" role=\"img\" aria-label=\"{0}\" font-size=\"{LETTERS}\" \
         font-family=\"sans-serif\"><text x=\"10\" y=\"12\" font-weight=\"600\">{0}</text>",
        escape(title)
    );
    // The line that shows how far apart two must be, as far as it fits.
    let (end, beyond) = (x(1.0 + apart), if apart > count as f64 - 1.0 { ", longer than the whole line" } else { "" });
    let _ = write!(
        svg,
        "<path d=\"M{LEFT} 34v-6M{LEFT} 31H{end:.1}M{end:.1} 34v-6\" stroke=\"#1c1f23\" fill=\"none\"/>\
         <text x=\"{LEFT}\" y=\"25\">critical difference {apart:.3}{beyond}</text>\
         <path d=\"M{LEFT} {AXIS}h{WIDTH}\" stroke=\"#1c1f23\"/>"
    );
    for rank in 1..=names.len() {
        let right = x(rank as f64);
        let _ = write!(
            svg,
            "<path d=\"M{right:.1} {AXIS}v-5\" stroke=\"#1c1f23\"/><text x=\"{right:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{rank}</text>",
            AXIS - 9.0
        );
    }
    for (place, (from, to)) in bars.iter().enumerate() {
        let down = AXIS + 6.0 + BAR * place as f64;
        let _ = write!(
            svg,
            "<path d=\"M{:.1} {down:.1}H{:.1}\" stroke=\"#0072b2\" stroke-width=\"3\"/>",
            x(sorted[*from]) - 3.0,
            x(sorted[*to]) + 3.0
        );
    }
    for (place, at) in order.iter().enumerate() {
        let (right, name) = (x(ranks[*at]), format!("{} {:.2}", names[*at], ranks[*at]));
        // The better half to the left, the others to the right, the innermost lowest: so no line crosses a name.
        let (edge, to, anchor, row) = match place < rows {
            true => (LEFT - 14.0, LEFT - 18.0, "end", place),
            false => (LEFT + WIDTH + 14.0, LEFT + WIDTH + 18.0, "start", names.len() - 1 - place),
        };
        let down = first + ROW * row as f64;
        let _ = write!(
            svg,
            "<path d=\"M{right:.1} {AXIS}V{down:.1}H{edge}\" fill=\"none\" stroke=\"#8a929c\"/>\
             <text x=\"{to}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            down + 3.0,
            escape(&name)
        );
    }
    svg + "</svg>"
}

/// First and last of each group, of sorted ranks, whose ranks lie less than that apart; none within another.
fn bars(sorted: &[f64], apart: f64) -> Vec<(usize, usize)> {
    let mut bars: Vec<(usize, usize)> = Vec::new();
    for (from, rank) in sorted.iter().enumerate() {
        let to = sorted.partition_point(|other| *other <= rank + apart) - 1;
        if to > from && bars.last().is_none_or(|last| to > last.1) {
            bars.push((from, to));
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::super::is_sound;
    use super::*;

    #[test]
    fn bars_join_what_cannot_be_told_apart() {
        // Demsar's golden example: CD 1.914820; only the last differs from the first.
        let ranks = [2.416667, 2.5, 1.166667, 3.916667];
        let mut sorted = ranks;
        sorted.sort_by(f64::total_cmp);
        assert_eq!(bars(&sorted, 1.914820), [(0, 2), (1, 3)]);
        assert_eq!(bars(&sorted, 0.01), []);
        let names = ["a", "b", "c<", "d"].map(String::from);
        let svg = critical("t", &names, &ranks, 1.914820);
        assert!(is_sound(&svg) && svg.contains("c&lt; 1.17"), "{svg}");
        assert!(critical("t", &names, &ranks, 9.0).contains("longer than the whole line"));
        assert!(is_sound(&critical("t", &[], &[], 1.0)));
    }
}
