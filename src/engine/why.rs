//! Why a rule stands as it does for a trial: for `explain`, in words and by the value of each part of its expression.

use crate::model::{Evaluate, PartView, Rule, RuleState, RuleView};
use crate::policy::words;
use crate::promql::{self, Element, Expr, Kind, Value};

use super::Engine;
use super::judge::Prepared;
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
        let about = self.prepared.iter().zip(&trial.standings).filter(|(p, _)| is_about(&p.rule, trial));
        about.map(|(prepared, standing)| self.rule_view(trial, prepared, standing, explain)).collect()
    }

    fn rule_view(&self, trial: &Trial, prepared: &Prepared, standing: &Standing, explain: Explain) -> RuleView {
        let (rule, state, since) = (prepared.rule.name.clone(), standing.state, standing.since);
        let (why, parts) = match explain {
            Explain::No => (String::new(), Vec::new()),
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
            (_, Some(active)) => words::seen(rule, active.value),
        }
    }

    /// The value of each part of the expression, as of the last tick. Of a rule that is evaluated elsewhere they are not known
    /// here: the values of this host alone would only mislead.
    fn parts(&self, trial: &Trial, prepared: &Prepared) -> Vec<PartView> {
        let here = prepared.rule.evaluate == Evaluate::Local;
        let Some(expr) = prepared.expr.as_ref().ok().filter(|_| here) else { return Vec::new() };
        let mut parts = Vec::new();
        expr.visit(&mut |part| {
            if is_told(part) {
                parts.push(PartView { text: part.to_string(), value: self.value_of(trial, part) });
            }
        });
        parts
    }

    /// What a part gives at the last tick: of the values with labels those of the trial and those of no trial.
    fn value_of(&self, trial: &Trial, part: &Expr) -> String {
        let at = self.windows.time();
        match promql::instant(part, &self.windows, at, &self.evaluation) {
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

/// Whether the value of a part says more than its text.
fn is_told(part: &Expr) -> bool {
    let plain = matches!(part.node, promql::Node::Number(_) | promql::Node::Text(_) | promql::Node::Paren(_));
    !plain && part.kind() != Kind::Matrix
}
