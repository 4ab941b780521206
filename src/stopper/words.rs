//! Verdicts in words for people.

use super::case::{Evidence, Unknown, Verdict};
use crate::model::{Axis, Mode};

impl Verdict {
    /// Why, in words; nothing between two places of decision.
    pub fn words(&self, axis: Axis, mode: Mode) -> Option<String> {
        match self {
            Verdict::Stop(evidence) | Verdict::Continue(evidence) => Some(evidence.words(axis, mode)),
            Verdict::NotDue => None,
            Verdict::Unknown(unknown) => Some(unknown.words()),
        }
    }
}

impl Evidence {
    /// "best so far 0.45 is worse than 0.55, the median of the running means of 12 finished trials, at epoch 4".
    pub fn words(&self, axis: Axis, mode: Mode) -> String {
        let (own, bar, place) = (brief(self.own), brief(self.bar), place(axis, self.at));
        let note = self.note.as_deref().unwrap_or_default();
        if self.against.is_empty() {
            return format!("{} {own} {note}, {place}", self.what);
        }
        let against = counted(self.against, self.peers);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        match self.is(mode) {
            Some(than) => format!("{} {own} is {than} {bar}, {against}, {place}{note}", self.what),
            None => format!("{} {own}, {place}{note}", self.what),
        }
    }

    /// How the two figures stand; nothing where one is NaN.
    fn is(&self, mode: Mode) -> Option<&'static str> {
        let (better, worse) = ("better than", "worse than");
        let (above, below) = if mode == Mode::Max { (better, worse) } else { (worse, better) };
        Some(match self.own.partial_cmp(&self.bar)? {
            std::cmp::Ordering::Greater => above,
            std::cmp::Ordering::Less => below,
            std::cmp::Ordering::Equal => "equal to",
        })
    }
}

impl Unknown {
    /// "2 peers, it takes 3".
    pub fn words(&self) -> String {
        match self {
            Unknown::Grace => "the grace period is not over".to_owned(),
            Unknown::Peers(are, needed) => format!("{are} to compare with, it takes {needed}"),
            Unknown::Length => "how long the trial will be is not known (total_steps, or max in the rule)".to_owned(),
            Unknown::Value => "the trial has no value that could be compared".to_owned(),
            Unknown::Reports(are, needed) => format!("{are} reports, it takes {needed}"),
            Unknown::Folds => "it compares folds, and not every trial says its group and fold".to_owned(),
            Unknown::Mode => {
                "which way the metric is better is not known (objective, modes, or mode in the rule), or trials \
                              contradict each other"
                    .to_owned()
            }
            Unknown::Place => "the report does not say where on the axis it is".to_owned(),
            Unknown::Partial => "only a part of its curve is known: the rest came while nobody listened".to_owned(),
            Unknown::Beside => "a metric that it reads beside is not reported".to_owned(),
        }
    }
}

/// A place on an axis.
fn place(axis: Axis, at: f64) -> String {
    match axis {
        Axis::Epoch => format!("at epoch {}", brief(at)),
        Axis::Step => format!("at step {}", brief(at)),
        Axis::Samples => format!("after {} samples", brief(at)),
        Axis::Fraction => format!("at {} % of its length", brief(100.0 * at)),
        Axis::Elapsed => format!("after {} s", brief(at)),
        Axis::CpuSeconds => format!("after {} CPU seconds", brief(at)),
        Axis::Report => format!("at report {}", brief(at)),
    }
}

/// A text with its `{}` filled in; of one, "1 trials" is "1 trial".
fn counted(text: &str, peers: usize) -> String {
    let text = if peers == 1 { text.replace("trials", "trial") } else { text.to_owned() };
    text.replace("{}", &peers.to_string())
}

/// Six digits at most, and no zeros at the end; whole numbers whole.
pub(super) fn brief(value: f64) -> String {
    if !value.is_finite() || value == value.trunc() && value.abs() < 1e15 {
        return value.to_string();
    }
    // Through the decimal exponent form, which rounds to digits that count.
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if (1e-4..1e15).contains(&rounded.abs()) { rounded.to_string() } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            own: 0.45,
            what: "best so far",
            bar: 0.1 + 0.2,
            against: "the median of the running means of {} finished trials",
            peers: 12,
            at: 4.0,
            note: None,
        }
    }

    #[test]
    fn a_verdict_reads_as_a_sentence() {
        let e = evidence();
        let says = "the median of the running means of 12 finished trials, at epoch 4";
        assert_eq!(e.words(Axis::Epoch, Mode::Min), format!("best so far 0.45 is worse than 0.3, {says}"));
        assert_eq!(e.words(Axis::Epoch, Mode::Max), format!("best so far 0.45 is better than 0.3, {says}"));
        let one = Evidence { peers: 1, own: f64::NAN, note: Some("nothing but NaN".into()), ..e.clone() };
        assert_eq!(one.words(Axis::Elapsed, Mode::Max), "best so far NaN, after 4 s (nothing but NaN)");
        let one = Evidence { own: one.bar, note: None, ..one };
        let says = "the median of the running means of 1 finished trial, at 400 % of its length";
        assert_eq!(one.words(Axis::Fraction, Mode::Max), format!("best so far 0.3 is equal to 0.3, {says}"));
        let bound = Evidence { against: "", note: Some("is above 0.3".into()), ..e };
        assert_eq!(bound.words(Axis::Step, Mode::Max), "best so far 0.45 is above 0.3, at step 4");
    }

    #[test]
    fn numbers_are_short() {
        let seen = [0.1 + 0.2, 1e-7, 123456789.0, 12345.678901, -0.5, f64::INFINITY, 1.0 / 3.0, 2.5e20].map(brief);
        assert_eq!(seen, ["0.3", "1e-7", "123456789", "12345.7", "-0.5", "inf", "0.333333", "2.5e20"]);
    }
}
