//! Windows: the samples of the series that rules look back on, one ring a series.

use std::collections::VecDeque;

use crate::model::{Moment, Pair, SECOND, Selector, TrialView};

use super::table;

/// Labels of a series beyond `trial` and `experiment`, in the table's order.
pub type Labels = Vec<(String, String)>;

/// The samples that a scrape at this moment would read for a selector, with the labels that it does not fix.
pub fn read(selector: &Selector, view: &TrialView, now: Moment) -> Vec<(Labels, f64)> {
    let mut found = Vec::new();
    let Some(row) = table::trial_metric(&selector.metric) else { return found };
    row.each(view, now, &mut |labels, value| {
        let has = |(name, wanted): &(String, String)| labels.iter().any(|(n, v)| n == name && v == wanted);
        if selector.labels.iter().all(has) {
            let fixed = |name: &str| selector.labels.iter().any(|(n, _)| n == name);
            let free = labels.iter().filter(|(n, _)| !fixed(n)).map(|(n, v)| (n.to_string(), v.to_string()));
            found.push((free.collect(), value));
        }
    });
    found
}

/// One sample: boot clock in nanoseconds and value.
type Sample = (u64, f64);

/// The samples of one series.
#[derive(Clone, Debug)]
struct Ring {
    labels: Labels,
    samples: VecDeque<Sample>,
}

/// All windows of one selector of one trial.
#[derive(Clone, Debug)]
struct Window {
    selector: Selector,
    length_ns: u64,
    rings: Vec<Ring>,
}

/// The windows of one trial.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    windows: Vec<Window>,
}

impl Windows {
    /// Keeps exactly these windows from now on; samples of those that stay, stay.
    pub fn keep(&mut self, wanted: &[(Selector, u64)]) {
        self.windows.retain(|w| wanted.iter().any(|(s, _)| *s == w.selector));
        for (selector, length_ns) in wanted {
            match self.windows.iter_mut().find(|w| w.selector == *selector) {
                Some(window) => window.length_ns = window.length_ns.max(*length_ns),
                None => {
                    self.windows.push(Window { selector: selector.clone(), length_ns: *length_ns, rings: Vec::new() })
                }
            }
        }
    }

    /// Takes one sample of each series at a tick and lets go what no rule can look back on any more.
    pub fn sample(&mut self, view: &TrialView, now: Moment) {
        for window in &mut self.windows {
            let oldest = now.boot_ns.saturating_sub(window.length_ns);
            for (labels, value) in read(&window.selector, view, now) {
                let at = window.rings.iter().position(|r| r.labels == labels).unwrap_or_else(|| {
                    window.rings.push(Ring { labels, samples: VecDeque::new() });
                    window.rings.len() - 1
                });
                window.rings[at].samples.push_back((now.boot_ns, value));
            }
            for ring in &mut window.rings {
                while ring.samples.front().is_some_and(|(at, _)| *at <= oldest) {
                    ring.samples.pop_front();
                }
            }
            window.rings.retain(|r| !r.samples.is_empty());
        }
    }

    /// Forgets every sample.
    pub fn clear(&mut self) {
        self.windows.iter_mut().for_each(|w| w.rings.clear());
    }

    /// The samples in the left-open range (now - length, now] of each series of a selector.
    fn ranges(&self, selector: &Selector, now: Moment, length_ns: u64) -> Vec<(&Labels, Vec<Sample>)> {
        let oldest = now.boot_ns.saturating_sub(length_ns);
        let Some(window) = self.windows.iter().find(|w| w.selector == *selector) else { return Vec::new() };
        let inside = |r: &Ring| r.samples.iter().filter(|(at, _)| *at > oldest).copied().collect::<Vec<_>>();
        window.rings.iter().map(|r| (&r.labels, inside(r))).collect()
    }

    /// Mean of the samples in the window (`avg_over_time`), for each series with at least one.
    pub fn mean(&self, selector: &Selector, now: Moment, length_ns: u64) -> Vec<(Labels, f64)> {
        let mean = |s: &[Sample]| s.iter().map(|(_, v)| v).sum::<f64>() / s.len() as f64;
        let ranges = self.ranges(selector, now, length_ns).into_iter();
        ranges.filter(|(_, s)| !s.is_empty()).map(|(l, s)| (l.clone(), mean(&s))).collect()
    }

    /// Increase a second of a counter over the samples in the window, for each series with at least two. A fall is a
    /// reset: what was counted before it stays counted.
    pub fn rate(&self, selector: &Selector, now: Moment, length_ns: u64) -> Vec<(Labels, f64)> {
        let ranges = self.ranges(selector, now, length_ns).into_iter();
        ranges.filter_map(|(l, s)| rate_of(&s).map(|r| (l.clone(), r))).collect()
    }

    /// Bytes that the samples take.
    pub fn bytes(&self) -> u64 {
        let rings = self.windows.iter().flat_map(|w| &w.rings);
        rings.map(|r| (r.samples.capacity() * size_of::<Sample>()) as u64).sum()
    }
}

/// Increase a second between the first and the last sample.
fn rate_of(samples: &[Sample]) -> Option<f64> {
    let span = Pair { first: samples.first()?, second: samples.last()? };
    let seconds = (span.second.0 - span.first.0) as f64 / SECOND as f64;
    let grown: f64 = samples.windows(2).map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum();
    (seconds > 0.0).then(|| grown / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_falls_was_reset() {
        assert_eq!(rate_of(&[(0, 5.0), (SECOND, 7.0), (2 * SECOND, 1.0)]), Some(1.5));
        assert_eq!(rate_of(&[(0, 5.0)]), None);
        assert_eq!(rate_of(&[]), None);
    }
}
