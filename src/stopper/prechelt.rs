//! Overfitting: the criteria GL, PQ and UP of Prechelt, "Early Stopping - But When?" (1998).

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::curve::{Curve, Point};
use crate::model::{Mode, PrecheltCriterion};

/// The criteria read errors. Of a metric of which more is better nothing is taken from 1: the loss is by how many percent a
/// value lies below the best so far, and progress is measured in the same way. The training metric is read in the same mode
/// as the metric itself.
///
/// A report is an epoch, `strip` reports are a strip. Where the best is 0, a loss in percent of it is not defined: nobody can
/// say. Prechelt's own bounds beside PQ (progress below 0.1, 3000 epochs) are left to rules of their own.
#[derive(Clone, Debug)]
pub(super) struct Prechelt {
    /// Which.
    pub criterion: PrecheltCriterion,
    /// The criterion's bound.
    pub limit: f64,
    /// Reports in a strip.
    pub strip: u32,
    /// The training error, for PQ.
    pub train_metric: Option<String>,
}

impl Prechelt {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let points = case.curve().ok_or(Unknown::Value)?.points();
        match self.criterion {
            PrecheltCriterion::Gl => self.gl(case, points),
            PrecheltCriterion::Pq => self.pq(case, points),
            PrecheltCriterion::Up => self.up(case, points),
        }
    }

    /// After any report: the generalisation loss is above the limit.
    fn gl(&self, case: &Case<'_>, points: &[Point]) -> Result<Verdict, Unknown> {
        let loss = loss(points)?;
        let words = "percent of generalisation loss";
        Ok(Verdict::when(loss > self.limit, self.evidence(case, loss, "GL", words)))
    }

    /// At the end of a strip: the loss is large against the progress that training makes. None at all: stop.
    fn pq(&self, case: &Case<'_>, points: &[Point]) -> Result<Verdict, Unknown> {
        let strip = self.strip.max(1) as usize;
        if !points.len().is_multiple_of(strip) {
            return Ok(Verdict::NotDue);
        }
        let loss = loss(points)?;
        let progress = self.progress(case, points, strip)?;
        let quotient = if progress > 0.0 { loss / progress } else { f64::INFINITY };
        let words = "percent of loss per thousandth of progress in training";
        Ok(Verdict::when(quotient > self.limit, self.evidence(case, quotient, "PQ", words)))
    }

    /// At the end of a strip: in so many successive strips the error rose.
    fn up(&self, case: &Case<'_>, points: &[Point]) -> Result<Verdict, Unknown> {
        let strip = self.strip.max(1) as usize;
        let ends: Vec<f64> = points.chunks_exact(strip).map(|strip| strip[strip.len() - 1].value).collect();
        if !points.len().is_multiple_of(strip) {
            return Ok(Verdict::NotDue);
        }
        if ends.len() < 2 {
            return Err(Unknown::Reports(points.len(), 2 * strip));
        }
        let rose = ends.windows(2).rev().take_while(|pair| pair[1] < pair[0]).count() as f64;
        let needed = self.limit.max(1.0);
        let evidence = Evidence { bar: needed, ..self.evidence(case, rose, "UP", "strips that got worse") };
        Ok(Verdict::when(rose >= needed, evidence))
    }

    /// P_k: by how many thousandths the strip's mean training error is above its least.
    fn progress(&self, case: &Case<'_>, points: &[Point], strip: usize) -> Result<f64, Unknown> {
        let name = self.train_metric.as_deref().ok_or(Unknown::Beside)?;
        let peer = case.field.peer(case.run).ok_or(Unknown::Value)?;
        let train = peer.beside.get(name).ok_or(Unknown::Beside)?;
        let errors = strip_errors(train, points, strip).ok_or(Unknown::Beside)?;
        let mean = errors.iter().sum::<f64>() / strip as f64;
        let best = match case.mode {
            Mode::Min => errors.iter().copied().fold(f64::INFINITY, f64::min),
            Mode::Max => errors.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        // All equal: no progress, be they 0.
        if mean == best { Ok(0.0) } else { Ok(1000.0 * (mean - best).abs() / best.abs()) }
    }

    fn evidence(&self, case: &Case<'_>, own: f64, what: &'static str, words: &str) -> Evidence {
        let limit = super::words::brief(self.limit);
        let note = Some(format!("({words}; the limit is {limit})"));
        Evidence { own, what, bar: self.limit, against: "", peers: 0, at: case.at, note }
    }
}

/// GL: by how many percent of its size the last value is worse than the best.
fn loss(points: &[Point]) -> Result<f64, Unknown> {
    let last = points.last().ok_or(Unknown::Value)?;
    if last.value == last.best {
        return Ok(0.0);
    }
    let loss = 100.0 * (last.best - last.value) / last.best.abs();
    if loss.is_nan() || last.best == 0.0 { Err(Unknown::Value) } else { Ok(loss) }
}

/// The training error of each report of the last strip: the mean of what was reported since the report before. Nothing where
/// one of them has none that is finite.
fn strip_errors(train: &Curve, points: &[Point], strip: usize) -> Option<Vec<f64>> {
    let first = points.len().checked_sub(strip)?;
    let from = first.checked_sub(1).map_or(f64::NEG_INFINITY, |i| points[i].at);
    let mut rest = &train.points()[train.points().partition_point(|p| p.at <= from)..];
    let mut errors = Vec::with_capacity(strip);
    for point in &points[first..] {
        let (here, behind) = rest.split_at(rest.partition_point(|p| p.at <= point.at));
        rest = behind;
        let error = here.iter().map(|p| p.value).sum::<f64>() / here.len() as f64;
        errors.push(Some(error).filter(|error| error.is_finite())?);
    }
    Some(errors)
}

impl Stopper for Prechelt {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }

    fn beside(&self) -> Vec<String> {
        self.train_metric.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture::Play;
    use super::*;
    use crate::model::StopperKind;

    const VALIDATION: [f64; 15] =
        [1.0, 0.8, 0.6, 0.55, 0.56, 0.58, 0.57, 0.62, 0.66, 0.70, 0.69, 0.75, 0.80, 0.85, 0.9];
    const TRAINING: [f64; 15] =
        [1.0, 0.7, 0.5, 0.42, 0.37, 0.33, 0.30, 0.28, 0.265, 0.255, 0.25, 0.246, 0.243, 0.241, 0.24];

    fn play(criterion: PrecheltCriterion, limit: f64) -> Play {
        let train_metric = Some("train".to_owned());
        let mut play = Play::new(&StopperKind::Prechelt { criterion, limit, strip: 5, train_metric });
        play.mode = Mode::Min;
        play
    }

    /// What it says at each report; the training error comes with it.
    fn said(mut play: Play, validation: &[f64], training: &[f64]) -> Vec<Verdict> {
        let run = play.run("x");
        let train: Arc<str> = "train".into();
        let both = validation.iter().zip(training).enumerate();
        both.map(|(i, (value, error))| {
            play.field.report_beside(run, &train, i as f64 + 1.0, *error);
            play.report("x", *value)
        })
        .collect()
    }

    fn golden(criterion: PrecheltCriterion, limit: f64) -> Option<usize> {
        let said = said(play(criterion, limit), &VALIDATION, &TRAINING);
        said.iter().position(|verdict| matches!(verdict, Verdict::Stop(_))).map(|i| i + 1)
    }

    #[test]
    fn where_the_golden_curve_is_stopped() {
        use PrecheltCriterion::{Gl, Pq, Up};
        assert_eq!([1.0, 2.0, 3.0, 5.0, 10.0].map(|a| golden(Gl, a)), [Some(5), Some(6), Some(6), Some(6), Some(8)]);
        assert_eq!([0.1, 0.5, 0.75, 1.0, 2.0, 3.0].map(|a| golden(Pq, a)), {
            let rest = Some(15);
            [Some(10), rest, rest, rest, rest, rest]
        });
        assert_eq!([1.0, 2.0, 3.0].map(|s| golden(Up, s)), [Some(10), Some(15), None]);
    }

    #[test]
    fn the_golden_figures() {
        let figure = |criterion, at: usize| {
            let said = said(play(criterion, 1e9), &VALIDATION, &TRAINING);
            let Verdict::Continue(evidence) = &said[at - 1] else { panic!("{:?}", said[at - 1]) };
            (evidence.own * 1e6).round() / 1e6
        };
        assert_eq!([5, 10, 15].map(|t| figure(PrecheltCriterion::Gl, t)), [1.818182, 27.272727, 63.636364]);
        assert_eq!([10, 15].map(|t| figure(PrecheltCriterion::Pq, t)), [0.224340, 3.818182]);
        let rule =
            Prechelt { criterion: PrecheltCriterion::Pq, limit: 1.0, strip: 5, train_metric: Some("train".into()) };
        let mut play = play(PrecheltCriterion::Pq, 1.0);
        let run = play.run("x");
        for (i, (value, error)) in VALIDATION.iter().zip(TRAINING).enumerate() {
            play.field.report_beside(run, &"train".into(), i as f64 + 1.0, error);
            play.report("x", *value);
        }
        let points = play.field.peer(run).expect("it is there").curve.points().to_vec();
        let (unit, at, mode) = (0, 15.0, Mode::Min);
        let field = &mut play.field;
        let case = Case { field, run, unit, at, before: None, max: None, grace: None, min_peers: None, mode };
        let progress = [5, 10, 15].map(|t| rule.progress(&case, &points[..t], 5).map(|p| (p * 1e6).round() / 1e6));
        assert_eq!(progress, [Ok(616.216216), Ok(121.568627), Ok(16.666667)]);
    }

    #[test]
    fn of_an_accuracy_the_loss_is_what_is_missing_to_the_best() {
        let mut play = play(PrecheltCriterion::Gl, 10.0);
        play.mode = Mode::Max;
        // 10 percent below 0.8 is 0.72.
        assert_eq!(play.stops("x", &[0.5, 0.8, 0.73, 0.71]), Some(4));
    }

    #[test]
    fn where_it_is_not_defined_nobody_can_say() {
        let gl = || play(PrecheltCriterion::Gl, 5.0);
        assert_eq!(gl().stops("x", &[0.0, 0.0]), None);
        let mut zero = gl();
        zero.report("x", 0.0);
        assert_eq!(zero.report("x", 0.1), Verdict::Unknown(Unknown::Value));
        assert_eq!(gl().stops("x", &[-2.0, -1.95, -1.85]), Some(3), "negative losses: in percent of their size");
        assert_eq!(gl().report("x", f64::NAN), Verdict::Unknown(Unknown::Value));
        assert_eq!(gl().report("x", f64::NEG_INFINITY), gl().report("x", f64::NEG_INFINITY));
    }

    #[test]
    fn progress_that_is_none() {
        let pq = |training: [f64; 5]| said(play(PrecheltCriterion::Pq, 1.0), &[0.5; 5], &training);
        assert!(matches!(pq([0.3; 5])[4], Verdict::Stop(_)));
        assert!(matches!(pq([0.0; 5])[4], Verdict::Stop(_)));
        assert!(matches!(pq([0.4, 0.3, 0.2, 0.1, 0.0])[4], Verdict::Continue(_)), "down to 0 is progress");
        assert_eq!(pq([f64::NAN; 5])[4], Verdict::Unknown(Unknown::Beside));
        assert_eq!(pq([0.3; 5])[3], Verdict::NotDue);
        let mut without = play(PrecheltCriterion::Pq, 1.0);
        assert_eq!(without.stops("x", &[0.5; 4]), None);
        assert_eq!(without.report("x", 0.5), Verdict::Unknown(Unknown::Beside));
    }

    #[test]
    fn training_errors_of_every_step_are_averaged_from_report_to_report() {
        let mut curve = Curve::default();
        let mut train = Curve::default();
        for step in 1..=6 {
            train.push(f64::from(step), f64::from(7 - step));
        }
        curve.push(3.0, 0.5);
        curve.push(6.0, 0.4);
        assert_eq!(strip_errors(&train, curve.points(), 2), Some(vec![5.0, 2.0]));
        assert_eq!(strip_errors(&train, curve.points(), 1), Some(vec![2.0]));
        curve.push(7.0, 0.4);
        assert_eq!(strip_errors(&train, curve.points(), 2), None, "no training error since");
    }
}
