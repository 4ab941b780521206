//! Rules that are evaluated elsewhere: what an answer does, and what its absence does.

use super::*;

const EXPR: &str = "trial_metric{metric=\"loss\"} > 5";

fn fleet(hold_ns: u64) -> Rule {
    Rule { evaluate: Evaluate::Remote, hold_ns, ..promql_rule("fleet", EXPR) }
}

impl Scene {
    /// An answer to a question of this moment: these trials are worse.
    fn answers(&mut self, trials: &[(&str, &str)]) {
        let series = |(experiment, trial): &(&str, &str)| {
            let labels = [("experiment", *experiment), ("instance", "gpu1"), ("trial", *trial)];
            RemoteSeries { labels: labels.map(|(n, v)| (n.to_string(), v.to_string())).to_vec(), value: 7.0 }
        };
        self.says(Ok(trials.iter().map(series).collect()));
    }

    fn says(&mut self, result: Result<Vec<RemoteSeries>, String>) {
        let (rule, expr, asked) = ("fleet".into(), EXPR.into(), self.now);
        self.event(Event::Remote(RemoteAnswer { rule, expr, asked, good_for_ns: 15 * SECOND, result }));
    }

    fn why(&mut self, n: u128) -> String {
        self.take();
        let peer = Peer { uid: 0, key: None, position: Position::Outside };
        let said = Said::Request(Request::Explain(run(n).to_string()));
        self.event(Event::Line(Line { conn: ConnId(9), peer, said }));
        let told = |e: &Effect| if let Effect::Send(_, reply) = e { Some(format!("{reply:?}")) } else { None };
        self.take().iter().find_map(told).expect("an answer")
    }
}

#[test]
fn the_policy_asks_and_a_whole_answer_stops() {
    let mut scene = Scene::new(vec![fleet(0), promql_rule("local", "trial_step > 1e9")]);
    let question = RemoteQuestion { rule: "fleet".into(), expr: EXPR.into() };
    assert!(scene.take().iter().any(|e| matches!(e, Effect::Ask(_, asked) if *asked == [question.clone()])));
    scene.register(1, "bad", 50);
    scene.register(2, "good", 60);
    let both = [(1, 50, MIB), (2, 60, MIB)];
    scene.ticks(3, &both);
    assert_eq!((scene.rule_state(1), scene.rule_state(2)), (RuleState::Unknown, RuleState::Unknown));
    scene.answers(&[("default", "bad"), ("other", "good"), ("default", "nobody")]);
    scene.ticks(1, &both);
    assert_eq!((scene.rule_state(1), scene.rule_state(2)), (RuleState::Firing, RuleState::Inactive));
    scene.confirm(1, 50, MIB);
    assert_eq!(scene.view(1).state, TrialState::Stopping);
    assert_eq!(scene.view(2).state, TrialState::Running);
}

#[test]
fn an_answer_that_came_in_between_counts_at_the_last_look() {
    let mut scene = Scene::new(vec![fleet(0)]);
    scene.register(1, "bad", 50);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.answers(&[("default", "bad")]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert!(wants_confirm(&scene.take()));
    scene.answers(&[]);
    scene.confirm(1, 50, MIB);
    assert_eq!(scene.view(1).state, TrialState::Running);
}

#[test]
fn what_nobody_knows_lets_nothing_ripen() {
    let mut scene = Scene::new(vec![fleet(4 * SECOND)]);
    scene.register(1, "bad", 50);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.answers(&[("default", "bad")]);
    scene.ticks(3, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.says(Err("HTTP 503 Service Unavailable".into()));
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Unknown);
    assert!(scene.why(1).contains("nobody knows: HTTP 503"), "{}", scene.why(1));
    scene.answers(&[("default", "bad")]);
    scene.ticks(4, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending, "the wait began anew");
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}

#[test]
fn an_answer_grows_old() {
    let mut scene = Scene::new(vec![fleet(60 * SECOND)]);
    scene.register(1, "bad", 50);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.answers(&[("default", "bad")]);
    scene.ticks(15, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Unknown);
    assert!(scene.why(1).contains("too old"), "{}", scene.why(1));
}

#[test]
fn an_answer_about_an_earlier_attempt_does_not_stop_the_next() {
    let mut scene = Scene::new(vec![fleet(0)]);
    scene.register(1, "bad", 50);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.event(Event::Exited(Exited { run: run(1), status: Some(ExitStatus::Code(0)), usage: None, oom: false }));
    let sample = scene.sample(1, 0, &[]);
    scene.event(Event::Reading(Reading { cause: ReadingCause::Exit, sample }));
    assert_eq!(scene.view(1).state, TrialState::Completed);
    scene.answers(&[("default", "bad")]);
    scene.pass(SECOND);
    scene.register(2, "bad", 60);
    scene.ticks(5, &[(2, 60, MIB)]);
    assert_eq!(scene.view(2).rules[0].state, RuleState::Unknown, "it was asked before this one began");
    assert!(scene.why(2).contains("since the trial began"), "{}", scene.why(2));
    scene.answers(&[("default", "bad")]);
    scene.ticks(1, &[(2, 60, MIB)]);
    assert_eq!(scene.view(2).rules[0].state, RuleState::Firing);
}

#[test]
fn another_expression_under_the_same_name_starts_anew() {
    let mut scene = Scene::new(vec![fleet(60 * SECOND)]);
    scene.register(1, "bad", 50);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.answers(&[("default", "bad")]);
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.policy(vec![Rule { evaluate: Evaluate::Remote, ..promql_rule("fleet", "trial_step > 5") }], None);
    scene.answers(&[("default", "bad")]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Unknown, "the old question's answer says nothing of the new one");
}
