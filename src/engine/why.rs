//! Why a rule stands as it does for a trial: for `explain`, in words and by the value of each part of its expression.

use crate::model::{Action, Evaluate, Moment, PartView, Rule, RuleState, RuleView};
use crate::policy::words;
use crate::promql::{self, Element, EvalError, Value};
use crate::stopper::{End, clopper_pearson};

use super::Engine;
use super::guard::Brake;
use super::judge::Prepared;
use super::ladder::WEIGHED_AGAIN;
use super::learning::Rival;
use super::rules::{Doubt, Standing, is_about, warming_up};
use super::trial::Trial;

/// Whether a person wants to know why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explain {
    /// The states are enough.
    No,
    /// In words, please.
    Yes,
}

/// Labelled values of one part that are shown; the rest is counted.
const SHOWN: usize = 8;

impl Engine {
    /// The rules as they stand for a trial; with their reasons where a person asks.
    pub(super) fn rule_views(&self, trial: &Trial, explain: Explain) -> Vec<RuleView> {
        let all = self.prepared.iter().zip(&trial.standings).enumerate();
        let about = all.filter(|(_, (prepared, _))| is_about(&prepared.rule, trial));
        about.map(|(place, (prepared, standing))| self.rule_view(trial, (place, prepared), standing, explain)).collect()
    }

    fn rule_view(
        &self,
        trial: &Trial,
        (place, prepared): (usize, &Prepared),
        standing: &Standing,
        explain: Explain,
    ) -> RuleView {
        let (rule, state, since) = (prepared.rule.name.clone(), standing.state, standing.since);
        let (why, parts) = match explain {
            Explain::No => (String::new(), Vec::new()),
            Explain::Yes if prepared.rule.stopper.is_some() => {
                (self.why(trial, &prepared.rule, standing), self.rivals(trial, place))
            }
            Explain::Yes => (self.why(trial, &prepared.rule, standing), self.parts(trial, prepared)),
        };
        RuleView { rule, state, since, why, parts }
    }

    /// In words.
    fn why(&self, trial: &Trial, rule: &Rule, standing: &Standing) -> String {
        let now = self.last_tick.unwrap_or(self.now);
        if let Some(Doubt::Unsure(why)) = self.doubt(trial.run(), rule, now) {
            return format!("unsure: {why}");
        }
        if warming_up(rule, trial, now) {
            return "in its warmup".to_string();
        }
        if standing.ambiguous {
            return format!(
                "ambiguous: several experiments have a trial {}, and the result names none",
                trial.view.trial
            );
        }
        if rule.stopper.is_some() {
            return self.why_of_curve(trial, rule, standing, now);
        }
        let strongest = standing.active.iter().min_by_key(|a| a.since);
        match (standing.state, strongest) {
            (RuleState::Unknown, _) if rule.evaluate == Evaluate::Remote => {
                format!("{}: nobody knows: {}", rule.words, self.silence(&rule.name, now))
            }
            (RuleState::Unknown, _) => format!("{}: there is nothing to judge it by", rule.words),
            (_, None) => format!("not {}", rule.words),
            (RuleState::Pending, Some(active)) => {
                let held = now.since(active.since);
                let seen = words::seen(rule, active.value);
                format!("{seen}; holds for {} of {}", words::duration(held), words::duration(rule.hold_ns))
            }
            (_, Some(active)) => {
                let seen = words::seen(rule, active.value);
                match self.held_back(trial, rule, standing, now) {
                    Some(why) => format!("{seen}; not done: {why}"),
                    None => seen,
                }
            }
        }
    }

    /// What a rule over learning curves said last.
    fn why_of_curve(&self, trial: &Trial, rule: &Rule, standing: &Standing, now: Moment) -> String {
        let Some(heard) = &standing.heard else { return format!("{}: no report that it could judge", rule.words) };
        let said = format!("{}: {}", rule.words, heard.words());
        match (standing.state, self.held_back(trial, rule, standing, now)) {
            (RuleState::Firing, Some(why)) => format!("{said}; not done: {why}"),
            _ => said,
        }
    }

    /// Why a rule that fires has not stopped the trial, if it has not.
    fn held_back(&self, trial: &Trial, rule: &Rule, standing: &Standing, now: Moment) -> Option<String> {
        if trial.stop.is_some() {
            return None;
        }
        if rule.action == Action::Warn {
            return Some("the rule only warns".to_string());
        }
        if standing.spared.is_some_and(|at| now.since(at) < WEIGHED_AGAIN) {
            return Some("its proportional memory spared it a moment ago".to_string());
        }
        match self.brake(trial.run(), rule, now)? {
            Brake::Wait => Some("another stop is under way or just over (serial)".to_string()),
            Brake::Refuse(_, why) => Some(why),
        }
    }

    /// The value of each part of the expression, as of the last tick. Of a rule that is evaluated elsewhere they are not known
    /// here: the values of this host alone would only mislead.
    fn parts(&self, trial: &Trial, prepared: &Prepared) -> Vec<PartView> {
        let here = prepared.rule.evaluate == Evaluate::Local;
        let Some(expr) = prepared.expr.as_ref().ok().filter(|_| here) else { return Vec::new() };
        let parts = promql::dissect(expr, &self.windows, self.windows.time(), &self.evaluation);
        // The samples of a window are many; what is made of them is told by the part around.
        let told = parts.into_iter().filter(|part| !matches!(part.value, Ok(Value::Matrix(_))));
        let view = |part: promql::Part| PartView {
            depth: part.depth,
            value: self.value_of(trial, part.value),
            text: part.text,
        };
        told.map(view).collect()
    }

    /// The trials with which a rule over learning curves compares this one, the best first.
    fn rivals(&self, trial: &Trial, place: usize) -> Vec<PartView> {
        let mut parts = vec![self.false_stops(place)];
        let rivals = self.learners.rivals(place, trial.run());
        let more = rivals.len().saturating_sub(SHOWN);
        let view = |rival: Rival| {
            let standing = match rival.end {
                End::Running => "running",
                End::Complete => "finished",
                End::Cut => "cut short",
            };
            PartView { depth: 1, text: format!("{} ({standing})", rival.name), value: words::number(rival.value) }
        };
        parts.extend(rivals.into_iter().take(SHOWN).map(view));
        if more > 0 {
            parts.push(PartView { depth: 1, text: format!("and {more} more"), value: String::new() });
        }
        parts
    }

    /// How often a rule was wrong, as far as trials tell that it condemned and that went on all the same.
    fn false_stops(&self, place: usize) -> PartView {
        let name = self.policy.rules.get(place).map(|rule| rule.name.clone()).unwrap_or_default();
        let totals = self.rule_totals.get(&name).cloned().unwrap_or_default();
        let (wrong, of) = (totals.false_stops, totals.spared_finished);
        let value = match totals.false_stop_ratio() {
            None => format!("n/a ({wrong} of {of})"),
            Some(ratio) => {
                let (low, high) = clopper_pearson(wrong, of);
                let percent = |share: f64| format!("{:.1} %", share * 100.0);
                format!("{} ({wrong} of {of}; 95 %: {} to {})", percent(ratio), percent(low), percent(high))
            }
        };
        PartView { depth: 1, text: "false stops among the spared that finished".to_string(), value }
    }

    /// What a part gave at the last tick: of the values with labels those of the trial and those of no trial.
    fn value_of(&self, trial: &Trial, value: Result<Value, EvalError>) -> String {
        match value {
            Err(why) => format!("failed: {why}"),
            Ok(Value::Scalar(value)) => words::number(value),
            Ok(Value::Text(text)) => text,
            Ok(Value::Matrix(_)) => String::new(),
            Ok(Value::Vector(elements)) => self.listed_values(trial, elements),
        }
    }

    fn listed_values(&self, trial: &Trial, elements: Vec<Element>) -> String {
        let of = |e: &Element, label: &str, own: &str| [own, ""].contains(&e.labels.get(label));
        let view = &trial.view;
        let its = |e: &&Element| of(e, "trial", view.trial.as_str()) && of(e, "experiment", view.experiment.as_str());
        let values: Vec<&Element> = elements.iter().filter(its).collect();
        let show = |e: &&Element| {
            let evidence = e.labels.filtered(|name| !["trial", "experiment", promql::NAME].contains(&name));
            let labels = if evidence.is_empty() { String::new() } else { format!(" {evidence}") };
            format!("{}{labels}", words::number(e.value))
        };
        match values.len() {
            0 => "no value".to_string(),
            n if n > SHOWN => {
                let first: Vec<String> = values.iter().take(SHOWN).map(show).collect();
                format!("{}, and {} more", first.join(", "), n - SHOWN)
            }
            _ => values.iter().map(show).collect::<Vec<_>>().join(", "),
        }
    }
}
