//! All that was said, in the order of time, with the ticks at which a daemon would have judged it.

use ring::digest::{SHA256, digest};

use super::history::{End, Ended, History, Report};
use crate::model::{
    ConnId, Done, DoneStatus, Event, Hello, HostSample, Line, MILLI, Moment, Name, Peer, Position, RunId, SECOND, Said,
    Settings, Step, Tick, TrialSpec,
};

/// At most so many ticks in a row during which nobody says anything: at one report a minute that is a day. A trial that says
/// nothing for longer (a run that was closed a year later) has a gap there, as if the daemon had been away.
const MOST_SILENT: u32 = 1000;
/// At most so many of them in a whole history.
const MOST_SILENT_IN_ALL: u32 = 200_000;
/// The contract's bounds of the time between two ticks, nanoseconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 10 * MILLI..=3600 * SECOND;
/// On the boot clock the history begins here, nanoseconds: zero means "never" to some.
const BOOT: u64 = SECOND;

/// Something a trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Hello,
    Report(usize),
    End,
}

/// A history as events.
pub(super) struct Timeline<'h> {
    history: &'h History,
    settings: Settings,
    /// Time, trial, what: in this order.
    words: Vec<(i64, usize, Word)>,
    runs: Vec<RunId>,
    uid: u32,
    origin: i64,
}

impl Timeline<'_> {
    /// Puts a history in order. `uid` is whose the trials are.
    pub fn of(history: &History, uid: u32) -> Timeline<'_> {
        let mut words = Vec::new();
        for (index, trial) in history.trials.iter().enumerate() {
            words.push((trial.began, index, Word::Hello));
            let said = trial.reports.iter().enumerate();
            words.extend(said.map(|(n, report)| (report.at.unwrap_or(trial.ended), index, Word::Report(n))));
            words.push((trial.ended, index, Word::End));
        }
        words.sort_unstable();
        let origin = words.first().map_or(0, |(at, ..)| *at);
        let runs = history.trials.iter().map(run_of).collect();
        let mut settings = Settings { interval_ns: interval(history), ..Settings::default() };
        settings.limits.running_trials = settings.limits.running_trials.max(most_at_once(&words));
        Timeline { history, settings, words, runs, uid, origin }
    }

    /// What an engine that listens is made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When it begins.
    pub fn begins(&self) -> Moment {
        self.moment(self.origin)
    }

    /// When it ends.
    pub fn ends(&self) -> Moment {
        self.moment(self.words.last().map_or(self.origin, |(at, ..)| *at))
    }

    /// Tells everything to `listener`, until it fails.
    ///
    /// # Errors
    /// The listener's.
    pub fn tell<E>(&self, mut listener: impl FnMut(Moment, Event) -> Result<(), E>) -> Result<(), E> {
        let mut ticks = Ticks::new(self.settings.interval_ns as i64);
        for (at, index, word) in &self.words {
            while let Some(tick) = ticks.next_before(*at) {
                let moment = self.moment(tick);
                listener(moment, tick_at(moment))?;
            }
            if *word == Word::Hello && ticks.is_first_of_some(*at) {
                // The silence before was no gap: nobody was there.
                let moment = self.moment(*at);
                listener(moment, tick_at(moment))?;
            }
            ticks.heard(*at, *word);
            for event in self.events(*index, *word) {
                listener(self.moment(*at), event)?;
            }
        }
        Ok(())
    }

    fn moment(&self, at: i64) -> Moment {
        let boot_ns = BOOT + (at - self.origin).max(0) as u64;
        Moment { boot_ns, mono_ns: boot_ns, wall_ms: at.div_euclid(MILLI as i64) }
    }

    fn events(&self, index: usize, word: Word) -> Vec<Event> {
        let trial = &self.history.trials[index];
        let conn = ConnId(index as u64 + 1);
        // Its processes are gone: nothing of them can be seen.
        let peer = Peer { uid: self.uid, key: None, position: Position::Outside };
        let line = |said| Event::Line(Line { conn, peer, said });
        let done = |status| vec![line(Said::Done(Done { status, metrics: vec![] })), Event::Closed(conn)];
        match (word, trial.end) {
            (Word::Hello, _) => vec![line(Said::Hello(Box::new(self.hello(trial)), self.runs[index]))],
            (Word::Report(n), _) => vec![line(Said::Step(Box::new(self.step(&trial.reports[n]))))],
            (Word::End, End::Completed) => done(DoneStatus::Completed),
            (Word::End, End::Failed) => done(DoneStatus::Failed),
            (Word::End, End::Stopped) => done(DoneStatus::Stopped),
            (Word::End, End::Lost) => vec![Event::Closed(conn)],
        }
    }

    fn hello(&self, trial: &Ended) -> Hello {
        let spec = TrialSpec {
            trial: Some(trial.name.clone()),
            experiment: Some(trial.experiment.clone()),
            labels: trial.labels.clone(),
            params: trial.params.clone(),
            objective: Some(self.history.objective.clone()),
            total_steps: trial.total,
            group: trial.group.clone(),
            fold: trial.fold.clone(),
            ..TrialSpec::default()
        };
        Hello { spec, worker: "0".into(), ..Hello::default() }
    }

    fn step(&self, report: &Report) -> Step {
        let name = |metric: usize| self.history.metrics[metric].clone();
        let points = report.points.iter().map(|(metric, step, value)| (name(*metric), vec![(*step, *value)]));
        Step {
            step: report.step,
            metrics: report.values.iter().map(|(metric, value)| (name(*metric), *value)).collect(),
            points: points.collect(),
            ..Step::default()
        }
    }
}

/// When ticks come: right after reports, but not closer than an interval, and never so far apart that it would be a gap.
struct Ticks {
    interval: i64,
    last: Option<i64>,
    due: Option<i64>,
    living: usize,
    /// Ticks since somebody said something, and in all, that only passed the time.
    silent: u32,
    silent_in_all: u32,
}

impl Ticks {
    fn new(interval: i64) -> Ticks {
        Ticks { interval, last: None, due: None, living: 0, silent: 0, silent_in_all: 0 }
    }

    /// A tick earlier than `at` that is due.
    fn next_before(&mut self, at: i64) -> Option<i64> {
        let watched = self.living > 0 && self.silent < MOST_SILENT && self.silent_in_all < MOST_SILENT_IN_ALL;
        let idle = self.last.filter(|_| watched).map(|last| last + 3 * self.interval);
        // What is due is due before the time is long.
        let next = self.due.or(idle).filter(|next| *next < at)?;
        if self.due.take().is_none() {
            (self.silent, self.silent_in_all) = (self.silent + 1, self.silent_in_all + 1);
        }
        self.last = Some(next);
        Some(next)
    }

    /// Whether a trial that begins at `at` ends a silence; that takes a tick.
    fn is_first_of_some(&mut self, at: i64) -> bool {
        let fresh = self.last.is_some_and(|last| at - last <= 3 * self.interval);
        let silent = self.living == 0 && !fresh;
        if silent {
            (self.last, self.due) = (Some(at), None);
        }
        silent
    }

    fn heard(&mut self, at: i64, word: Word) {
        self.silent = 0;
        let after_a_gap = self.last.is_some_and(|last| at - last > 3 * self.interval);
        if after_a_gap || matches!(word, Word::Report(_)) {
            let earliest = self.last.map_or(at, |last| at.max(last + self.interval));
            self.due.get_or_insert(earliest);
        }
        match word {
            Word::Hello => self.living += 1,
            Word::Report(_) => {}
            Word::End => self.living -= 1,
        }
    }
}

fn tick_at(at: Moment) -> Event {
    Event::Tick(Tick { at, took_ns: 0, overruns: 0, trees: vec![], host: HostSample::default(), up: vec![] })
}

/// The time between two ticks that suits a history: half of what commonly lies between two reports of a trial, so that each
/// is judged before the next comes.
fn interval(history: &History) -> u64 {
    let times = |trial: &Ended| -> Vec<i64> { trial.reports.iter().filter_map(|report| report.at).collect() };
    let mut between: Vec<i64> = history
        .trials
        .iter()
        .flat_map(|trial| times(trial).windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>())
        .filter(|ns| *ns > 0)
        .collect();
    between.sort_unstable();
    let common = between.get(between.len() / 2).map_or(SECOND as i64, |ns| ns / 2);
    u64::try_from(common).unwrap_or(SECOND).clamp(*INTERVALS.start(), *INTERVALS.end())
}

fn most_at_once(words: &[(i64, usize, Word)]) -> usize {
    let (mut living, mut most) = (0_usize, 0);
    for (.., word) in words {
        match word {
            Word::Hello => living += 1,
            Word::End => living -= 1,
            Word::Report(_) => {}
        }
        most = most.max(living);
    }
    most
}

/// A run's id: the same source gives the same ids.
fn run_of(trial: &Ended) -> RunId {
    let full = |experiment: &Name, name: &Name| format!("{experiment}\0{name}\0{}", trial.began);
    let hash = digest(&SHA256, full(&trial.experiment, &trial.name).as_bytes());
    let mut bits = [0; 16];
    bits[6..].copy_from_slice(&hash.as_ref()[..10]);
    RunId::from_parts(trial.began / MILLI as i64, u128::from_be_bytes(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Format, Times};
    use crate::model::{Mode, Objective};

    const S: i64 = SECOND as i64;

    fn trial(name: &str, began: i64, times: &[i64], ended: i64) -> Ended {
        let report = |(step, at): (u64, &i64)| Report {
            at: Some(at * S),
            step: Some(step),
            values: vec![(0, 0.5)],
            points: vec![],
        };
        Ended {
            name: Name::made_of(name),
            experiment: Name::made_of("e"),
            params: Default::default(),
            labels: Default::default(),
            group: None,
            fold: None,
            total: None,
            began: began * S,
            ended: ended * S,
            reports: (1..).zip(times).map(report).collect(),
            end: End::Completed,
        }
    }

    /// What is told: seconds, and a letter for what it is.
    fn told(trials: Vec<Ended>) -> (Vec<(f64, char)>, Settings) {
        let history = History {
            source: "x".into(),
            format: Format::Csv,
            times: Times::Recorded,
            objective: Objective { metric: "acc".into(), mode: Mode::Max },
            metrics: vec!["acc".into()],
            trials,
            remarks: vec![],
        };
        let timeline = Timeline::of(&history, 0);
        let mut heard: Vec<(f64, char)> = Vec::new();
        let told = timeline.tell(|at, event| {
            let letter = match event {
                Event::Tick(_) => 't',
                Event::Closed(_) => 'c',
                Event::Line(Line { said: Said::Hello(..), .. }) => 'h',
                Event::Line(Line { said: Said::Step(_), .. }) => 's',
                _ => 'd',
            };
            heard.push(((at.boot_ns - BOOT) as f64 / 1e9, letter));
            Ok::<(), ()>(())
        });
        assert!(told.is_ok() && heard.is_sorted_by_key(|(at, _)| *at), "{heard:?}");
        (heard, timeline.settings().clone())
    }

    #[test]
    fn every_report_is_judged_and_no_pause_is_a_gap() {
        let (heard, settings) = told(vec![trial("a", 100, &[110, 120, 130, 190], 195)]);
        assert_eq!(settings.interval_ns, 5 * SECOND);
        let story: String = heard.iter().map(|(_, letter)| *letter).collect();
        assert_eq!(story, "thstststtttstdc");
        let ticks: Vec<f64> = heard.iter().filter(|(_, letter)| *letter == 't').map(|(at, _)| *at).collect();
        assert_eq!(ticks, [0.0, 10.0, 20.0, 30.0, 45.0, 60.0, 75.0, 90.0]);
    }

    #[test]
    fn ticks_are_an_interval_apart_however_many_report() {
        let trials = (0..50).map(|n| trial(&n.to_string(), n, &[n + 100, n + 200, n + 300], n + 300)).collect();
        let (heard, settings) = told(trials);
        let ticks: Vec<f64> = heard.iter().filter(|(_, letter)| *letter == 't').map(|(at, _)| *at).collect();
        let interval = settings.interval_ns as f64 / 1e9;
        assert_eq!(interval, 50.0);
        assert!(ticks[1..].windows(2).all(|pair| pair[1] - pair[0] >= interval), "{ticks:?}");
        assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] <= 3.0 * interval), "{ticks:?}");
    }

    #[test]
    fn a_run_that_was_closed_a_year_later_costs_no_year_of_ticks() {
        const YEAR: i64 = 365 * 86_400;
        let (heard, _) =
            told(vec![trial("a", 0, &[1, 2, 3], YEAR), trial("b", 2 * YEAR, &[2 * YEAR + 1], 2 * YEAR + 2)]);
        let ticks = heard.iter().filter(|(_, letter)| *letter == 't').count();
        assert!((MOST_SILENT as usize..MOST_SILENT as usize + 10).contains(&ticks), "{ticks}");
        let waiting = |ends| trial("w", 0, &[], ends * YEAR);
        let trials = vec![trial("a", 0, &[1, 2, 3, YEAR, 2 * YEAR], 3 * YEAR), waiting(4), waiting(5)];
        let (late, _) = told(trials);
        let after_a_gap = late.iter().filter(|(at, letter)| *letter == 't' && at % YEAR as f64 == 0.0).count();
        assert_eq!(after_a_gap, 5, "at the beginning, and whenever somebody is heard again while others live");
        let hello = heard.iter().rposition(|(_, letter)| *letter == 'h').expect("the second");
        assert_eq!(heard[hello - 1], (2.0 * YEAR as f64, 't'), "a tick ends the silence before the trial begins");
    }
}
