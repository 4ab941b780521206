//! What a full run comes to, foretold from its beginning: by linfa's regression, beside "as it stands now".

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::Path;

use earlystop::journal::{Input, Reader};
use earlystop::model::{ConnId, DoneStatus, Event, Line, Moment, Said};
use earlystop::stopper::Ridge;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, Axis};
use serde::Serialize;

use super::measure::quantile;

/// Shares of a run's steps after which it is foretold.
const PREFIXES: [f64; 4] = [0.1, 0.2, 0.3, 0.5];

/// Parts of the configurations; each is foretold by the others.
const PARTS: usize = 5;

/// A score that lies this many times further from the median than the quartiles do is of a run that diverged.
const DIVERGED: f64 = 10.0;

/// How well one quantity is foretold after a prefix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    pub set: String,
    pub quantity: &'static str,
    pub prefix: f64,
    pub trials: usize,
    /// Trials that diverged; they are not foretold.
    pub diverged: usize,
    /// Median absolute error of the regression: of scores in their unit, of seconds as a share of the whole.
    pub error: f64,
    /// The same of "as it stands now": the last score; seconds so far over the share of the steps.
    pub error_last: f64,
}

/// One trial: its curve by step, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Course {
    set: String,
    group: String,
    metric: String,
    params: Vec<f64>,
    total: f64,
    start: Option<Moment>,
    step: f64,
    /// Step, seconds from hello, score.
    points: Vec<(f64, f64, f64)>,
}

/// The courses of all trials that completed and said so; refits are none.
pub fn courses(journal: &Path) -> Result<Vec<Course>, Box<dyn Error>> {
    let (mut talking, mut done): (HashMap<ConnId, Course>, Vec<Course>) = Default::default();
    for recorded in Reader::open(journal)? {
        let recorded = recorded?;
        let Input::Event(Event::Line(Line { conn, said, .. })) = recorded.input else { continue };
        match said {
            Said::Hello(hello, _) => {
                let spec = hello.spec;
                let text = |name: Option<earlystop::model::Name>| name.map(|n| n.to_string()).unwrap_or_default();
                let Some(objective) = spec.objective.filter(|_| spec.fold.as_deref() != Some("refit")) else {
                    continue;
                };
                let course = Course {
                    set: text(spec.experiment),
                    group: text(spec.group),
                    metric: objective.metric,
                    params: spec.params.values().filter_map(|v| v.parse::<f64>().ok()).map(f64::ln).collect(),
                    total: spec.total_steps.unwrap_or(0) as f64,
                    start: Some(recorded.at),
                    ..Course::default()
                };
                talking.insert(conn, course);
            }
            Said::Step(step) => {
                let Some(course) = talking.get_mut(&conn) else { continue };
                course.step = step.step.map_or(course.step, |step| step as f64);
                let seconds = course.start.map_or(0.0, |start| recorded.at.seconds_since(start));
                let of = step.metrics.iter().find(|(name, _)| *name == course.metric);
                course.points.extend(of.map(|(_, value)| (course.step, seconds, *value)));
            }
            Said::Done(said) if said.status == DoneStatus::Completed => done.extend(talking.remove(&conn)),
            _ => {}
        }
    }
    // What the journal lacks the end of is not known whole.
    done.retain(|course| course.total > 0.0 && course.points.last().is_some_and(|last| last.0 == course.total));
    Ok(done)
}

/// What a trial was after a prefix, and what it came to.
struct Example<'a> {
    group: &'a str,
    row: Vec<f64>,
    target: f64,
    last: f64,
}

impl Course {
    fn final_score(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |last| last.2)
    }

    /// None before the first report.
    fn example(&self, quantity: &str, prefix: f64) -> Option<Example<'_>> {
        let seen: Vec<_> = self.points.iter().take_while(|point| point.0 <= prefix * self.total).collect();
        let (first, now, whole) = (seen.first()?, seen.last()?, self.points.last()?);
        let mut row = self.params.clone();
        let (target, last) = match quantity {
            "score" => {
                row.extend([now.2, now.2 - first.2]);
                (whole.2, now.2)
            }
            _ => {
                let last = (now.1 * self.total / now.0).max(1e-9).ln();
                row.extend([last, (now.1 / now.0).max(1e-12).ln()]);
                (whole.1.max(1e-9).ln(), last)
            }
        };
        (row.iter().all(|x| x.is_finite()) && target.is_finite()).then_some(Example {
            group: &self.group,
            row,
            target,
            last,
        })
    }
}

/// All sets, quantities and prefixes.
pub fn forecasts(courses: &[Course]) -> Vec<Forecast> {
    let mut sets: BTreeMap<&str, Vec<&Course>> = BTreeMap::new();
    courses.iter().for_each(|course| sets.entry(&course.set).or_default().push(course));
    let mut rows = Vec::new();
    for (set, all) in sets {
        let scores: Vec<f64> = all.iter().map(|course| course.final_score()).filter(|s| s.is_finite()).collect();
        let [Some(low), Some(middle), Some(high)] = [0.25, 0.5, 0.75].map(|q| quantile(&scores, q)) else { continue };
        let sound: Vec<&&Course> =
            all.iter().filter(|one| (one.final_score() - middle).abs() <= DIVERGED * (high - low).max(1e-9)).collect();
        for quantity in ["score", "seconds"] {
            for prefix in PREFIXES {
                let examples: Vec<Example<'_>> = sound.iter().filter_map(|one| one.example(quantity, prefix)).collect();
                let Some((error, error_last)) = errors(&examples, quantity == "seconds") else { continue };
                let (trials, diverged) = (examples.len(), all.len() - sound.len());
                rows.push(Forecast { set: set.into(), quantity, prefix, trials, diverged, error, error_last });
            }
        }
    }
    rows
}

/// Median absolute errors of the regression and of the last value; folds of a configuration are never on both sides.
fn errors(examples: &[Example<'_>], logarithmic: bool) -> Option<(f64, f64)> {
    let mut groups: Vec<&str> = examples.iter().map(|one| one.group).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() < 2 {
        return None;
    }
    let part = |one: &Example<'_>| groups.binary_search(&one.group).unwrap_or(0) % PARTS;
    let error = |guess: f64, one: &Example<'_>| {
        let off = guess - one.target;
        if logarithmic { off.exp_m1().abs() } else { off.abs() }
    };
    let mut off = Vec::new();
    for held_out in 0..PARTS.min(groups.len()) {
        let (test, train): (Vec<_>, Vec<_>) = examples.iter().partition(|one| part(one) == held_out);
        let x = Array2::from_shape_fn((train.len(), train[0].row.len()), |(i, j)| train[i].row[j]);
        let mean = x.mean_axis(Axis(0))?;
        let scale = x.std_axis(Axis(0), 0.0).mapv(|std| if std > 0.0 { std } else { 1.0 });
        let y = Array1::from_iter(train.iter().map(|one| one.target));
        let fit = Ridge.fit(&DatasetBase::new((x - &mean) / &scale, y)).ok()?;
        let guess = |one: &Example<'_>| fit.value(((Array1::from(one.row.clone()) - &mean) / &scale).view());
        off.extend(test.into_iter().map(|one| error(guess(one), one)));
    }
    let last: Vec<f64> = examples.iter().map(|one| error(one.last, one)).collect();
    quantile(&off, 0.5).zip(quantile(&last, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_way_down_is_foretold_and_the_last_value_is_behind() {
        let course = |place: usize| {
            let (end, slope) = (1.0 + place as f64 / 10.0, 1.0 + place as f64 / 7.0);
            let point = |step: usize| (step as f64, step as f64 * 0.1, end + slope * (100 - step) as f64 / 100.0);
            let points = (10..=100).step_by(10).map(point).collect();
            let params = vec![(place as f64).sin()];
            Course { set: "s".into(), group: format!("g{place:02}"), params, total: 100.0, points, ..Course::default() }
        };
        let rows = forecasts(&(0..20).map(course).collect::<Vec<_>>());
        let half = rows.iter().find(|row| row.quantity == "score" && row.prefix == 0.5).expect("a row");
        assert!(half.trials == 20 && half.error < 0.05 && half.error_last > 0.5, "{half:?}");
        let seconds = rows.iter().find(|row| row.quantity == "seconds" && row.prefix == 0.5).expect("a row");
        assert!(seconds.error_last < 1e-9, "time goes on as it went: {seconds:?}");
    }
}
