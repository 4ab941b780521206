//! The lines that clients send, each with its LF.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::value::write_number;
use super::{Speaker, VERSION};
use crate::model::{
    Done, DoneStatus, ExitStatus, ExitUsage, Hello, Name, ProcessUse, Resume, RunId, Step, StopId, StopRequest,
    TrialSpec, Voice,
};

/// A `hello` line.
pub fn hello(hello: &Hello) -> String {
    let of = match hello.voice {
        Voice::Own => Speaker::Peer,
        Voice::Command => Speaker::Parent,
    };
    let process = (hello.process == ProcessUse::Shared).then_some("shared");
    let resume = match hello.resume {
        Resume::New => None,
        Resume::Continue => Some("continue"),
        Resume::Never => Some("never"),
    };
    let worker = (!hello.worker.is_empty() && hello.worker != "0").then_some(&hello.worker);
    line("hello", |o| {
        o.serialize_entry("v", &VERSION)?;
        spec(o, &hello.spec)?;
        some(o, "process", &process)?;
        some(o, "resume", &resume)?;
        some(o, "worker", &worker)?;
        some(o, "primary", &hello.primary)?;
        speaker(o, of)
    })
}

/// A `step` line.
pub fn step(step: &Step, of: Speaker) -> String {
    line("step", |o| {
        some(o, "step", &step.step)?;
        some(o, "epoch", &step.epoch)?;
        some(o, "samples", &step.samples)?;
        some(o, "n", &step.n)?;
        some(o, "seconds", &step.seconds)?;
        some(o, "phase", &step.phase)?;
        some(o, "total_steps", &step.total_steps)?;
        values(o, &step.metrics)?;
        if !step.points.is_empty() {
            o.serialize_entry("points", &Points(&step.points))?;
        }
        some(o, "sample", &step.sample.then_some(true))?;
        some(o, "answer", &step.answer.then_some(true))?;
        speaker(o, of)
    })
}

/// A `done` line.
pub fn done(done: &Done, of: Speaker) -> String {
    let status = match done.status {
        DoneStatus::Completed => "completed",
        DoneStatus::Failed => "failed",
        DoneStatus::Stopped => "stopped",
    };
    line("done", |o| {
        o.serialize_entry("status", status)?;
        values(o, &done.metrics)?;
        speaker(o, of)
    })
}

/// An `ack` line: the stop was understood; `need_ms` more milliseconds are needed.
pub fn ack(id: StopId, need_ms: Option<u64>) -> String {
    line("ack", |o| {
        o.serialize_entry("id", &id.to_string())?;
        some(o, "need_ms", &need_ms)
    })
}

/// A `list` line.
pub fn list() -> String {
    line("list", |o| o.serialize_entry("v", &VERSION))
}

/// An `explain` line.
pub fn explain(trial: &str) -> String {
    line("explain", |o| {
        o.serialize_entry("v", &VERSION)?;
        o.serialize_entry("trial", trial)
    })
}

/// A `stop` line.
pub fn stop(request: &StopRequest) -> String {
    line("stop", |o| {
        o.serialize_entry("v", &VERSION)?;
        o.serialize_entry("trial", &request.trial)?;
        some(o, "reason", &request.reason)?;
        some(o, "now", &request.now.then_some(true))
    })
}

/// A `reload` line.
pub fn reload() -> String {
    line("reload", |o| o.serialize_entry("v", &VERSION))
}

/// A `watch` line; the pidfd goes beside it.
pub fn watch(watch: &super::Watch) -> String {
    line("watch", |o| {
        o.serialize_entry("v", &VERSION)?;
        spec(o, &watch.spec)?;
        some(o, "fallback", &watch.fallback.as_ref().map(Name::as_str))?;
        some(o, "subreaper", &watch.subreaper.then_some(true))
    })
}

/// What a joined `run` says when its command ended.
pub fn exited(run: RunId, status: ExitStatus, usage: &ExitUsage) -> String {
    line("exited", |o| {
        o.serialize_entry("v", &VERSION)?;
        o.serialize_entry("run", &run.to_string())?;
        match status {
            ExitStatus::Code(code) => o.serialize_entry("code", &code)?,
            ExitStatus::Signal(signal) => o.serialize_entry("signal", &signal)?,
        }
        o.serialize_entry("user_seconds", &usage.user_seconds)?;
        o.serialize_entry("system_seconds", &usage.system_seconds)?;
        o.serialize_entry("max_resident", &usage.max_resident)
    })
}

type Out<'a> = <&'a mut serde_json::Serializer<Vec<u8>> as Serializer>::SerializeMap;

fn line(kind: &str, fields: impl FnOnce(&mut Out<'_>) -> serde_json::Result<()>) -> String {
    let mut json = serde_json::Serializer::new(Vec::with_capacity(128));
    let written = json.serialize_map(None).and_then(|mut object| {
        object.serialize_entry("type", kind)?;
        fields(&mut object)?;
        object.end()
    });
    written.expect("a Vec takes every byte, and every key is a string");
    let mut bytes = json.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("serde_json writes UTF-8")
}

/// The field, if there is something to say.
fn some<T: Serialize>(out: &mut Out<'_>, key: &str, value: &Option<T>) -> serde_json::Result<()> {
    match value {
        Some(value) => out.serialize_entry(key, value),
        None => Ok(()),
    }
}

fn speaker(out: &mut Out<'_>, of: Speaker) -> serde_json::Result<()> {
    some(out, "of", &(of == Speaker::Parent).then_some("parent"))
}

fn values(out: &mut Out<'_>, metrics: &[(String, f64)]) -> serde_json::Result<()> {
    match metrics.is_empty() {
        true => Ok(()),
        false => out.serialize_entry("metrics", &Values(metrics)),
    }
}

fn spec(out: &mut Out<'_>, spec: &TrialSpec) -> serde_json::Result<()> {
    let filled = |texts: &'_ BTreeMap<String, String>| (!texts.is_empty()).then(|| texts.clone());
    let name = |name: &Option<Name>| name.as_ref().map(ToString::to_string);
    some(out, "trial", &name(&spec.trial))?;
    some(out, "experiment", &name(&spec.experiment))?;
    some(out, "labels", &filled(&spec.labels))?;
    some(out, "params", &filled(&spec.params))?;
    if let Some(objective) = &spec.objective {
        let pair = BTreeMap::from([("metric", objective.metric.as_str()), ("mode", objective.mode.as_str())]);
        out.serialize_entry("objective", &pair)?;
    }
    if !spec.modes.is_empty() {
        let words: BTreeMap<_, _> = spec.modes.iter().map(|(metric, mode)| (metric, mode.as_str())).collect();
        out.serialize_entry("modes", &words)?;
    }
    some(out, "total_steps", &spec.total_steps)?;
    some(out, "total_epochs", &spec.total_epochs)?;
    some(out, "start_step", &(spec.start_step > 0).then_some(spec.start_step))?;
    some(out, "group", &name(&spec.group))?;
    some(out, "fold", &spec.fold)
}

/// One value, with words for what JSON has no number for.
struct Value(f64);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write_number(&self.0, to)
    }
}

/// `{"train_loss":0.31}`.
struct Values<'a>(&'a [(String, f64)]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, Value(*value))))
    }
}

/// `{"val_rmse":{"step":[1100,1200],"value":[0.66,0.65]}}`.
struct Points<'a>(&'a [(String, Vec<(u64, f64)>)]);

#[derive(Serialize)]
struct Columns {
    step: Vec<u64>,
    value: Vec<Value>,
}

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, points)| {
            let (step, value) = points.iter().map(|(step, value)| (*step, Value(*value))).unzip();
            (name, Columns { step, value })
        }))
    }
}
