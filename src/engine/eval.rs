//! Evaluation of the shorthand's expression tree for one trial at one tick.

use crate::model::{Arithmetic, Comparison, Expr, Moment, Selector};
use crate::state::windows::{self, Labels};

use super::trial::Trial;

/// What an expression gave: labelled values, none where a filter took them all; [`Missing`] where data are absent.
pub(super) type Values = Result<Vec<(Labels, f64)>, Missing>;

/// Data that an expression needs and that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub String);

/// What an expression is evaluated over.
pub(super) struct Scene<'a> {
    /// The trial.
    pub trial: &'a Trial,
    /// The tick.
    pub now: Moment,
}

impl Scene<'_> {
    /// Evaluates an expression.
    pub fn eval(&self, expr: &Expr) -> Values {
        match expr {
            Expr::Number(n) => Ok(vec![(Labels::new(), *n)]),
            Expr::Now => Ok(vec![(Labels::new(), self.now.unix_seconds())]),
            Expr::Series(selector) => present(selector, windows::read(selector, &self.trial.view, self.now)),
            Expr::Mean(selector, ns) => present(selector, self.trial.windows.mean(selector, self.now, *ns)),
            Expr::Rate(selector, ns) => present(selector, self.trial.windows.rate(selector, self.now, *ns)),
            Expr::Sum(selector) => {
                let parts = present(selector, windows::read(selector, &self.trial.view, self.now))?;
                Ok(vec![(Labels::new(), parts.iter().map(|(_, v)| v).sum())])
            }
            Expr::SinceStep(except) => Ok(self.since_step(except).into_iter().map(|s| (Labels::new(), s)).collect()),
            Expr::SinceHello => Ok(self.since_hello().into_iter().map(|s| (Labels::new(), s)).collect()),
            Expr::Arithmetic(op, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                let apply = |x: f64, y: f64| match op {
                    Arithmetic::Minus => x - y,
                    Arithmetic::Times => x * y,
                    Arithmetic::Over => x / y,
                };
                Ok(matched(&a, &b).map(|(labels, x, y)| (labels.clone(), apply(x, y))).collect())
            }
            Expr::Compare(op, a, b) => Ok(kept(&self.eval(a)?, &self.eval(b)?, *op)),
            Expr::IsNan(a) => Ok(self.eval(a)?.into_iter().filter(|(_, v)| v.is_nan()).collect()),
            Expr::NotFinite(a) => Ok(self.eval(a)?.into_iter().filter(|(_, v)| !v.is_finite()).collect()),
            Expr::All(all) => {
                let parts = all.iter().map(|e| self.eval(e)).collect::<Result<Vec<_>, _>>()?;
                let every = parts.iter().all(|p| !p.is_empty());
                Ok(if every { parts.into_iter().next().unwrap_or_default() } else { Vec::new() })
            }
            Expr::Any(any) => self.any(any),
        }
    }

    /// The values of any part; missing only if no part has data.
    fn any(&self, parts: &[Expr]) -> Values {
        let mut found: Vec<(Labels, f64)> = Vec::new();
        let mut missing = None;
        let mut seen = false;
        for part in parts {
            match self.eval(part) {
                Ok(values) => {
                    seen = true;
                    let new = values.into_iter().filter(|(l, _)| !found.iter().any(|(have, _)| have == l));
                    found.extend(new.collect::<Vec<_>>());
                }
                Err(why) => missing = Some(why),
            }
        }
        match missing {
            Some(why) if !seen => Err(why),
            _ => Ok(found),
        }
    }

    /// Seconds since the step last moved; none before the first step.
    fn since_step(&self, except: &[String]) -> Option<f64> {
        let at = self.trial.view.progress.last_step_at?;
        Some(self.now.seconds_since(at) - self.trial.phase_log.seconds_in(except, self.now))
    }

    /// Seconds since hello while no step has come.
    fn since_hello(&self) -> Option<f64> {
        let progress = &self.trial.view.progress;
        match progress.last_step_at {
            Some(_) => None,
            None => progress.hello.map(|at| self.now.seconds_since(at)),
        }
    }
}

/// Values, or what is missing.
fn present(selector: &Selector, values: Vec<(Labels, f64)>) -> Values {
    if values.is_empty() { Err(Missing(name_of(selector))) } else { Ok(values) }
}

/// A selector as a person would write it.
fn name_of(selector: &Selector) -> String {
    let labels: Vec<String> = selector.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    if labels.is_empty() { selector.metric.clone() } else { format!("{}{{{}}}", selector.metric, labels.join(",")) }
}

/// Pairs of values with equal labels; a single unlabelled value goes with every other.
fn matched<'a>(
    a: &'a [(Labels, f64)],
    b: &'a [(Labels, f64)],
) -> impl Iterator<Item = (&'a Labels, f64, f64)> + use<'a> {
    let lone = |side: &[(Labels, f64)]| side.len() == 1 && side[0].0.is_empty();
    let (a_lone, b_lone) = (lone(a), lone(b));
    a.iter().flat_map(move |(la, x)| {
        let fits = move |lb: &Labels| b_lone || a_lone || la == lb;
        b.iter().filter(move |(lb, _)| fits(lb)).map(move |(lb, y)| (if a_lone { lb } else { la }, *x, *y))
    })
}

/// The left values for which the comparison holds.
fn kept(a: &[(Labels, f64)], b: &[(Labels, f64)], op: Comparison) -> Vec<(Labels, f64)> {
    matched(a, b).filter(|(_, x, y)| op.holds(*x, *y)).map(|(labels, x, _)| (labels.clone(), x)).collect()
}
