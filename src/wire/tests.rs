//! Lines in, lines out: what is taken, what is refused and how.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{self, Answer};
use super::row::{ExplainRow, ListRow, TrialRow};
use super::*;
use crate::model::*;

fn read(line: &str) -> ClientLine {
    parse(line.as_bytes(), &Limits::default()).unwrap_or_else(|refusal| panic!("{line}: {refusal:?}"))
}

fn refused(line: impl AsRef<[u8]>) -> Refusal {
    let line = line.as_ref();
    let refusal = parse(line, &Limits::default()).expect_err(&String::from_utf8_lossy(line));
    assert!(!refusal.message.is_empty() && !refusal.hint.is_empty(), "{refusal:?}");
    refusal
}

fn step(line: &str) -> Step {
    match read(line).message {
        Message::Said(Said::Step(step)) => *step,
        other => panic!("{line}: {other:?}"),
    }
}

fn hello(line: &str) -> Hello {
    match read(line).message {
        Message::Hello(hello) => *hello,
        other => panic!("{line}: {other:?}"),
    }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

#[test]
fn the_contracts_hello() {
    let said = hello(
        r#"{"type":"hello","v":1,"trial":"svm-b32-lr0.01-fold3","experiment":"red_wine","labels":{"algorithm":"svm"},"params":{"learning_rate":0.01},"objective":{"metric":"val_rmse","mode":"min"},"modes":{"val_acc":"max"},"total_steps":5000,"total_epochs":20,"start_step":0,"group":"b32-lr0.01","fold":3}"#,
    );
    assert_eq!(said.spec.trial.unwrap().as_str(), "svm-b32-lr0.01-fold3");
    assert_eq!(said.spec.experiment.unwrap().as_str(), "red_wine");
    assert_eq!(said.spec.labels, texts(&[("algorithm", "svm")]));
    assert_eq!(said.spec.params, texts(&[("learning_rate", "0.01")]));
    assert_eq!(said.spec.objective, Some(Objective { metric: "val_rmse".into(), mode: Mode::Min }));
    assert_eq!(said.spec.modes["val_acc"], Mode::Max);
    assert_eq!((said.spec.total_steps, said.spec.total_epochs), (Some(5000), Some(20.0)));
    assert_eq!(said.spec.fold.as_deref(), Some("3"));
    assert_eq!(
        (said.worker.as_str(), said.primary, said.resume, said.process),
        ("0", None, Resume::New, ProcessUse::Own)
    );
}

#[test]
fn the_contracts_step() {
    let said = step(
        r#"{"type":"step","step":1200,"epoch":3.2,"samples":38400,"n":100,"seconds":0.51,"phase":"train","metrics":{"train_loss":0.31},"points":{"val_rmse":{"step":[1100,1200],"value":[0.66,0.65]}},"sample":true}"#,
    );
    let wanted = Step {
        step: Some(1200),
        epoch: Some(3.2),
        samples: Some(38400),
        n: Some(100),
        seconds: Some(0.51),
        phase: Some("train".into()),
        total_steps: None,
        metrics: vec![("train_loss".into(), 0.31)],
        points: vec![("val_rmse".into(), vec![(1100, 0.66), (1200, 0.65)])],
        sample: true,
        answer: false,
    };
    assert_eq!(said, wanted);
    assert!(step(r#"{"type":"step","answer":true}"#).answer);
}

#[test]
fn everything_of_a_step_may_be_left_out() {
    assert_eq!(step(r#"{"type":"step"}"#), Step::default());
    assert_eq!(step(r#" { "step" : 3.0 , "type" : "step", "unheard_of": [{}] } "#).step, Some(3));
    assert_eq!(step(r#"{"type": "step", "step": null, "metrics": null}"#), Step::default());
    assert_eq!(read(r#"{"type":"step","of":"parent"}"#).of, Speaker::Parent);
    assert_eq!(step(r#"{"\u0074ype":"st\u0065p","ph\u0061se":"e\u0076al"}"#).phase.as_deref(), Some("eval"));
}

#[test]
fn values_may_be_what_json_has_no_words_for() {
    for line in [
        r#"{"type":"step","metrics":{"NaN":NaN,"b":Infinity,"c":-Infinity}}"#,
        r#"{"type":"step","metrics":{"NaN":"NaN","b":"Infinity","c":"-Infinity"}}"#,
    ] {
        let metrics = step(line).metrics;
        assert!(metrics[0].0 == "NaN" && metrics[0].1.is_nan(), "{line}");
        assert_eq!((metrics[1].1, metrics[2].1), (f64::INFINITY, f64::NEG_INFINITY), "{line}");
    }
    let exact = step(r#"{"type":"step","metrics":{"a":0.30000000000000004,"b":1e-320,"c":7}}"#).metrics;
    assert_eq!(exact.iter().map(|m| m.1).collect::<Vec<_>>(), [0.1 + 0.2, 1e-320, 7.0]);
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    for (line, place) in [
        (r#"{"type":"step","step":-1}"#, "step"),
        (r#"{"type":"step","step":1.5}"#, "step"),
        (r#"{"type":"step","step":1e99}"#, "step"),
        (r#"{"type":"step","step":NaN}"#, "step"),
        (r#"{"type":"step","n":"3"}"#, "n"),
        (r#"{"type":"step","seconds":-0.5}"#, "seconds"),
        (r#"{"type":"step","seconds":NaN}"#, "seconds"),
        (r#"{"type":"step","metrics":{"loss":1e999}}"#, "loss"),
        (r#"{"type":"step","metrics":{"loss":"high"}}"#, "loss"),
        (r#"{"type":"step","metrics":{"loss":null}}"#, "loss"),
        (r#"{"type":"step","metrics":{"":1}}"#, "metrics"),
        (r#"{"type":"step","metrics":[1]}"#, "metrics"),
        (r#"{"type":"step","phase":""}"#, "phase"),
        (r#"{"type":"step","points":{"a":{"step":[1],"value":[1,2]}}}"#, "points"),
        (r#"{"type":"step","of":"child"}"#, "of"),
        (r#"{"type":"done","status":"crashed"}"#, "status"),
        (r#"{"type":"ack","id":"17"}"#, "id"),
        (r#"{"type":"hello","v":1,"objective":{"metric":"a","mode":"down"}}"#, "mode"),
        (r#"{"type":"hello","v":1,"resume":"maybe"}"#, "resume"),
        (r#"{"type":"hello","v":1,"fold":""}"#, "fold"),
        (r#"{"type":"hello","v":1,"params":{"a":[1]}}"#, "a"),
        (r#"{"type":"stop","v":1}"#, "trial"),
        (r#"{"type":"exited","v":1,"run":"x","code":0,"user_seconds":0,"system_seconds":0,"max_resident":0}"#, "run"),
    ] {
        let refusal = refused(line);
        assert_eq!(refusal.code, ErrorCode::BadValue, "{line}: {refusal:?}");
        assert!(refusal.message.starts_with(&format!("{place}:")), "{line}: {refusal:?}");
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    for line in
        ["{", "[1]", "3", "hello", r#"{"type":"step""#, r#"{"type":"step",}"#, r#"{"type":"step"} x"#, r#"{"a":NaNa}"#]
    {
        assert_eq!(refused(line).code, ErrorCode::BadJson, "{line}");
    }
    let refusal = refused(b"{\"type\":\"step\",\"phase\":\"\xff\"}");
    assert_eq!((refusal.code, refusal.message.contains("UTF-8")), (ErrorCode::BadJson, true));
    let deep = format!(r#"{{"type":"step","x":{}"#, "[".repeat(60_000));
    assert_eq!(refused(deep).code, ErrorCode::BadJson);
}

#[test]
fn types_and_versions() {
    assert_eq!(refused(r#"{"type":"stpe"}"#).hint, "did you mean \"step\"?");
    assert_eq!(refused(r#"{"step":3}"#).code, ErrorCode::BadType);
    assert_eq!(refused(r#"{"type":"frobnicate","v":1}"#).code, ErrorCode::BadType);
    for line in [r#"{"type":"hello"}"#, r#"{"type":"hello","v":2}"#, r#"{"type":"list"}"#, r#"{"v":2,"type":"step"}"#] {
        assert_eq!(refused(line).code, ErrorCode::BadVersion, "{line}");
    }
}

#[test]
fn names_are_checked_where_they_are_said() {
    for field in ["trial", "experiment", "group"] {
        let refusal = refused(format!(r#"{{"type":"hello","v":1,"{field}":"my run"}}"#));
        assert_eq!(refusal.code, ErrorCode::BadName);
        assert!(refusal.message.starts_with(field) && refusal.hint.contains("my_run"), "{refusal:?}");
    }
}

#[test]
fn labels_of_our_own_are_refused() {
    for label in
        ["", "3a", "a-b", "ä", "__x", "param_x", "trial", "experiment", "job", "instance", "state", "le", "pid"]
    {
        let refusal = refused(format!(r#"{{"type":"hello","v":1,"labels":{{"{label}":"x"}}}}"#));
        assert_eq!(refusal.code, ErrorCode::BadLabel, "{label}");
        assert_eq!(check_label(label), Err(refusal));
    }
    assert_eq!(check_label("_algorithm2"), Ok(()));
}

#[test]
fn params_are_text_and_their_names_fit_a_label() {
    let said = hello(
        r#"{"type":"hello","v":1,"params":{"lr":1e-7,"b.size":32,"amp":true,"note":null,"net":"a b","b-size":64,"nan":NaN}}"#,
    );
    let wanted = [("lr", "1e-7"), ("b_size", "32"), ("amp", "true"), ("note", "null"), ("net", "a b"), ("nan", "NaN")];
    assert_eq!(said.spec.params, texts(&wanted));
}

#[test]
fn what_is_above_a_limit_is_dropped_and_counted() {
    let many = |count: usize| (0..count).map(|i| format!("\"k{i}\":{i}")).collect::<Vec<_>>().join(",");
    let long = "x".repeat(257);
    let line = read(&format!(
        r#"{{"type":"hello","v":1,"labels":{{"long":"{long}",{}}},"params":{{{},"k.1":1,"k_1":2}}}}"#,
        many(34),
        many(66)
    ));
    assert_eq!(line.dropped, Dropped { labels: 3, params: 4, ..Dropped::default() });
    let line = read(&format!(r#"{{"type":"step","phase":"{long}","metrics":{{"{long}":1,{}}}}}"#, many(70)));
    assert_eq!(line.dropped, Dropped { metrics: 7, phases: 1, ..Dropped::default() });
    let Message::Said(Said::Step(step)) = line.message else { panic!("a step") };
    assert_eq!((step.metrics.len(), step.phase), (64, None));
}

#[test]
fn what_clients_write_is_what_is_read() {
    let spec = TrialSpec {
        trial: Name::new("a").ok(),
        experiment: Name::new("e").ok(),
        labels: texts(&[("l", "v\"\n")]),
        params: texts(&[("p", "1")]),
        objective: Some(Objective { metric: "m".into(), mode: Mode::Max }),
        modes: BTreeMap::from([("n".into(), Mode::Min)]),
        total_steps: Some(9),
        total_epochs: Some(1.5),
        start_step: 3,
        group: Name::new("g").ok(),
        fold: Some("2".into()),
    };
    let said = Hello {
        spec: spec.clone(),
        process: ProcessUse::Shared,
        resume: Resume::Continue,
        worker: "3".into(),
        primary: Some(true),
        voice: Voice::Own,
    };
    assert_eq!(hello(&write::hello(&said)), said);
    let plain = Hello { worker: "0".into(), voice: Voice::Command, ..Hello::default() };
    assert_eq!(read(&write::hello(&plain)).of, Speaker::Parent);
    assert_eq!(hello(&write::hello(&plain)), plain);
    let progress = Step {
        step: Some(5),
        metrics: vec![("a".into(), f64::INFINITY), ("b".into(), -0.1)],
        points: vec![("c".into(), vec![(1, f64::NEG_INFINITY), (2, 0.2)])],
        sample: true,
        answer: true,
        ..Step::default()
    };
    assert_eq!(step(&write::step(&progress, Speaker::Peer)), progress);
    let watch = Watch { spec, fallback: Name::new("f").ok(), subreaper: true };
    assert!(matches!(read(&write::watch(&watch)).message, Message::Watch(w) if *w == watch));
    let id = StopId(5);
    assert!(matches!(read(&write::ack(id, Some(9))).message, Message::Said(Said::Ack(i, Some(9))) if i == id));
    let done = Done { status: DoneStatus::Stopped, metrics: vec![("x".into(), 1.0)] };
    assert!(matches!(read(&write::done(&done, Speaker::Peer)).message, Message::Said(Said::Done(d)) if d == done));
    let stop = StopRequest { trial: "e/a".into(), reason: Some("why".into()), now: true };
    let usage = ExitUsage { user_seconds: 1.5, system_seconds: 0.25, max_resident: 4096 };
    for (line, request) in [
        (write::list(), Request::List),
        (write::reload(), Request::Reload),
        (write::explain("a"), Request::Explain("a".into())),
        (write::stop(&stop), Request::Stop(stop)),
        (
            write::exited(RunId(7), ExitStatus::Signal(9), &usage),
            Request::Exited(RunId(7), ExitStatus::Signal(9), usage),
        ),
        (write::exited(RunId(7), ExitStatus::Code(0), &usage), Request::Exited(RunId(7), ExitStatus::Code(0), usage)),
    ] {
        assert!(line.ends_with("}\n"));
        assert!(matches!(read(&line).message, Message::Said(Said::Request(r)) if r == request), "{line}");
    }
}

fn view() -> TrialView {
    let at = |ms| Moment { wall_ms: ms, ..Moment::default() };
    let key = ProcKey { pid: 42, start: 7, inode: 9 };
    let rule: Arc<str> = "cap".into();
    let metric =
        MetricView { last: f64::NAN, best: Some(0.5), best_step: Some(3), reports: 4, ..MetricView::default() };
    TrialView {
        run: RunId(1),
        attempt: 2,
        experiment: Name::new("e").unwrap(),
        trial: Name::new("a").unwrap(),
        labels: Arc::new(texts(&[("algorithm", "svm")])),
        params: Arc::new(texts(&[("lr", "0.1")])),
        objective: None,
        group: Name::new("g").ok(),
        fold: None,
        parent: Some(RunId(3)),
        uid: 1000,
        root: Some(key),
        ask_only: false,
        state: TrialState::Stopping,
        started: at(1_700_000_000_500),
        ended: None,
        exit: Some(Exit { cause: ExitCause::Signal, status: Some(ExitStatus::Signal(9)) }),
        tree: None,
        totals: Totals::default(),
        progress: Progress { step: Some(10), heartbeats: 3, ..Progress::default() },
        metrics: BTreeMap::from([("loss".into(), metric)]),
        rules: vec![RuleView {
            rule: rule.clone(),
            state: RuleState::Firing,
            since: at(2000),
            why: "600 MiB".into(),
            parts: vec![],
        }],
        stops: BTreeMap::from([((rule.clone(), StopOutcome::Observed), 2)]),
        saved: BTreeMap::new(),
        stop: Some(StopView { id: StopId(5), rule, reason: "too big".into(), rung: 1, since: at(2500) }),
    }
}

#[test]
fn list_has_the_contracts_fields() {
    let line = render(&Reply::Trials(vec![(Arc::new(view()), true), (Arc::new(view()), false)]));
    let wanted = concat!(
        r#"{"type":"ok","trials":[{"trial":"a","experiment":"e","run":"00000000000000000000000001","attempt":2,"#,
        r#""labels":{"algorithm":"svm"},"params":{"lr":"0.1"},"group":"g","fold":null,"#,
        r#""parent":"00000000000000000000000003","uid":1000,"pid":42,"state":"stopping","started":1700000000.5,"#,
        r#""ended":null,"step":10,"target_steps":null,"epoch":null,"memory_bytes":null,"#,
        r#""rules":[{"rule":"cap","state":"firing","since":2.0}],"stop":{"id":"00000000000000000000000005","#,
        r#""rule":"cap","reason":"too big","rung":1,"since":2.5},"exit":{"cause":"signal","status":null,"signal":9}},"#,
        r#"{"trial":"a","experiment":"e","state":"stopping"}]}"#,
        "\n"
    );
    assert_eq!(line, wanted);
    let rows = vec![ListRow::Own(Box::new(TrialRow::of(&view()))), ListRow::of(&view(), false)];
    assert_eq!(answer::parse(line.as_bytes()), Ok(Answer::Trials(rows)));
}

#[test]
fn replies_are_read_as_they_were_meant() {
    let notice = StopNotice { id: StopId(5), rule: "cap".into(), reason: "big\n".into(), deadline_ms: 10_000 };
    let refusal = Refusal::new(ErrorCode::NameTaken, "m", "h");
    let welcome = Welcome {
        experiment: Name::new("red_wine").unwrap(),
        trial: Name::new("t").unwrap(),
        run: RunId(1),
        attempt: 1,
        last_step: 0,
        stopped_before: None,
        visible: true,
        hint: None,
    };
    let line = render(&Reply::Welcome(welcome.clone()));
    let wanted = concat!(
        r#"{"type":"welcome","v":1,"experiment":"red_wine","trial":"t","run":"00000000000000000000000001","#,
        r#""attempt":1,"last_step":0,"stopped_before":null,"visible":true}"#,
        "\n"
    );
    assert_eq!(line, wanted);
    for (reply, answer) in [
        (Reply::Welcome(welcome.clone()), Answer::Welcome(welcome)),
        (Reply::Error(refusal.clone()), Answer::Error(refusal)),
        (Reply::Stop(notice.clone()), Answer::Stop(notice.clone())),
        (Reply::Stopped(notice.clone()), Answer::Stopped(notice)),
        (Reply::Stopping(StopId(5)), Answer::Stopping(StopId(5))),
        (Reply::Reloaded { files: 2, rules: 3 }, Answer::Reloaded { files: 2, rules: 3 }),
        (Reply::Bye, Answer::Bye),
        (Reply::Go(Some(1200)), Answer::Go(Some(1200))),
        (Reply::Go(None), Answer::Go(None)),
    ] {
        let line = render(&reply);
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(answer::parse(line.as_bytes()), Ok(answer));
    }
    let Ok(Answer::Explained(explained)) = answer::parse(render(&Reply::Explained(Arc::new(view()))).as_bytes()) else {
        panic!("explain")
    };
    assert_eq!((explained.why["cap"].as_str(), explained.metrics["loss"].last.is_nan()), ("600 MiB", true));
    assert_eq!(explained.row, ExplainRow::of(&view()).row);
    assert_eq!(answer::parse(br#"{"type":"new","x":1}"#), Ok(Answer::Other("new".into())));
    assert!(answer::parse(br#"{"type":"welcome"}"#).is_err());
}

#[test]
fn random_bytes_are_refused_and_never_a_panic() {
    let seed =
        br#"{"type":"step","step":12,"metrics":{"loss":NaN,"b":-1.5e3},"points":{"v":{"step":[1],"value":[2]}}}"#;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..20_000 {
        let mut line = seed.to_vec();
        for _ in 0..1 + random() % 6 {
            let at = random() % line.len();
            match random() % 3 {
                0 => line[at] = random() as u8,
                1 => line.truncate(at.max(1)),
                _ => line.insert(at, b"{}[]\",:\\NI-0e"[random() % 13]),
            }
        }
        let _ = parse(&line, &Limits::default());
    }
}
