//! Answers of Prometheus's query API, and who of them may act here.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Trouble;
use crate::model::RemoteOutcome::{Error, Invalid, Partial, Refused};
use crate::model::RemoteSeries;

/// Most bytes of labels that the series of one host may have. Answers are journaled, one every few seconds; 4,096 trials
/// (the limit of `running_trials`) with 200 bytes each have 800 kB.
const LARGEST_SHARE: usize = 1 << 20;

/// Longest piece of a server's own words that is repeated, characters.
const LONGEST_WORDS: usize = 300;

/// What annotations of PromQL itself begin with, in Prometheus 3: they speak of the expression and not of missing data.
const HARMLESS: &str = "PromQL info:";

#[derive(Deserialize)]
struct Answer<'a> {
    status: String,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
    /// VictoriaMetrics, in its cluster version.
    #[serde(default, rename = "isPartial")]
    is_partial: Option<bool>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    histogram: Option<IgnoredAny>,
}

/// The series of an answer that carry all labels of the identity. Whatever casts doubt on the whole answer makes it none.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    identity: &[(String, String)],
) -> Result<Vec<RemoteSeries>, Trouble> {
    let answer = serde_json::from_slice::<Answer>(body);
    if !status.is_success() {
        return Err(failed(status, answer.ok()));
    }
    let answer =
        answer.map_err(|error| Trouble::new(Invalid, format!("the answer is not Prometheus's JSON: {error}")))?;
    if answer.status != "success" {
        let why = format!("it cannot answer: {}", words(&format!("{}: {}", answer.error_type, answer.error)));
        return Err(Trouble::new(Error, why));
    }
    if let Some(doubt) = doubt(&answer) {
        return Err(Trouble::new(Partial, format!("the answer may be in part: {doubt}")));
    }
    let data = answer.data.ok_or_else(|| Trouble::new(Invalid, "the answer has no data"))?;
    if data.result_type != "vector" {
        let why = format!("a rule's answer is an instant vector, this is a {}", words(&data.result_type));
        return Err(Trouble::new(Invalid, why));
    }
    let samples: Vec<Sample> = serde_json::from_str(data.result.get())
        .map_err(|error| Trouble::new(Invalid, format!("the answer's vector is damaged: {error}")))?;
    ours(samples, identity)
}

fn failed(status: StatusCode, answer: Option<Answer>) -> Trouble {
    let said = match answer {
        Some(answer) if !answer.error.is_empty() => format!(": {}", words(&answer.error)),
        _ => String::new(),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Trouble::new(Refused, format!("HTTP {status}{said}; look at basic_auth, bearer_token_file and headers"))
        }
        _ if status.is_redirection() => {
            Trouble::new(Error, format!("HTTP {status}: it is somewhere else; write that URL"))
        }
        _ => Trouble::new(Error, format!("HTTP {status}{said}")),
    }
}

/// What casts doubt on the whole of an answer.
fn doubt(answer: &Answer) -> Option<String> {
    let warning = answer.warnings.iter().flatten().next();
    let info = answer.infos.iter().flatten().find(|info| !info.starts_with(HARMLESS));
    match warning.or(info) {
        Some(text) => Some(words(text)),
        None => answer.is_partial.unwrap_or(false).then(|| "isPartial".to_string()),
    }
}

/// Those that carry the identity, in our vocabulary.
fn ours(samples: Vec<Sample>, identity: &[(String, String)]) -> Result<Vec<RemoteSeries>, Trouble> {
    let mut found = Vec::new();
    let mut size = 0;
    for sample in samples {
        if !identity.iter().all(|(name, value)| sample.metric.get(name) == Some(value)) {
            continue;
        }
        let value = match (&sample.value, &sample.histogram) {
            (Some((_, text)), None) => number(text)?,
            (None, Some(_)) => return Err(Trouble::new(Invalid, "a native histogram is not a number")),
            _ => return Err(Trouble::new(Invalid, "a series without one value")),
        };
        size += sample.metric.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if size > LARGEST_SHARE {
            let why =
                format!("the series of this host have more than {LARGEST_SHARE} bytes of labels; name fewer in `by`");
            return Err(Trouble::new(Invalid, why));
        }
        found.push(RemoteSeries { labels: sample.metric.into_iter().collect(), value });
    }
    Ok(found)
}

/// A number as Go writes it: `1e+06`, `NaN`, `+Inf`.
fn number(text: &str) -> Result<f64, Trouble> {
    text.parse().map_err(|_| Trouble::new(Invalid, format!("{:?} is not a number", words(text))))
}

/// A server's words, in one line of bounded length.
fn words(text: &str) -> String {
    text.chars().take(LONGEST_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
