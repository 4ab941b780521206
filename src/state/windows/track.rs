//! The samples of one series, as far back as rules look.

use crate::promql::{Labels, Point, STALE, is_stale};

/// A series and its samples, in one piece so that an evaluation reads them where they lie.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// All its labels.
    pub labels: Labels,
    /// Those beyond the name, `trial` and `experiment`, as its row emits them.
    extra: Box<[(Box<str>, Box<str>)]>,
    points: Vec<Point>,
    /// Where the samples that count begin; what lies before is let go now and then.
    start: usize,
}

/// From so many dead samples on the rest is moved to the front, if they are half of all.
const DEAD: usize = 64;

impl Track {
    pub fn new(labels: Labels, extra: &[(&str, &str)]) -> Track {
        let extra = extra.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Track { labels, extra, points: Vec::new(), start: 0 }
    }

    /// Whether a row that emits these labels means this series.
    pub fn is(&self, extra: &[(&str, &str)]) -> bool {
        let pairs = self.extra.iter().map(|(name, value)| (&**name, &**value));
        pairs.eq(extra.iter().copied())
    }

    /// Takes a sample in and lets go of those older than `keep` milliseconds; the newest always stays.
    pub fn push(&mut self, t: i64, v: f64, keep: i64) {
        self.points.push(Point { t, v });
        let oldest = t.saturating_sub(keep);
        while self.start + 1 < self.points.len() && self.points[self.start].t <= oldest {
            self.start += 1;
        }
        if self.start > DEAD && self.start * 2 > self.points.len() {
            self.points.drain(..self.start);
            self.start = 0;
        }
    }

    /// The series was not there at this tick: it ends, if it has not yet. True once nothing of it is worth keeping.
    pub fn miss(&mut self, t: i64, keep: i64) -> bool {
        let last = self.points.last().copied();
        if last.is_some_and(|p| !is_stale(p.v)) {
            self.push(t, STALE, keep);
        }
        last.is_none_or(|p| p.t <= t.saturating_sub(keep))
    }

    /// The samples that count.
    pub fn points(&self) -> &[Point] {
        &self.points[self.start..]
    }

    /// Whether it has a sample or its end at `t`.
    pub fn at_time(&self, t: i64) -> bool {
        self.points.last().is_some_and(|p| p.t == t)
    }

    /// The newest sample, if the series was there at `t`.
    pub fn at(&self, t: i64) -> Option<f64> {
        self.points.last().filter(|p| p.t == t && !is_stale(p.v)).map(|p| p.v)
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<Point>() + size_of::<Track>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_asked_for_and_the_newest() {
        let mut track = Track::new(Labels::empty(), &[]);
        for t in 0..1000 {
            track.push(t * 10, t as f64, 50);
        }
        let times: Vec<i64> = track.points().iter().map(|p| p.t).collect();
        assert_eq!(times, [9950, 9960, 9970, 9980, 9990], "left-open: 9940 is 50 ago");
        assert!(track.bytes() < 16 * 1024);
        track.push(20_000, 1.0, 0);
        assert_eq!(track.points().len(), 1);
    }

    #[test]
    fn a_series_that_is_absent_ends_once() {
        let mut track = Track::new(Labels::empty(), &[("metric", "loss")]);
        assert!(track.is(&[("metric", "loss")]) && !track.is(&[]));
        track.push(10, 1.0, 100);
        assert_eq!(track.at(10), Some(1.0));
        assert!(!track.miss(20, 100) && !track.miss(30, 100));
        assert_eq!(track.points().len(), 2);
        assert_eq!((track.at(10), track.at(20)), (None, None));
        assert!(track.miss(120, 100), "nobody looks back on it any more");
    }
}
