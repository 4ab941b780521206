//! The series of a test.

use std::borrow::Cow;

use crate::promql::{Labels, Point, Selector, Series, Source};

/// Series in memory.
#[derive(Debug, Default)]
pub(super) struct Store(Vec<(Labels, Vec<Point>)>);

impl Store {
    /// Adds a series: value i at i times the interval (milliseconds). False if there is one of the same labels.
    pub fn add(&mut self, labels: Labels, values: Vec<Option<f64>>, interval: i64) -> bool {
        if self.0.iter().any(|(known, _)| *known == labels) {
            return false;
        }
        let points = values.into_iter().zip(0..).filter_map(|(v, i)| Some(Point { t: i * interval, v: v? }));
        self.0.push((labels, points.collect()));
        true
    }
}

impl Source for Store {
    fn select(&self, selector: &Selector, _from: i64, _to: i64) -> Vec<Series<'_>> {
        let chosen = self.0.iter().filter(|(labels, _)| selector.fits(labels));
        chosen.map(|(labels, points)| Series { labels: labels.clone(), points: Cow::Borrowed(points) }).collect()
    }
}
