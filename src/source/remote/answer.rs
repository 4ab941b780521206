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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RemoteOutcome;

    fn identity() -> Vec<(String, String)> {
        [("instance", "gpu1:9877"), ("job", "earlystop")].map(|(n, v)| (n.to_string(), v.to_string())).to_vec()
    }

    fn with(status: u16, body: &str) -> Result<Vec<RemoteSeries>, Trouble> {
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &identity())
    }

    fn vector(result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#)
    }

    fn sample(labels: &str, value: &str) -> String {
        format!(r#"{{"metric":{{{labels}}},"value":[1700000000.123,"{value}"]}}"#)
    }

    const OURS: &str = r#""trial":"t","instance":"gpu1:9877","job":"earlystop""#;

    /// The outcome and the words of what must not be an answer.
    fn trouble(status: u16, body: &str) -> (RemoteOutcome, String) {
        let trouble = with(status, body).expect_err(body);
        (trouble.outcome, trouble.why)
    }

    #[test]
    fn only_series_of_this_host_act() {
        let others = [
            r#""trial":"t","instance":"gpu2:9877","job":"earlystop""#,
            r#""trial":"t","instance":"gpu1:9877""#,
            r#""trial":"t","instance":"gpu1:9877","job":"EARLYSTOP""#,
            r#""trial":"t","instance":"gpu1:98775","job":"earlystop""#,
            r#""trial":"t""#,
            "",
        ];
        let mut samples: Vec<String> = others.iter().map(|labels| sample(labels, "1")).collect();
        assert_eq!(with(200, &vector(&samples.join(","))), Ok(vec![]));
        samples.insert(3, sample(OURS, "0.5"));
        let series = with(200, &vector(&samples.join(","))).unwrap();
        let labels = [("instance", "gpu1:9877"), ("job", "earlystop"), ("trial", "t")];
        let labels = labels.map(|(n, v)| (n.to_string(), v.to_string())).to_vec();
        assert_eq!(series, [RemoteSeries { labels, value: 0.5 }]);
        assert_eq!((series[0].label("trial"), series[0].label("experiment")), (Some("t"), None));
        assert_eq!(with(200, &vector("")), Ok(vec![]));
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let value = |text: &str| with(200, &vector(&sample(OURS, text))).map(|series| series[0].value);
        for (text, number) in [("1e+06", 1e6), ("-0", -0.0), ("0.30000000000000004", 0.1 + 0.2), ("5e-324", 5e-324)] {
            assert_eq!(value(text).unwrap().to_bits(), f64::to_bits(number), "{text}");
        }
        assert_eq!((value("+Inf"), value("-Inf")), (Ok(f64::INFINITY), Ok(f64::NEG_INFINITY)));
        assert!(value("NaN").unwrap().is_nan());
        for bad in ["", "1,5", "0x10", "one"] {
            assert_eq!(value(bad).unwrap_err().outcome, Invalid, "{bad}");
        }
    }

    #[test]
    fn labels_may_hold_anything() {
        let series = with(200, &vector(&sample(&format!(r#"{OURS},"x":"\u00fc \"\\\n{{}}""#), "1"))).unwrap();
        assert_eq!(series[0].label("x"), Some("ü \"\\\n{}"));
    }

    #[test]
    fn half_an_answer_is_none() {
        let good = vector(&sample(OURS, "1"));
        let plus = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
        let partial = |more: &str| trouble(200, &plus(more));
        let (outcome, why) = partial(r#""warnings":["store 10.0.0.7:10901: deadline exceeded"]"#);
        assert!(outcome == Partial && why.contains("store 10.0.0.7"), "{why}");
        assert_eq!(partial(r#""isPartial":true"#).0, Partial);
        assert_eq!(partial(r#""infos":["some stores were not asked"]"#).0, Partial);
        for harmless in [
            r#""warnings":[]"#,
            r#""warnings":null,"infos":null,"isPartial":false"#,
            r#""infos":["PromQL info: metric might not be a counter, name does not end in _total: \"partial\" (1:6)"]"#,
            r#""stats":{"seriesFetched":"1"},"trace":{"x":[]}"#,
        ] {
            assert!(with(200, &plus(harmless)).is_ok(), "{harmless}");
        }
    }

    #[test]
    fn errors_are_in_the_servers_words() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error:\nunexpected end"}"#;
        assert_eq!(trouble(200, error), (Error, "it cannot answer: bad_data: parse error: unexpected end".into()));
        assert_eq!(trouble(422, error), (Error, "HTTP 422 Unprocessable Entity: parse error: unexpected end".into()));
        assert_eq!(trouble(502, "<html>Bad gateway</html>"), (Error, "HTTP 502 Bad Gateway".into()));
        assert_eq!(trouble(301, "").0, Error);
        for status in [401, 403] {
            let (outcome, why) = trouble(status, "Unauthorized");
            assert!(outcome == Refused && why.contains("basic_auth"), "{why}");
        }
        let long = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(100_000));
        assert!(trouble(500, &long).1.len() < 400);
        assert_eq!(trouble(500, &vector("")).0, Error, "whatever the body says");
    }

    #[test]
    fn what_is_no_vector_is_no_answer() {
        let of = |kind: &str, result: &str| {
            trouble(200, &format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#))
        };
        for (kind, result) in [("scalar", "[1,\"1\"]"), ("string", "[1,\"x\"]"), ("matrix", "[]"), ("streams", "[]")] {
            let (outcome, why) = of(kind, result);
            assert!(outcome == Invalid && why.ends_with(&format!("this is a {kind}")), "{why}");
        }
        for result in ["{}", "null", "[1]", "[{}]", r#"[{"metric":{"a":1},"value":[1,"1"]}]"#] {
            let (outcome, _) = of("vector", result);
            assert_eq!(outcome, Invalid, "{result}");
        }
        let histogram = r#"{"metric":{LABELS},"histogram":[1,{"count":"1","sum":"1"}]}"#.replace("LABELS", OURS);
        assert_eq!(trouble(200, &vector(&histogram)).0, Invalid);
        let none = r#"{"metric":{LABELS}}"#.replace("LABELS", OURS);
        assert_eq!(trouble(200, &vector(&none)).0, Invalid);
    }

    #[test]
    fn every_cut_of_an_answer_is_refused() {
        let whole = vector(&[sample(OURS, "1"), sample("", "2")].join(","));
        assert!(with(200, &whole).is_ok());
        for end in 0..whole.len() {
            assert_eq!(trouble(200, &whole[..end]).0, Invalid, "{}", &whole[..end]);
        }
        for noise in ["[]", "null", "\"success\"", "{}", "{\"status\":\"success\"}", "\u{0}", &"[".repeat(100_000)] {
            assert_eq!(trouble(200, noise).0, Invalid, "{noise:.20}");
        }
        let bytes = read(StatusCode::OK, b"{\"status\":\"succ\xff\xfe\"}", &identity());
        assert_eq!(bytes.unwrap_err().outcome, Invalid);
    }

    #[test]
    fn a_share_too_large_to_keep_is_no_answer() {
        let label = |n: usize| format!(r#"{OURS},"x":"{}""#, "v".repeat(n));
        assert!(with(200, &vector(&sample(&label(LARGEST_SHARE - 100), "1"))).is_ok());
        let (outcome, why) = trouble(200, &vector(&sample(&label(LARGEST_SHARE), "1")));
        assert!(outcome == Invalid && why.contains("labels"), "{why}");
        let foreign = sample(&format!(r#""x":"{}""#, "v".repeat(2 * LARGEST_SHARE)), "1");
        assert_eq!(with(200, &vector(&foreign)), Ok(vec![]), "others' series take nothing");
    }
}
