//! Where series come from.

use std::borrow::Cow;

use super::{Labels, Point, Selector};

/// A series as a source hands it out.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// Its labels, `__name__` among them.
    pub labels: Labels,
    /// Its samples in the order of time, staleness markers among them; at least those in the range that was asked for.
    pub points: Cow<'a, [Point]>,
}

/// A store of series.
pub trait Source {
    /// Every series that fits all matchers of the selector and may have samples in `from..=to` (milliseconds). The selector's
    /// own offset and `@` are already in the range. No two series have equal labels. The order is the source's; it must
    /// be the same for the same content.
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>>;
}
