//! Kind `auto`: our own, without settings. A forecast that is learnt from the experiment's own trials, and a budget for errors.
//!
//! 1. **Forecast** ([`forecast`]). At every twentieth of the whole length, up to three quarters ([`rungs`]), a trial is
//!    described by its best value so far ([`past`]). From all trials that came from one rung to the next, stopped ones too, a
//!    small regression says how the next rung follows from this one, from the gain since the rung before, and from the gain
//!    since half way; the last link goes to the final value of the complete ones. Chained, the links give the final value to
//!    be expected and how uncertain that is. A stop is decided on nothing but the numbers that a link takes, so that stopped
//!    trials bias nothing (Anderson's likelihood of monotone missing data, 1957). Where a schedule lets curves jump late, the
//!    links after the jump are uncertain, and trials are spared until then.
//! 2. **Chance** ([`chance`]). What the links missed, chained, gives the chance that the trial ends above the best final value.
//! 3. **Price** ([`price`]). To go on costs steps; a new best is worth so many whole trials. A backward dynamic program says
//!    whether going on is worth its cost; to look again at the next rung and stop there counts.
//! 4. **Budget**. The price is not a constant: it is the lowest (10, 20, 40, ... 5,120 trials) at which this policy, put to all
//!    trials so far, is expected to have hidden no more than 0.03 trials better than the best. Where curves tell early it
//!    is fast, among near ties it is slow, and what is kept stays the same.
//!
//! Nothing is said before 3 trials are complete. A verdict hangs on the curves of trials that have ended, in the order of
//! their ends, and on the trial's own curve ([`model`]): it is the same after a restart and in a replay. What it keeps and
//! saves, and where it fails: `docs/auto.md`.

mod chance;
mod forecast;
mod model;
mod past;
mod price;
mod rungs;

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::field::{End, Population, Quantity};
use super::words::brief;
use crate::model::Mode;
use model::{Memory, Model, School};
use past::{LEAST, Row, is_positive};

/// The kind `auto`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Auto;

/// What is said of the trial at a rung.
struct Outlook {
    rung: usize,
    /// The final value to be expected.
    mean: f64,
    /// Below this it stops.
    least: f64,
    best: f64,
}

impl Auto {
    fn ask(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        let length = case.max.filter(|max| max.is_normal() && *max > 0.0).ok_or(Unknown::Length)?;
        let length = rungs::rounded(length);
        if !rungs::is_due(case.before, case.at, length) {
            return Ok(Verdict::NotDue);
        }
        case.after_grace()?;
        let mut memory: Box<Memory> = case.field.memo().take().unwrap_or_default();
        memory.catch_up(case.field);
        let verdict = self.judge(case, length, &mut memory);
        case.field.memo().put(memory);
        verdict
    }

    fn judge(&self, case: &Case<'_>, length: f64, memory: &mut Memory) -> Result<Verdict, Unknown> {
        let may_be_log = case.mode == Mode::Min && case.field.members(case.unit).all(|peer| is_positive(&peer.curve));
        let school = memory.school(case.field, length, may_be_log);
        case.enough(school.past.complete, LEAST)?;
        let lacking = Unknown::Peers(school.past.complete, LEAST);
        let model = school.model.as_ref().ok_or(lacking)?;
        let best = school.past.best_but(case.unit).ok_or(lacking)?;
        let Some(rung) = school.rungs.last_at(case.at) else { return Ok(Verdict::NotDue) };
        let members = case.field.members(case.unit).map(|peer| (&peer.curve, peer.end == End::Complete));
        let own = Row::of(case.unit, &members, &school.rungs, school.scale);
        if !own.has(rung) {
            return without_value(case, school, rung, best);
        }
        let mean = model.forecast.mean(rung, &own.values);
        if !mean.is_finite() {
            return Err(Unknown::Value);
        }
        let outlook = Outlook { rung, mean, least: best + model.price.least[rung], best };
        Ok(Verdict::when(outlook.mean < outlook.least, evidence(case, school, model, &outlook)))
    }
}

impl Stopper for Auto {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.ask(case).unwrap_or_else(Verdict::Unknown)
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Reached, Quantity::Best))
    }
}

/// Who has reported, and no number yet, where every complete trial had one, is stopped.
fn without_value(case: &Case<'_>, school: &School, rung: usize, best: f64) -> Result<Verdict, Unknown> {
    let place = school.rungs.place(rung);
    let reported = case.curve().and_then(|curve| curve.points().first()).is_some_and(|p| rungs::is_up_to(p.at, place));
    let all_had = school.past.rows().iter().filter(|row| row.is_complete).all(|row| row.has(rung));
    if !reported || !all_had {
        return Err(Unknown::Value);
    }
    let share = brief((100.0 * place / school.rungs.length).round());
    Ok(Verdict::Stop(Evidence {
        own: f64::NAN,
        what: "best so far",
        bar: case.raw(school.scale.undo(best)),
        against: AGAINST,
        peers: school.past.complete,
        at: case.at,
        note: Some(format!("no finite value by {share} % of its length, where every finished trial had one")),
    }))
}

const AGAINST: &str = "the best final value of {} finished trials";

fn evidence(case: &Case<'_>, school: &School, model: &Model, outlook: &Outlook) -> Evidence {
    let Outlook { rung, mean, least, best } = *outlook;
    let (scale, price) = (school.scale, &model.price);
    let chance = model.chance.of(rung, mean - best);
    let note = format!(
        "+- {} at {} % of its length, learnt from {} trials; it goes on from {} on; chance of a new best {} %, which counts \
         for {} trials: worth {} of a trial, and {} of one is to go; stops like this have hidden a better one so far with \
         {} %, budget {} %",
        short(scale.undo_width(mean, model.chance.deviations[rung])),
        (100.0 * case.at / school.rungs.length).round(),
        school.past.rows().len(),
        brief(case.raw(scale.undo(least))),
        short(100.0 * chance),
        price.price,
        short(price.price * chance),
        short(school.rungs.cost_of_all(rung)),
        short(100.0 * price.hidden),
        100.0 * price::BUDGET,
    );
    Evidence {
        own: case.raw(scale.undo(mean)),
        what: "forecast of the end",
        bar: case.raw(scale.undo(best)),
        against: AGAINST,
        peers: school.past.complete,
        at: case.at,
        note: Some(note),
    }
}

/// Two digits that count.
fn short(value: f64) -> String {
    brief(format!("{value:.1e}").parse().unwrap_or(value))
}

#[cfg(test)]
mod tests;
