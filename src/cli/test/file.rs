//! The shape of a test file: that of `promtool test rules`, and `stop_rule_test` beside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestFile {
    /// Policies, seen from the file's folder.
    #[serde(default)]
    pub rule_files: Vec<PathBuf>,
    /// Time between two ticks.
    pub evaluation_interval: Option<String>,
    /// Accepted and of no use: one policy has one order.
    #[serde(default, rename = "group_eval_order")]
    pub _group_eval_order: Vec<String>,
    /// Values may differ by rounding anyway.
    #[serde(default, rename = "fuzzy_compare")]
    pub _fuzzy_compare: bool,
    #[serde(default)]
    pub tests: Vec<Group>,
}

/// Series, and what is expected over them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub name: Option<String>,
    /// Time between two samples.
    pub interval: Option<String>,
    #[serde(default)]
    pub input_series: Vec<Input>,
    #[serde(default)]
    pub promql_expr_test: Vec<ExprTest>,
    #[serde(default)]
    pub alert_rule_test: Vec<AlertTest>,
    #[serde(default)]
    pub stop_rule_test: Vec<StopTest>,
}

/// A series in promtool's notation: `0+10x5 _ stale`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub series: String,
    /// A single number is read as such by YAML.
    pub values: Scalar,
}

/// What an expression gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExprTest {
    pub expr: String,
    pub eval_time: Scalar,
    #[serde(default)]
    pub exp_samples: Vec<Sample>,
}

/// One element.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    /// As PromQL writes a series; empty for none.
    #[serde(default)]
    pub labels: String,
    pub value: Scalar,
}

/// What fires.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertTest {
    pub eval_time: Scalar,
    /// The rule.
    pub alertname: String,
    #[serde(default)]
    pub exp_alerts: Vec<ExpectedAlert>,
}

/// One alert.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedAlert {
    #[serde(default)]
    pub exp_labels: BTreeMap<String, Scalar>,
    /// `summary` is compared; nothing else is known.
    #[serde(default)]
    pub exp_annotations: BTreeMap<String, String>,
}

/// Whom a rule has stopped, or would have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StopTest {
    pub eval_time: Scalar,
    pub rule: String,
    #[serde(default)]
    pub exp_stops: Vec<ExpectedStop>,
}

/// One stop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedStop {
    pub trial: String,
    pub experiment: Option<String>,
    /// What the trial and the log would be told.
    pub reason: Option<String>,
}

/// A value that YAML may take for a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Whole(n) => write!(f, "{n}"),
            Scalar::Number(n) => write!(f, "{n}"),
            Scalar::Text(text) => f.write_str(text),
        }
    }
}
