//! Inputs as rows: a kind, a body, and packed samples beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Broken, Imported, Json, field, object, record, wanted};
use crate::journal::packed;
use crate::model::{
    Done, Event, Exited, Hello, HostSample, Line, Moment, Peer, Position, Reading, Register, RemoteAnswer,
    RemoteSeries, Request, RunId, Said, Settings, Signalled, SourceName, Step, StopRequest, Swept, Tick, Tree,
    TreeSample, WatchRequest,
};

record!(Hello { spec, process, resume, worker, primary, voice });
record!(Step { step, epoch, samples, n, seconds, phase, total_steps, metrics, points, sample; answer });
record!(Done { status, metrics });
record!(StopRequest { trial, reason, now });
record!(WatchRequest { target, spec, fallback, subreaper, run, uid, position });
record!(Register { run, spec, fallback, root, uid, position, may_stop, conn });
record!(Exited { run, status, usage, oom });
record!(Tree { run, members });
record!(Signalled { shot, result });
record!(Swept { stop, run, killed, left, cleared });
record!(RemoteSeries { labels, value });

/// An input as it was journaled.
#[derive(Clone, Debug)]
pub enum Input {
    /// What the engine got. Never [`Event::Policy`]: its texts come as [`Input::Policy`].
    Event(Event),
    /// A policy came into force: file and text of each part.
    Policy(BTreeMap<PathBuf, String>),
    /// A daemon began; what came in before belongs to an earlier life. Without an [`Input::Ended`] before it that life was
    /// killed, and what came in during its last moments is missing.
    Started(Start),
    /// A daemon came to its end in good order.
    Ended,
    /// Inputs are missing here: a replay cannot claim equality from here on.
    Dropped(Dropped),
}

/// The beginning of a daemon's life.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The daemon's version.
    pub version: String,
    /// Boot id.
    pub boot_id: String,
    /// Inode of the pid namespace.
    pub pid_ns: u64,
    /// The daemon's pid, for the log only.
    pub pid: u32,
    /// What the engine was made with.
    pub settings: Settings,
    /// Journals of earlier commands, beside this one, whose trials it remembers: the names of the files.
    pub remembered: Vec<String>,
    /// Where it came from, if no daemon recorded it.
    pub imported: Option<Imported>,
}
record!(Start { version, boot_id, pid_ns, pid, settings, remembered, imported });

/// Inputs that the journal could not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Moment,
    /// The last of them.
    pub last: Moment,
}
record!(Dropped { count, first, last });

/// One input, ready to be written.
#[derive(Debug)]
pub(in crate::journal) struct Row {
    pub kind: &'static str,
    /// The trial it belongs to, as far as it can be told from the input alone; rows go with their trial.
    pub run: Option<RunId>,
    pub body: Value,
    pub samples: Vec<(RunId, Vec<u8>)>,
}

fn row(kind: &'static str, run: Option<RunId>, body: Value) -> Row {
    Row { kind, run, body, samples: Vec::new() }
}

/// An event as a row.
pub(in crate::journal) fn encode_event(event: &Event) -> Row {
    match event {
        Event::Policy(policy) => row("policy", None, policy_body(&policy.texts)),
        Event::ReloadFailed(why) => row("reload_failed", None, object([("why", why.put())])),
        Event::Tick(tick) => encode_tick(tick),
        Event::Reading(reading) => {
            let run = reading.sample.run;
            let mut row = row("reading", Some(run), object([("cause", reading.cause.put())]));
            row.samples.push((run, packed::encode(&reading.sample)));
            row
        }
        Event::Tree(tree) => row("tree", Some(tree.run), tree.put()),
        Event::Exited(exited) => row("exited", Some(exited.run), exited.put()),
        Event::Register(register) => row("register", Some(register.run), register.put()),
        Event::Line(line) => encode_line(line),
        Event::Closed(conn) => row("closed", None, object([("conn", conn.put())])),
        Event::Signalled(signalled) => row("signalled", Some(signalled.shot.run), signalled.put()),
        Event::Swept(swept) => row("swept", Some(swept.run), swept.put()),
        Event::Remote(answer) => row("remote", None, answer.put()),
        Event::Wake => row("wake", None, Value::Null),
    }
}

/// The other inputs as rows.
pub(in crate::journal) fn encode_start(start: &Start) -> Row {
    row("started", None, start.put())
}

pub(in crate::journal) fn encode_end() -> Row {
    row("ended", None, Value::Null)
}

pub(in crate::journal) fn encode_dropped(dropped: &Dropped) -> Row {
    row("dropped", None, dropped.put())
}

/// The input that a row tells of; `samples` are those written beside it, in their order.
pub(in crate::journal) fn decode(kind: &str, body: &Value, samples: Vec<(RunId, Vec<u8>)>) -> Result<Input, Broken> {
    let event = match kind {
        "policy" => {
            let texts: BTreeMap<String, String> = field(body, "texts")?;
            return Ok(Input::Policy(texts.into_iter().map(|(file, text)| (file.into(), text)).collect()));
        }
        "started" => return Start::take(body).map(Input::Started),
        "ended" => return Ok(Input::Ended),
        "dropped" => return Dropped::take(body).map(Input::Dropped),
        "reload_failed" => Event::ReloadFailed(field(body, "why")?),
        "tick" => decode_tick(body, samples)?,
        "reading" => {
            let mut samples = unpack(samples)?;
            let sample = samples.pop().ok_or_else(|| Broken::new("a reading without its sample"))?;
            Event::Reading(Reading { cause: field(body, "cause")?, sample })
        }
        "tree" => Event::Tree(Tree::take(body)?),
        "exited" => Event::Exited(Exited::take(body)?),
        "register" => Event::Register(Register::take(body)?),
        "closed" => Event::Closed(field(body, "conn")?),
        "signalled" => Event::Signalled(Signalled::take(body)?),
        "swept" => Event::Swept(Swept::take(body)?),
        "remote" => Event::Remote(RemoteAnswer::take(body)?),
        "wake" => Event::Wake,
        line => decode_line(line, body)?,
    };
    Ok(Input::Event(event))
}

fn policy_body(texts: &BTreeMap<PathBuf, String>) -> Value {
    let texts: BTreeMap<String, String> =
        texts.iter().map(|(file, text)| (file.to_string_lossy().into_owned(), text.clone())).collect();
    object([("texts", texts.put())])
}

fn encode_tick(tick: &Tick) -> Row {
    let body = object([
        ("at", tick.at.put()),
        ("took_ns", tick.took_ns.put()),
        ("overruns", tick.overruns.put()),
        ("host", tick.host.put()),
        ("up", tick.up.put()),
    ]);
    let samples = tick.trees.iter().map(|tree| (tree.run, packed::encode(tree))).collect();
    Row { kind: "tick", run: None, body, samples }
}

fn decode_tick(body: &Value, samples: Vec<(RunId, Vec<u8>)>) -> Result<Event, Broken> {
    let up: Vec<(SourceName, bool)> = field(body, "up")?;
    Ok(Event::Tick(Tick {
        at: field(body, "at")?,
        took_ns: field(body, "took_ns")?,
        overruns: field(body, "overruns")?,
        trees: unpack(samples)?,
        host: field(body, "host")?,
        up,
    }))
}

fn unpack(samples: Vec<(RunId, Vec<u8>)>) -> Result<Vec<TreeSample>, Broken> {
    let one = |(run, bytes): (RunId, Vec<u8>)| {
        packed::decode(run, &bytes).ok_or_else(|| Broken::new(format!("the sample of {run} is damaged")))
    };
    samples.into_iter().map(one).collect()
}

fn encode_line(line: &Line) -> Row {
    let (kind, said, founds) = match &line.said {
        Said::Hello(hello, run) => ("hello", object([("hello", hello.put()), ("run", run.put())]), Some(*run)),
        Said::Step(step) => ("step", step.put(), None),
        Said::Done(done) => ("done", done.put(), None),
        Said::Ack(stop, need_ms) => ("ack", object([("stop", stop.put()), ("need_ms", need_ms.put())]), None),
        Said::Request(request) => encode_request(request),
    };
    let stands_in = match line.peer.position {
        Position::Outside => None,
        Position::Root(run) | Position::Inside(run) => Some(run),
    };
    let body = object([("conn", line.conn.put()), ("peer", line.peer.put()), ("said", said)]);
    row(kind, stands_in.or(founds), body)
}

fn encode_request(request: &Request) -> (&'static str, Value, Option<RunId>) {
    match request {
        Request::List => ("list", Value::Null, None),
        Request::Explain(trial) => ("explain", trial.put(), None),
        Request::Stop(stop) => ("stop", stop.put(), None),
        Request::Reload => ("reload", Value::Null, None),
        Request::Watch(watch) => ("watch", watch.put(), Some(watch.run)),
        Request::Exited(run, status, usage) => ("waited", (*run, *status, *usage).put(), Some(*run)),
    }
}

fn decode_line(kind: &str, body: &Value) -> Result<Event, Broken> {
    let null = Value::Null;
    let said = body.get("said").unwrap_or(&null);
    let said = match kind {
        "hello" => Said::Hello(field(said, "hello")?, field(said, "run")?),
        "step" => Said::Step(Box::new(Step::take(said)?)),
        "done" => Said::Done(Done::take(said)?),
        "ack" => Said::Ack(field(said, "stop")?, field(said, "need_ms")?),
        "list" => Said::Request(Request::List),
        "explain" => Said::Request(Request::Explain(String::take(said)?)),
        "stop" => Said::Request(Request::Stop(StopRequest::take(said)?)),
        "reload" => Said::Request(Request::Reload),
        "watch" => Said::Request(Request::Watch(Box::new(WatchRequest::take(said)?))),
        "waited" => {
            let (run, status, usage) = Json::take(said)?;
            Said::Request(Request::Exited(run, status, usage))
        }
        _ => return Err(Broken::new(format!("an input of the unknown kind {kind:?}"))),
    };
    let peer: Peer = field(body, "peer")?;
    Ok(Event::Line(Line { conn: field(body, "conn")?, peer, said }))
}

impl Json for RemoteAnswer {
    fn put(&self) -> Value {
        let (series, why) = match &self.result {
            Ok(series) => (series.put(), Value::Null),
            Err(why) => (Value::Null, why.put()),
        };
        object([
            ("rule", self.rule.put()),
            ("expr", self.expr.put()),
            ("asked", self.asked.put()),
            ("good_for_ns", self.good_for_ns.put()),
            ("series", series),
            ("why", why),
        ])
    }

    fn take(value: &Value) -> Result<Self, Broken> {
        let result = match field::<Option<String>>(value, "why")? {
            Some(why) => Err(why),
            None => Ok(field(value, "series")?),
        };
        Ok(RemoteAnswer {
            rule: field(value, "rule")?,
            expr: field(value, "expr")?,
            asked: field(value, "asked")?,
            good_for_ns: field(value, "good_for_ns")?,
            result,
        })
    }
}

impl Json for HostSample {
    fn put(&self) -> Value {
        let pressure = |(resource, kind, seconds): &(&str, &str, f64)| {
            Value::Array(vec![(*resource).into(), (*kind).into(), seconds.put()])
        };
        object([
            ("memory_available", self.memory_available.put()),
            ("memory_total", self.memory_total.put()),
            ("cpu_utilization", self.cpu_utilization.put()),
            ("pressure", self.pressure.iter().map(pressure).collect()),
        ])
    }

    fn take(value: &Value) -> Result<Self, Broken> {
        let pressure: Vec<(String, String, f64)> = field(value, "pressure")?;
        let known = |(resource, kind, seconds): (String, String, f64)| match (resource_of(&resource), kind_of(&kind)) {
            (Some(resource), Some(kind)) => Ok((resource, kind, seconds)),
            _ => wanted("a resource and a kind of pressure", value),
        };
        Ok(HostSample {
            memory_available: field(value, "memory_available")?,
            memory_total: field(value, "memory_total")?,
            cpu_utilization: field(value, "cpu_utilization")?,
            pressure: pressure.into_iter().map(known).collect::<Result<_, _>>()?,
        })
    }
}

/// The resources of `/proc/pressure` (Linux 6.1 and later has irq).
fn resource_of(text: &str) -> Option<&'static str> {
    ["cpu", "memory", "io", "irq"].into_iter().find(|known| *known == text)
}

fn kind_of(text: &str) -> Option<&'static str> {
    ["some", "full"].into_iter().find(|known| *known == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::body::trial::tests::spec;
    use crate::journal::packed::tests::full;
    use crate::model::{
        ConnId, DoneStatus, ExitStatus, ExitUsage, Member, Name, Policy, Position, ProcKey, ProcessUse, ReadingCause,
        Resume, Root, RunState, Shot, Signal, SignalResult, StopId, Voice,
    };
    use std::sync::Arc;

    const RUN: RunId = RunId(1 << 80 | 7);
    const KEY: ProcKey = ProcKey { pid: 3, start: u64::MAX, inode: 5 };

    /// The event as a reader gets it, its row having been text and bytes meanwhile.
    fn again(event: &Event) -> Input {
        let row = encode_event(event);
        let body = serde_json::from_str(&row.body.to_string()).unwrap();
        decode(row.kind, &body, row.samples).unwrap()
    }

    fn said() -> Vec<Said> {
        let hello = Hello {
            spec: spec(),
            process: ProcessUse::Shared,
            resume: Resume::Continue,
            worker: "1".into(),
            primary: Some(false),
            voice: Voice::Command,
        };
        let step = Step {
            step: Some(5),
            epoch: Some(0.1 + 0.2),
            samples: Some(u64::MAX),
            n: Some(1),
            seconds: Some(1e-300),
            phase: Some("train".into()),
            total_steps: Some(9),
            metrics: vec![("loss".into(), f64::NAN), ("a \" b".into(), f64::NEG_INFINITY)],
            points: vec![("rmse".into(), vec![(1, 0.5), (2, f64::INFINITY)])],
            sample: true,
            answer: true,
        };
        let stop = StopRequest { trial: "e/t".into(), reason: Some("because".into()), now: true };
        let fallback = Name::made_of("x");
        let watch = WatchRequest {
            target: KEY,
            spec: spec(),
            fallback,
            subreaper: true,
            run: RUN,
            uid: 1000,
            position: Position::Outside,
        };
        let usage = ExitUsage { user_seconds: 0.1, system_seconds: 0.2, max_resident: 3 };
        let done = |status| Said::Done(Done { status, metrics: vec![("f".into(), -0.0)] });
        let mut said = vec![
            Said::Hello(Box::new(hello), RUN),
            Said::Hello(Box::default(), RUN),
            Said::Step(Box::new(step)),
            Said::Step(Box::default()),
            Said::Ack(StopId(5), Some(60_000)),
            Said::Ack(StopId(5), None),
        ];
        said.extend([DoneStatus::Completed, DoneStatus::Failed, DoneStatus::Stopped].map(done));
        let requests = [
            Request::List,
            Request::Explain("t".into()),
            Request::Stop(stop),
            Request::Reload,
            Request::Watch(Box::new(watch)),
            Request::Exited(RUN, ExitStatus::Signal(9), usage),
        ];
        said.extend(requests.map(Said::Request));
        said
    }

    #[test]
    fn only_what_came_later_may_be_absent() {
        let whole = Step { sample: true, answer: true, ..Step::default() };
        let without = |key: &str| {
            let mut value = whole.put();
            value.as_object_mut().expect("an object").remove(key);
            Step::take(&value)
        };
        assert_eq!(without("answer").expect("of an older version"), Step { answer: false, ..whole.clone() });
        assert!(without("sample").is_err());
    }

    fn events() -> Vec<Event> {
        let at = Moment { boot_ns: 1, mono_ns: 2, wall_ms: -3 };
        let host = HostSample {
            memory_available: Some(1),
            memory_total: None,
            cpu_utilization: Some(0.3),
            pressure: vec![("memory", "some", 1.5), ("cpu", "full", 0.0)],
        };
        let up = SourceName::ALL.map(|source| (source, source == SourceName::Io)).to_vec();
        let trees = vec![full(RUN), full(RunId(1))];
        let shot = Shot { stop: StopId(9), run: RUN, rung: 2, key: KEY, signal: Signal::TERM, wake: true, owner: 1000 };
        let member = Member { key: KEY, state: RunState::Uninterruptible };
        let root = Root { key: KEY, subreaper: Some(KEY) };
        let mut events = vec![
            Event::ReloadFailed("no".into()),
            Event::Tick(Tick { at, took_ns: 5, overruns: 6, trees, host, up }),
            Event::Tick(Tick { at, took_ns: 0, overruns: 0, trees: vec![], host: HostSample::default(), up: vec![] }),
            Event::Tree(Tree { run: RUN, members: vec![member] }),
            Event::Exited(Exited { run: RUN, status: Some(ExitStatus::Code(7)), usage: None, oom: true }),
            Event::Exited(Exited { run: RUN, status: None, usage: Some(ExitUsage::default()), oom: false }),
            Event::Closed(ConnId(4)),
            Event::Swept(Swept { stop: StopId(1), run: RUN, killed: 2, left: vec![member], cleared: false }),
            Event::Wake,
        ];
        let series =
            |value| RemoteSeries { labels: vec![("instance".into(), "ü\"".into()), ("z".into(), "".into())], value };
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1 + 0.2, 5e-324].map(series);
        let nameless = RemoteSeries { labels: vec![], value: 1.0 };
        let results =
            [Ok(values.to_vec()), Ok(vec![nameless]), Ok(vec![]), Err("no \"answer\"".into()), Err("".into())];
        events.extend(results.map(|result| {
            let (rule, expr) = ("fleet".into(), "a{b=\"c\"} > 1".into());
            Event::Remote(RemoteAnswer { rule, expr, asked: at, good_for_ns: u64::MAX, result })
        }));
        events.extend(
            [ReadingCause::Confirm, ReadingCause::Weigh, ReadingCause::Demand, ReadingCause::Exit]
                .map(|cause| Event::Reading(Reading { cause, sample: full(RUN) })),
        );
        events.extend(SignalResult::ALL.map(|result| Event::Signalled(Signalled { shot, result })));
        let positions = [Position::Outside, Position::Root(RUN), Position::Inside(RUN)];
        events.extend(positions.map(|position| {
            Event::Register(Register {
                run: RUN,
                spec: spec(),
                fallback: Name::made_of("x"),
                root,
                uid: 0,
                position,
                may_stop: true,
                conn: Some(ConnId(8)),
            })
        }));
        let lines = said().into_iter().zip(positions.into_iter().cycle());
        events.extend(lines.map(|(said, position)| {
            let peer = Peer { uid: 5, key: (position != Position::Outside).then_some(KEY), position };
            Event::Line(Line { conn: ConnId(u64::MAX), peer, said })
        }));
        events
    }

    #[test]
    fn every_event_comes_back() {
        for event in events() {
            let Input::Event(back) = again(&event) else { panic!("{event:?}") };
            assert_eq!(format!("{back:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn policies_come_back_as_their_texts() {
        let texts = BTreeMap::from([(PathBuf::from("a.toml"), "name = \"ü\"\n".to_string())]);
        let policy = Policy { texts: texts.clone(), ..Policy::default() };
        assert!(matches!(again(&Event::Policy(Arc::new(policy))), Input::Policy(back) if back == texts));
    }

    #[test]
    fn an_unknown_kind_or_a_lost_field_is_an_error_and_no_panic() {
        assert!(decode("later", &Value::Null, vec![]).unwrap_err().to_string().contains("unknown kind"));
        for event in events() {
            let row = encode_event(&event);
            for key in row.body.as_object().into_iter().flat_map(|m| m.keys()) {
                let mut body = row.body.clone();
                body[key] = serde_json::json!({"what": ["else"]});
                let _ = decode(row.kind, &body, vec![(RUN, vec![1, 2, 3])]);
            }
        }
    }
}
