//! The field of a plot with its title, its axes and its legend.

use std::fmt::{Arguments, Write};

use super::super::page::escape;
use super::axis::Axis;
use super::{LETTERS, PENS, width};

/// Room left and right of the field, below it, and for a line of words, in SVG's units.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 34.0;
const LINE: f64 = 13.0;

/// How large the field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One of many.
    Small,
    /// As wide as the page.
    Broad,
}

impl Size {
    /// Width and height of the field.
    fn field(self) -> (f64, f64) {
        match self {
            Size::Small => (250.0, 130.0),
            Size::Broad => (640.0, 260.0),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Broad => "broad",
        }
    }
}

/// A plot under way.
pub struct Frame {
    svg: String,
    x: Axis,
    y: Axis,
    /// The upper left corner of the field.
    pub left: f64,
    /// The same, from above.
    pub top: f64,
    /// The field's width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// What a plot shows: its two lines of words, and the names of its lines.
pub struct Words<'a> {
    /// What the whole is.
    pub title: &'a str,
    /// What the vertical axis shows.
    pub measure: &'a str,
    /// Names of what is drawn.
    pub legend: Legend<'a>,
}

/// Names, and what stands beside each.
#[derive(Clone, Copy, Debug)]
pub enum Legend<'a> {
    /// There is one thing only.
    None,
    /// A line with its pen.
    Lines(&'a [&'a str]),
    /// The mark of a kind of points.
    Marks(&'a [&'a str]),
}

impl<'a> Legend<'a> {
    fn names(self) -> &'a [&'a str] {
        match self {
            Legend::None => &[],
            Legend::Lines(names) | Legend::Marks(names) => names,
        }
    }
}

impl Frame {
    /// The frame, its ticks and words.
    pub fn new(size: Size, words: &Words<'_>, x: Axis, y: Axis) -> Frame {
        let (width, height) = size.field();
        let legend = rows(words.legend.names(), width);
        let top = 34.0 + LINE * legend.iter().map(|entry| entry.0 + 1).max().unwrap_or(0) as f64;
        let (all_width, all_height) = (LEFT + width + RIGHT, top + height + BELOW);
        // A long title is written smaller, so that it ends where the plot ends; bold letters are a little wider.
        let letters = LETTERS * ((width + RIGHT) / (1.08 * super::width(words.title))).min(1.0);
        let svg = format!(
            "<svg class=\"{}\" viewBox=\"0 0 {all_width} {all_height}\" role=\"img\" aria-label=\"{1}\" \
             font-size=\"{LETTERS}\" font-family=\"sans-serif\"><text x=\"{LEFT}\" y=\"12\" \
             font-weight=\"600\" font-size=\"{letters:.1}\">{1}</text>\
             <text x=\"{LEFT}\" y=\"25\">{2}</text>",
            size.class(),
            escape(words.title),
            escape(words.measure)
        );
        let mut frame = Frame { svg, x, y, left: LEFT, top, width, height };
        frame.legend(words.legend, &legend);
        frame.ticks();
        frame
    }

    /// Where a value lies from the left.
    pub fn right_of(&self, value: f64) -> f64 {
        self.left + self.width * self.x.share(value)
    }

    /// Where a value lies from above.
    pub fn down_to(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.y.share(value))
    }

    /// Draws.
    pub fn add(&mut self, element: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.svg.write_fmt(element);
    }

    /// The whole drawing.
    pub fn done(self) -> String {
        self.svg + "</svg>"
    }

    /// Draws a point of a kind; its name is told when it is pointed at.
    pub fn mark(&mut self, kind: usize, x: f64, y: f64, name: &str) {
        let (colour, name) = (PENS[kind % PENS.len()].0, escape(name));
        match kind {
            0 => self.add(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{name}</title></circle>"
            )),
            1 => self.add(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\" fill=\"#fff\" stroke=\"{colour}\" \
                 stroke-width=\"1.5\"><title>{name}</title></rect>",
                x - 3.0,
                y - 3.0
            )),
            3 => self.add(format_args!(
                "<path d=\"M{x:.1} {:.1}l4 7h-8Z\" fill=\"{colour}\"><title>{name}</title></path>",
                y - 4.0
            )),
            _ => self.add(format_args!(
                "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"{colour}\" stroke-width=\"1.8\"><title>{name}</title></path>",
                x - 4.0,
                y - 4.0
            )),
        }
    }

    fn legend(&mut self, legend: Legend<'_>, places: &[(usize, f64)]) {
        for (place, (name, (row, right))) in legend.names().iter().zip(places).enumerate() {
            let (colour, dash) = PENS[place % PENS.len()];
            let (x, y) = (LEFT + right, 38.0 + LINE * *row as f64);
            match legend {
                Legend::Marks(_) => self.mark(place, x + 9.0, y - 3.0, name),
                _ => self.add(format_args!(
                    "<path d=\"M{x:.1} {:.1}h18\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>",
                    y - 3.0
                )),
            }
            self.add(format_args!("<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 22.0, escape(name)));
        }
    }

    fn ticks(&mut self) {
        let (left, top, width, height) = (self.left, self.top, self.width, self.height);
        for (value, words) in self.y.ticks.clone() {
            let down = self.down_to(value);
            self.add(format_args!(
                "<path d=\"M{left} {down:.1}h{width}\" stroke=\"#d9dde2\" fill=\"none\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 5.0,
                down + 3.0,
                escape(&words)
            ));
        }
        let ticks = self.x.ticks.clone();
        let shown = every(&ticks, width);
        for (value, words) in ticks.iter().step_by(shown) {
            let right = self.right_of(*value);
            self.add(format_args!(
                "<path d=\"M{right:.1} {:.1}v4\" stroke=\"#5a636e\"/><text x=\"{right:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                top + height,
                top + height + 14.0,
                escape(words)
            ));
        }
        let label = escape(&self.x.label);
        self.add(format_args!(
            "<path d=\"M{left} {0:.1}h{width}\" stroke=\"#5a636e\"/><text x=\"{1:.1}\" y=\"{2:.1}\" \
             text-anchor=\"middle\">{label}</text>",
            top + height,
            left + width / 2.0,
            top + height + 28.0
        ));
    }
}

/// Which ticks are shown, so that their words keep apart: each first, second, third...
fn every(ticks: &[(f64, String)], room: f64) -> usize {
    let widest = ticks.iter().map(|(_, words)| width(words)).fold(0.0, f64::max) + LETTERS;
    (widest * ticks.len() as f64 / room).ceil().max(1.0) as usize
}

/// Row and place of each name.
fn rows(names: &[&str], room: f64) -> Vec<(usize, f64)> {
    let (mut row, mut right) = (0, 0.0);
    let place = |name: &&str| {
        let wide = 22.0 + width(name) + LETTERS;
        if right > 0.0 && right + wide > room {
            (row, right) = (row + 1, 0.0);
        }
        let place = (row, right);
        right += wide;
        place
    };
    names.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_would_touch_are_left_out() {
        let ticks: Vec<(f64, String)> = (0..15).map(|n| (f64::from(n), format!("{}", 2u32.pow(n as u32)))).collect();
        assert_eq!((every(&ticks[..3], 250.0), every(&ticks, 250.0), every(&[], 250.0)), (1, 3, 1));
        let names = ["a name", "another name", "a third name"];
        assert_eq!(rows(&names, 1000.0).last().map(|last| last.0), Some(0));
        assert_eq!(rows(&names, 150.0).last().map(|last| last.0), Some(2));
    }
}
