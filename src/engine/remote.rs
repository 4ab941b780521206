//! Rules that are evaluated elsewhere: the newest answer to each, and how long it counts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Effect, Moment, RemoteAnswer, RemoteQuestion, RemoteSeries, RemoteServer};

use super::Engine;

/// What is asked elsewhere, and what came back.
#[derive(Default)]
pub(super) struct Elsewhere {
    server: Option<Arc<RemoteServer>>,
    /// Since when this server is asked.
    since: Moment,
    questions: Vec<RemoteQuestion>,
    answers: HashMap<Arc<str>, RemoteAnswer>,
}

impl Elsewhere {
    /// Asks these from now on. Answers of the same server to questions that stay are kept; what else is on its way will not be
    /// taken.
    fn ask(
        &mut self,
        server: Option<&Arc<RemoteServer>>,
        questions: Vec<RemoteQuestion>,
        now: Moment,
    ) -> Option<Effect> {
        if self.server.as_ref() != server {
            (self.server, self.since) = (server.cloned(), now);
            self.answers.clear();
        } else if self.questions == questions {
            return None;
        }
        self.answers.retain(|_, answer| questions.iter().any(|question| answer.answers(question)));
        self.questions = questions.clone();
        Some(Effect::Ask(self.server.clone(), questions))
    }

    /// Takes an answer, unless nobody asks for it any more, or a newer one is here.
    fn take(&mut self, answer: &RemoteAnswer) {
        let wanted = self.questions.iter().any(|question| answer.answers(question));
        let newer = self.answers.get(&answer.rule).is_none_or(|old| old.asked.boot_ns <= answer.asked.boot_ns);
        let of_this_server = answer.asked.boot_ns >= self.since.boot_ns;
        if wanted && newer && of_this_server {
            self.answers.insert(answer.rule.clone(), answer.clone());
        }
    }

    /// The newest answer, if it still counts.
    fn answer(&self, rule: &str, now: Moment) -> Option<&RemoteAnswer> {
        self.answers.get(rule).filter(|answer| now.since(answer.asked) <= answer.good_for_ns)
    }
}

impl Engine {
    /// The policy in force has these questions.
    pub(super) fn ask_elsewhere(&mut self, questions: Vec<RemoteQuestion>) {
        let asked = self.elsewhere.ask(self.policy.remote.as_ref(), questions, self.now);
        self.out.extend(asked);
    }

    /// An answer came, or word that none will.
    pub(super) fn on_remote(&mut self, answer: &RemoteAnswer) {
        self.elsewhere.take(answer);
    }

    /// What is known of a rule that is evaluated elsewhere: the series of this host for which it holds, or why nobody knows.
    /// `None`: no answer yet, only one that is too old, or one from before the last gap.
    pub(super) fn remote_answer(&self, rule: &str, now: Moment) -> Option<Result<&[RemoteSeries], &str>> {
        let answer = self.elsewhere.answer(rule, now)?;
        let before_gap = self.gap.is_some_and(|gap| answer.asked.boot_ns < gap.boot_ns);
        (!before_gap).then(|| answer.result.as_deref().map_err(String::as_str))
    }

    /// Whether the newest answer to a rule was asked before this moment: a trial that began later is not the one it names, but
    /// an earlier attempt.
    pub(super) fn answered_before(&self, rule: &str, moment: Moment) -> bool {
        self.elsewhere.answers.get(rule).is_some_and(|answer| answer.asked.boot_ns < moment.boot_ns)
    }

    /// Why nobody knows what a rule that is evaluated elsewhere says, in words.
    pub(super) fn silence(&self, rule: &str, now: Moment) -> String {
        match self.remote_answer(rule, now) {
            Some(Err(why)) => why.to_string(),
            _ => "no answer of the remote Prometheus yet, or only one that is too old".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Access, Endpoint, Event, Policy, SECOND, Settings, TlsFiles};

    const EXPR: &str = "trial_step > 5";

    fn at(seconds: u64) -> Moment {
        Moment { boot_ns: seconds * SECOND, mono_ns: seconds * SECOND, wall_ms: 0 }
    }

    fn question(rule: &str, expr: &str) -> RemoteQuestion {
        RemoteQuestion { rule: rule.into(), expr: expr.into() }
    }

    fn answer(expr: &str, asked: u64, value: f64) -> RemoteAnswer {
        let series = RemoteSeries { labels: vec![("trial".into(), "t".into())], value };
        let (rule, good_for_ns) = ("fleet".into(), 15 * SECOND);
        RemoteAnswer { rule, expr: expr.into(), asked: at(asked), good_for_ns, result: Ok(vec![series]) }
    }

    fn engine() -> Engine {
        let mut engine = Engine::new(Settings::default(), || 0, at(0));
        engine.ask_elsewhere(vec![question("fleet", EXPR), question("other", "1")]);
        assert!(matches!(&engine.out[..], [Effect::Ask(_, two)] if two.len() == 2));
        engine
    }

    fn value(engine: &Engine, now: u64) -> Option<f64> {
        engine.remote_answer("fleet", at(now)).map(|answer| answer.expect("an answer")[0].value)
    }

    #[test]
    fn the_newest_answer_counts_as_long_as_it_is_good() {
        let mut engine = engine();
        assert_eq!(value(&engine, 1), None);
        engine.step(at(2), &Event::Remote(answer(EXPR, 1, 1.0)));
        assert_eq!(value(&engine, 16), Some(1.0));
        assert_eq!(value(&engine, 17), None, "it is too old");
        engine.step(at(7), &Event::Remote(answer(EXPR, 6, 6.0)));
        engine.step(at(8), &Event::Remote(answer(EXPR, 5, 5.0)));
        assert_eq!(value(&engine, 17), Some(6.0), "the one that was asked later");
        let broken = RemoteAnswer { result: Err("timed out".into()), ..answer(EXPR, 9, 0.0) };
        engine.step(at(14), &Event::Remote(broken));
        assert_eq!(engine.remote_answer("fleet", at(14)), Some(Err("timed out")));
    }

    #[test]
    fn an_answer_to_an_old_policy_is_not_taken() {
        let mut engine = engine();
        engine.on_remote(&answer("trial_step > 4", 1, 1.0));
        assert_eq!(value(&engine, 2), None, "another expression under the same name");
        engine.on_remote(&answer(EXPR, 1, 1.0));
        engine.out.clear();
        engine.ask_elsewhere(vec![question("fleet", EXPR), question("other", "1")]);
        assert!(engine.out.is_empty(), "the same questions need not be asked anew");
        engine.ask_elsewhere(vec![question("fleet", EXPR)]);
        assert!(engine.out.len() == 1 && value(&engine, 2) == Some(1.0), "what stays keeps its answer");
        engine.ask_elsewhere(vec![question("fleet", "trial_step > 4")]);
        assert_eq!(value(&engine, 2), None);
        engine.on_remote(&answer(EXPR, 2, 2.0));
        assert_eq!(value(&engine, 3), None, "it was on its way when the policy changed");
        engine.ask_elsewhere(Vec::new());
        engine.on_remote(&answer(EXPR, 3, 2.0));
        assert!(engine.elsewhere.answers.is_empty());
    }

    #[test]
    fn an_answer_of_another_server_is_not_taken() {
        let mut engine = engine();
        engine.on_remote(&answer(EXPR, 1, 1.0));
        let endpoint = Endpoint { https: false, host: "p".into(), port: 80, prefix: String::new() };
        let server = RemoteServer {
            endpoint,
            identity: vec![("instance".into(), "x".into())],
            timeout_ns: SECOND,
            interval_ns: SECOND,
            headers: vec![],
            access: Access::Open,
            tls: TlsFiles::default(),
        };
        let server = Arc::new(server);
        engine.policy = Arc::new(Policy { remote: Some(server.clone()), ..Policy::default() });
        (engine.now, engine.out) = (at(5), vec![]);
        engine.ask_elsewhere(vec![question("fleet", EXPR)]);
        assert!(matches!(&engine.out[..], [Effect::Ask(Some(asked), one)] if *asked == server && one.len() == 1));
        assert_eq!(value(&engine, 5), None);
        engine.on_remote(&answer(EXPR, 4, 4.0));
        assert_eq!(value(&engine, 6), None, "it was on its way when the server changed");
        engine.on_remote(&answer(EXPR, 6, 6.0));
        assert_eq!(value(&engine, 6), Some(6.0));
    }

    #[test]
    fn an_answer_from_before_a_gap_does_not_count() {
        let mut engine = engine();
        engine.on_remote(&answer(EXPR, 5, 1.0));
        engine.begin_gap(at(6));
        assert_eq!(value(&engine, 7), None);
        engine.on_remote(&answer(EXPR, 7, 2.0));
        assert_eq!(value(&engine, 8), Some(2.0));
    }
}
