//! Calls: from the table of functions to the part's value.

use super::query::{Chosen, Query, Times, bare};
use super::selector::{self, Stretch};
use super::{EvalError, unique};
use crate::promql::functions::{Arguments, Call, Window};
use crate::promql::{Element, Expr, Function, Kind, Labels, Match, NAME, Node, Selector, Series, Shift, Value};

/// A call at one time.
struct Site<'s, 'a> {
    query: &'s Query<'a>,
    function: &'s Function,
    args: &'s [Expr],
    at: i64,
}

/// The value of a function's call.
pub(super) fn call(query: &Query, function: &Function, args: &[Expr], at: i64) -> Result<Value, EvalError> {
    let site = Site { query, function, args, at };
    match function.call {
        Call::Each(compute) => site.each(compute).map(Value::Vector),
        Call::Range(compute) => site.over(compute, |series| series.labels.nameless()).map(Value::Vector),
        Call::RangeNamed(compute) => site.over(compute, |series| series.labels.clone()).map(Value::Vector),
        Call::Whole(compute) => site.whole(compute),
        Call::Evaluator => match function.name {
            "timestamp" => site.timestamp().map(Value::Vector),
            "absent" => site.absent().map(Value::Vector),
            "absent_over_time" => site.absent_over_time().map(Value::Vector),
            other => Err(EvalError::Failed(format!("unknown function with name {other:?}"))),
        },
    }
}

impl<'s> Site<'s, '_> {
    /// A function of each element of an instant vector.
    fn each(&self, compute: fn(f64, &[f64]) -> f64) -> Result<Vec<Element>, EvalError> {
        let scalars = self.scalars()?;
        let mut elements = match self.args_of(Kind::Vector).next() {
            Some(vector) => self.query.vector(vector, self.at)?,
            None => vec![Element { labels: Labels::empty(), value: self.seconds() }],
        };
        for element in &mut elements {
            element.value = compute(element.value, &scalars);
        }
        unique::drop_names(&mut elements)?;
        Ok(elements)
    }

    /// A function of the samples of each series of a range vector.
    fn over(
        &self,
        compute: fn(&Window<'_>) -> Option<f64>,
        labels: fn(&Series<'_>) -> Labels,
    ) -> Result<Vec<Element>, EvalError> {
        let scalars = self.scalars()?;
        let range = self.range()?;
        let chosen = self.query.chosen(range)?;
        let Stretch { start, end } = selector::stretch_of(self.query, range, self.at);
        let mut elements = Vec::with_capacity(chosen.series.len());
        for (number, series) in chosen.series.iter().enumerate() {
            let points = Stretch { start, end }.of(&series.points);
            if points.is_empty() {
                continue;
            }
            self.query.budget.look(points.len())?;
            if let Some(value) = compute(&Window { points, start, end, at: self.at, scalars: &scalars }) {
                let labels = labels(series);
                claim(chosen, &labels, number)?;
                elements.push(Element { labels, value });
            }
        }
        Ok(elements)
    }

    /// A function that sees all its arguments.
    fn whole(&self, compute: fn(&Arguments<'_>) -> Result<Value, EvalError>) -> Result<Value, EvalError> {
        let values = self.args.iter().map(|arg| self.query.value(arg, self.at)).collect::<Result<Vec<_>, _>>()?;
        let value = compute(&Arguments { written: self.args, values: &values, at: self.at })?;
        for value in &values {
            if let Value::Matrix(tracks) = value {
                self.query.budget.release(tracks.iter().map(|track| track.points.len()).sum());
            }
        }
        if let Value::Vector(elements) = &value {
            let bytes = elements.iter().map(|element| element.labels.bytes()).sum();
            self.query.budget.write(bytes)?;
            unique::check(elements)?;
        }
        Ok(value)
    }

    /// The time of each sample, of those that come straight from a selector; else the evaluation's time; seconds.
    fn timestamp(&self) -> Result<Vec<Element>, EvalError> {
        let Some(arg) = self.args.first().map(bare) else { return Ok(Vec::new()) };
        let mut elements = if let Some((_, shift)) = sampled(self.function, self.args) {
            let times = Times { first: self.at, last: self.at };
            let stretch = selector::stretch(self.query, &shift, self.query.limits.lookback, times);
            let of_sample = |series: &Series| {
                let last = selector::last_in(stretch, &series.points)?;
                Some(Element { labels: series.labels.clone(), value: last.t as f64 / 1000.0 })
            };
            self.query.chosen(arg)?.series.iter().filter_map(of_sample).collect()
        } else {
            let mut elements = self.query.vector(arg, self.at)?;
            for element in &mut elements {
                element.value = self.seconds();
            }
            elements
        };
        unique::drop_names(&mut elements)?;
        Ok(elements)
    }

    /// 1, with what the selector says of labels, where a vector has no element.
    fn absent(&self) -> Result<Vec<Element>, EvalError> {
        let Some(arg) = self.args.first() else { return Ok(Vec::new()) };
        let missing = self.query.vector(arg, self.at)?.is_empty();
        Ok(missing.then(|| Element { labels: labels_of_absent(arg), value: 1.0 }).into_iter().collect())
    }

    /// As `absent`, for a range without samples.
    fn absent_over_time(&self) -> Result<Vec<Element>, EvalError> {
        let range = self.range()?;
        let stretch = selector::stretch_of(self.query, range, self.at);
        let missing = self.query.chosen(range)?.series.iter().all(|series| stretch.of(&series.points).is_empty());
        Ok(missing.then(|| Element { labels: labels_of_absent(range), value: 1.0 }).into_iter().collect())
    }

    /// The evaluation's time in seconds.
    fn seconds(&self) -> f64 {
        self.at as f64 / 1000.0
    }

    /// The arguments of a type, in their order; the last type of a function stands for all that come after it.
    fn args_of(&self, kind: Kind) -> impl Iterator<Item = &'s Expr> {
        let takes = self.function.takes;
        let kinds = (0..).map(move |i| takes.get(i).or(takes.last()).copied());
        self.args.iter().zip(kinds).filter(move |(_, found)| *found == Some(kind)).map(|(arg, _)| arg)
    }

    /// The numbers among the arguments, in their order.
    fn scalars(&self) -> Result<Vec<f64>, EvalError> {
        self.args_of(Kind::Scalar).map(|arg| self.query.scalar(arg, self.at)).collect()
    }

    /// The range vector among the arguments.
    fn range(&self) -> Result<&'s Expr, EvalError> {
        let range = self.args_of(Kind::Matrix).next().map(bare);
        range.ok_or_else(|| EvalError::Failed(format!("{} needs a range vector", self.function.name)))
    }
}

/// The selector whose samples' times a call of `timestamp` gives, and how its time is moved: Prometheus forgets its offset
/// if it has an `@` as well.
pub(super) fn sampled<'s>(function: &Function, args: &'s [Expr]) -> Option<(&'s Selector, Shift)> {
    let Node::Vector(selector) = &bare(args.first()?).node else { return None };
    let offset = if selector.shift.at.is_some() { 0 } else { selector.shift.offset };
    (function.name == "timestamp").then_some((selector, Shift { offset, ..selector.shift }))
}

/// Refuses that two series go by the same labels, now or at another time of the same query.
fn claim(chosen: &Chosen, labels: &Labels, number: usize) -> Result<(), EvalError> {
    let Some(claims) = &chosen.claims else { return Ok(()) };
    let owner = *claims.borrow_mut().entry(labels.clone()).or_insert(number);
    if owner == number { Ok(()) } else { Err(unique::same_labels()) }
}

/// The labels that a selector fixes; a label with more than one condition is fixed by none of them.
fn labels_of_absent(arg: &Expr) -> Labels {
    let (Node::Vector(selector) | Node::Matrix(selector, _)) = &bare(arg).node else { return Labels::empty() };
    let mut labels = Labels::empty();
    let mut fixed: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.label != NAME) {
        if matches!(matcher.test, Match::Equal) && !fixed.contains(&matcher.label.as_str()) {
            labels = labels.with(&matcher.label, &matcher.value);
            fixed.push(&matcher.label);
        } else {
            labels = labels.with(&matcher.label, "");
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::testing::load;

    #[test]
    fn names_go_but_not_those_of_first_and_last() {
        let memory = load(10, &["a{x=\"1\"} 1 -2", "b{x=\"1\"} 3 4"]);
        let at = |text| memory.at(10.0, text);
        assert_eq!(at("abs(a)"), ["{x=\"1\"} 2"]);
        assert_eq!(at("max_over_time(a[1m])"), ["{x=\"1\"} 1"]);
        assert_eq!(at("last_over_time(a[1m])"), ["a{x=\"1\"} -2"]);
        let clash = ["failed: vector cannot contain metrics with the same labelset"];
        assert_eq!(at("abs({x=\"1\"})"), clash);
        assert_eq!(at("max_over_time({x=\"1\"}[1m])"), clash);
        assert_eq!(at("last_over_time({x=\"1\"}[1m])"), ["a{x=\"1\"} -2", "b{x=\"1\"} 4"]);
    }

    #[test]
    fn series_of_a_range_may_not_share_labels_at_different_times_either() {
        let memory = load(10, &["a 1", "b _ _ _ 4"]);
        let both = "max_over_time({__name__=~\"a|b\"}[5s])";
        assert_eq!(memory.at(30.0, both), ["{} 4"]);
        assert_eq!(memory.over(0, 30, 30, both), ["failed: vector cannot contain metrics with the same labelset"]);
    }

    #[test]
    fn scalar_arguments_are_evaluated_at_each_time() {
        let memory = load(10, &["a 1 5 3", "q 0 1 0"]);
        assert_eq!(memory.over(0, 20, 10, "quantile_over_time(scalar(q), a[1m])"), ["{} 1@0 5@10 1@20"]);
        assert_eq!(memory.over(0, 20, 10, "clamp_max(a, scalar(q))"), ["{} 0@0 1@10 0@20"]);
        assert_eq!(memory.at(20.0, "sum_over_time(((a[1m])))"), ["{} 9"]);
    }

    #[test]
    fn timestamps_are_those_of_samples_only_right_above_a_selector() {
        let memory = load(10, &["a 1 2 3"]);
        let at = |text| memory.at(25.0, text);
        assert_eq!(at("timestamp(a)"), ["{} 20"]);
        assert_eq!(at("timestamp((a))"), ["{} 20"]);
        assert_eq!(at("timestamp(a offset 10s)"), ["{} 10"]);
        assert_eq!(at("timestamp(a @ 20 offset 20s)"), ["{} 20"], "a slip of Prometheus that we follow");
        assert_eq!(at("timestamp(a * 1)"), ["{} 25"]);
        assert_eq!(at("timestamp(timestamp(a))"), ["{} 25"]);
        assert_eq!(memory.over(20, 40, 10, "timestamp(a @ 11)"), ["{} 10@20 10@30 10@40"]);
    }

    #[test]
    fn long_labels_are_work() {
        let memory = load(10, &["a{x=\"1234567890\"} 1"]);
        let mut text = "a".to_string();
        // 10 bytes doubled 20 times are 10 MiB; all the values before it are as many again.
        for _ in 0..20 {
            text = format!("label_replace({text}, \"x\", \"$1$1\", \"x\", \"(.*)\")");
        }
        assert_eq!(memory.at(0.0, &format!("count({text})")), ["{} 1"]);
        let little = Limits { work: 1_000_000, ..Limits::default() };
        assert!(memory.at_within(0.0, &text, &little)[0].starts_with("too much: the query takes too much work"));
        let text = format!("label_replace({text}, \"x\", \"$1$1\", \"x\", \"(.*)\")");
        assert_eq!(memory.at(0.0, &text), ["too much: the query makes more than 16 MiB of label values"]);
    }

    #[test]
    fn what_is_absent_has_the_labels_that_were_asked_for() {
        let memory = load(10, &["a{x=\"1\"} 1"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("absent(a)"), [""; 0]);
        assert_eq!(at("absent(b)"), ["{} 1"]);
        assert_eq!(at("absent((b{x=\"1\", y=~\"2\", z!=\"3\"}))"), ["{x=\"1\"} 1"]);
        assert_eq!(at("absent(b{x=\"1\", x=\"2\", y=\"3\"})"), ["{y=\"3\"} 1"]);
        assert_eq!(at("absent(sum(b{x=\"1\"}))"), ["{} 1"]);
        assert_eq!(at("absent_over_time(a[1m])"), [""; 0]);
        assert_eq!(at("absent_over_time(a{x=\"2\"}[1m])"), ["{x=\"2\"} 1"]);
        assert_eq!(at("absent_over_time(rate(a{x=\"2\"}[1m])[5m:1m])"), ["{} 1"]);
        assert_eq!(memory.over(-10, 70, 40, "absent_over_time(a{x=\"1\"}[1m])"), ["{x=\"1\"} 1@-10 1@70"]);
    }
}
