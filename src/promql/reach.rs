//! How far back an expression looks.

use super::{Expr, Node, Shift};

impl Expr {
    /// How far before its evaluation's time an expression reads at most, milliseconds: its ranges, subqueries and offsets
    /// together. The lookback of instant selectors ([`super::Limits::lookback`]) comes on top. `i64::MAX` where `@`
    /// fixes the time, which may be any.
    pub fn looks_back(&self) -> i64 {
        self.reach().unwrap_or(0).max(0)
    }

    /// As [`Expr::looks_back`], below 0 for what only looks ahead; `None` for what reads nothing.
    fn reach(&self) -> Option<i64> {
        let below = || self.parts().into_iter().filter_map(Expr::reach).max();
        match &self.node {
            Node::Vector(selector) => Some(shifted(0, selector.shift)),
            Node::Matrix(selector, range) => Some(shifted(*range, selector.shift)),
            Node::Subquery { range, shift, .. } => match below()? {
                i64::MAX => Some(i64::MAX),
                inner => Some(shifted(inner.saturating_add(*range), *shift)),
            },
            _ => below(),
        }
    }
}

fn shifted(reach: i64, shift: Shift) -> i64 {
    if shift.at.is_some() { i64::MAX } else { reach.saturating_add(shift.offset) }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

    #[test]
    fn ranges_subqueries_and_offsets_add_up() {
        for (text, ms) in [
            ("1 + 2", 0),
            ("up", 0),
            ("up offset 5m", 300_000),
            ("up offset -5m", 0),
            ("rate(up[1m]) > 5", 60_000),
            ("rate(up[1m] offset 30s) or avg_over_time(up[80s])", 90_000),
            ("max_over_time(rate(up[1m])[10m:5s])", 660_000),
            ("max_over_time(rate(up[1m] offset -2m)[10m:5s] offset 1m)", 600_000),
            ("max_over_time((up and max_over_time(vector(1)[1h:]))[10m:])", 600_000),
            ("up @ 5", i64::MAX),
            ("max_over_time(rate(up[1m] @ end() offset -1h)[10m:5s] offset -1m)", i64::MAX),
        ] {
            assert_eq!(parse(text).unwrap().looks_back(), ms, "{text}");
        }
    }
}
