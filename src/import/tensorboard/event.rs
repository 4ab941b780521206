//! What stands in the records of event files, as far as it is read: TensorBoard's protobuf messages, with the numbers of
//! `tensorboard/compat/proto` and `tensorboard/plugins/hparams/plugin_data.proto`.

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since the Unix epoch.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub tag: String,
    /// As TF 1, PyTorch and tensorboardX write.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// As TF 2 and newer PyTorch write.
    #[prost(message, optional, tag = "8")]
    pub tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
    #[prost(bytes = "vec", tag = "4")]
    pub content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub doubles: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub ints: Vec<i32>,
    #[prost(int64, repeated, tag = "10")]
    pub longs: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, tag = "1")]
    pub size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

/// What the hparams plugin notes of a run.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hparams {
    #[prost(message, optional, tag = "3")]
    pub start: Option<SessionStart>,
    #[prost(message, optional, tag = "4")]
    pub end: Option<SessionEnd>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionStart {
    #[prost(map = "string, message", tag = "1")]
    pub hparams: HashMap<String, Hparam>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionEnd {
    /// 1 success, 2 failure, 3 running.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `google.protobuf.Value`, its plain kinds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hparam {
    #[prost(double, optional, tag = "2")]
    pub number: Option<f64>,
    #[prost(string, optional, tag = "3")]
    pub text: Option<String>,
    #[prost(bool, optional, tag = "4")]
    pub flag: Option<bool>,
}

/// Numbers of TensorFlow's types.
const FLOAT: i32 = 1;
const DOUBLE: i32 = 2;
const INT32: i32 = 3;
const INT64: i32 = 9;

impl SummaryValue {
    /// The value, if it is a single number.
    pub fn scalar(&self) -> Option<f64> {
        self.simple_value.map(f64::from).or_else(|| self.tensor.as_ref()?.scalar())
    }

    /// What the hparams plugin says here.
    pub fn hparams(&self) -> Option<Hparams> {
        let plugin = self.metadata.as_ref()?.plugin.as_ref()?;
        (plugin.name == "hparams").then(|| Hparams::decode(plugin.content.as_slice()).ok()).flatten()
    }
}

impl Tensor {
    /// Its only number: histograms and images have more.
    fn scalar(&self) -> Option<f64> {
        let single = self.shape.as_ref().is_none_or(|shape| shape.dim.iter().all(|dim| dim.size == 1));
        let bytes = self.content.as_slice();
        match self.dtype {
            _ if !single => None,
            FLOAT => bytes.try_into().ok().map(f32::from_le_bytes).or(self.floats.first().copied()).map(f64::from),
            DOUBLE => bytes.try_into().ok().map(f64::from_le_bytes).or(self.doubles.first().copied()),
            INT32 => bytes.try_into().ok().map(i32::from_le_bytes).or(self.ints.first().copied()).map(f64::from),
            INT64 => bytes.try_into().ok().map(i64::from_le_bytes).or(self.longs.first().copied()).map(|n| n as f64),
            _ => None,
        }
    }
}

impl Hparam {
    /// As a text; a list or nothing has none.
    pub fn shown(&self) -> Option<String> {
        let number = self.number.map(|number| number.to_string());
        self.text.clone().or(number).or(self.flag.map(|flag| flag.to_string()))
    }
}
