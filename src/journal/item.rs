//! What goes through the channel to the writer, and what is known of a trial's beginning.

use std::sync::Arc;

use serde_json::Value;

use super::body::{
    Broken, Dropped, Json, Row, Start, encode_dropped, encode_end, encode_event, encode_start, field, object,
};
use crate::model::{
    Event, Hello, ProcKey, ProcSample, Register, RemoteAnswer, RemoteSeries, Root, RunId, Shot, StopOutcome,
    StopRecord, TreeSample, TrialView, WatchRequest,
};

/// How a trial was founded: what is known of it beside its head.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// By `run`, `watch` on the own socket, or discovery.
    Register(Box<Register>),
    /// By a trainer's hello.
    Hello(Box<Hello>),
    /// By `watch`, or a `run` that joined.
    Watch(Box<WatchRequest>),
}

impl Json for Origin {
    fn put(&self) -> Value {
        match self {
            Origin::Register(register) => object([("register", register.put())]),
            Origin::Hello(hello) => object([("hello", hello.put())]),
            Origin::Watch(watch) => object([("watch", watch.put())]),
        }
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match (field(value, "register")?, field(value, "hello")?, field(value, "watch")?) {
            (Some(register), None, None) => Ok(Origin::Register(register)),
            (None, Some(hello), None) => Ok(Origin::Hello(hello)),
            (None, None, Some(watch)) => Ok(Origin::Watch(watch)),
            _ => Err(Broken::new("register, hello or watch wanted")),
        }
    }
}

/// One record to be written.
#[derive(Debug)]
pub(super) enum Item {
    Input(Box<Event>),
    Start(Box<Start>),
    End,
    Dropped(Dropped),
    /// Processes that a tree has gained.
    Members(RunId, Vec<ProcKey>),
    /// A head with its number in the tally; how the trial was founded and where its tree grows, the first time.
    Head {
        view: Arc<TrialView>,
        origin: Option<Origin>,
        root: Option<Root>,
        number: u64,
    },
    /// Where a tree grows, known after its trial's head.
    Root(RunId, Root),
    Stop(StopRecord),
    Close(StopRecord, StopOutcome),
    Shot(Shot),
}

impl Item {
    /// The row of an input; `None` for the others.
    pub fn row(&self) -> Option<Row> {
        match self {
            Item::Input(event) => Some(encode_event(event)),
            Item::Start(start) => Some(encode_start(start)),
            Item::End => Some(encode_end()),
            Item::Dropped(dropped) => Some(encode_dropped(dropped)),
            _ => None,
        }
    }

    /// About how many bytes it holds while it waits.
    pub fn weight(&self) -> usize {
        let inner = match self {
            Item::Input(event) => std::mem::size_of::<Event>() + event_weight(event),
            Item::Start(_) => 1024,
            // Heads share their view with the snapshots.
            Item::Head { .. } => 1024,
            Item::Members(_, keys) => std::mem::size_of_val(&**keys),
            Item::Stop(_) | Item::Close(..) => 512,
            _ => 0,
        };
        std::mem::size_of::<Item>() + inner
    }
}

fn event_weight(event: &Event) -> usize {
    match event {
        Event::Tick(tick) => tick.trees.iter().map(tree_weight).sum(),
        Event::Reading(reading) => tree_weight(&reading.sample),
        Event::Tree(tree) => std::mem::size_of_val(&*tree.members),
        Event::Swept(swept) => std::mem::size_of_val(&*swept.left),
        Event::Line(_) | Event::Register(_) => 2048,
        Event::Remote(answer) => answer_weight(answer),
        _ => 0,
    }
}

fn answer_weight(answer: &RemoteAnswer) -> usize {
    let label = |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
    let series = |series: &RemoteSeries| size_of::<RemoteSeries>() + series.labels.iter().map(label).sum::<usize>();
    // Rule and expression are shared with the policy.
    answer.result.as_ref().map_or_else(String::len, |all| all.iter().map(series).sum())
}

fn tree_weight(tree: &TreeSample) -> usize {
    std::mem::size_of::<TreeSample>() + tree.members.len() * std::mem::size_of::<ProcSample>()
}
