//! Series in memory.

use std::borrow::Cow;
use std::collections::HashMap;

use earlystop::promql::{Labels, Point, Selector, Series, Source};

/// Series in the order in which they came, each in the order of time.
#[derive(Clone, Default)]
pub struct Store {
    series: Vec<(Labels, Vec<Point>)>,
    places: HashMap<Labels, usize>,
}

impl Store {
    /// Adds samples; of two at one time the later stands.
    pub fn add(&mut self, labels: Labels, points: impl IntoIterator<Item = Point>) {
        let place = *self.places.entry(labels.clone()).or_insert(self.series.len());
        if place == self.series.len() {
            self.series.push((labels, Vec::new()));
        }
        let all = &mut self.series[place].1;
        all.extend(points);
        all.reverse();
        all.sort_by_key(|point| point.t);
        all.dedup_by_key(|point| point.t);
    }

    /// All series.
    pub fn series(&self) -> &[(Labels, Vec<Point>)] {
        &self.series
    }
}

impl Source for Store {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        let mut found = Vec::new();
        for (labels, points) in self.series.iter().filter(|(labels, _)| selector.fits(labels)) {
            let start = points.partition_point(|point| point.t < from);
            let end = points.partition_point(|point| point.t <= to).max(start);
            if start < end {
                found.push(Series { labels: labels.clone(), points: Cow::Borrowed(&points[start..end]) });
            }
        }
        found
    }
}

#[test]
fn a_store_gives_what_is_in_the_range() {
    let mut store = Store::default();
    let up = earlystop::promql::parse_series("up").expect("a series").0;
    store.add(up.clone(), [(20, 2.0), (10, 1.0)].map(|(t, v)| Point { t, v }));
    store.add(up.clone(), [(20, 3.0), (30, 4.0)].map(|(t, v)| Point { t, v }));
    let all = Selector { matchers: Vec::new(), shift: Default::default() };
    let values = |from, to| -> Vec<f64> {
        store.select(&all, from, to).iter().flat_map(|series| series.points.iter().map(|point| point.v)).collect()
    };
    assert_eq!(values(0, 100), [1.0, 3.0, 4.0]);
    assert_eq!(values(10, 20), [1.0, 3.0]);
    assert!(values(11, 19).is_empty());
    assert!(store.select(&all, 31, 40).is_empty());
    assert!(store.select(&all, 30, 10).is_empty());
}
