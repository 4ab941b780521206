//! Values as Prometheus writes them: numbers as strings, times as seconds.

use std::fmt::Write;

use super::{Failure, Kind};
use crate::promql::{Labels, Value};

/// Longest answer. Prometheus has no such bound; a sidecar must not take the memory of those it watches. A million samples
/// come to about as much.
const BYTES: usize = 32 << 20;

/// A text with quotes.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list of texts.
pub(super) fn list<T: AsRef<str>>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(|one| text(one.as_ref())).collect();
    format!("[{}]", all.join(","))
}

/// A number as Go prints it with format 'f' and the fewest digits that tell it from its neighbours.
pub(super) fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        v => v.to_string(),
    }
}

/// A number as Go prints it with format 'e', as alerts have it: `1.5e+02`.
pub(super) fn exponent(value: f64) -> String {
    let plain = format!("{value:e}");
    match plain.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => number(value),
    }
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    match ms % 1000 {
        0 => format!("{sign}{}", ms / 1000),
        rest => format!("{sign}{}.{rest:03}", ms / 1000),
    }
}

/// A label set as an object.
pub(super) fn labels(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.pairs().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// The result of a query at a time: type and value; at most `limit` series.
pub(super) fn value(value: &Value, at: i64, limit: usize) -> Result<String, Failure> {
    let at = seconds(at);
    let (kind, result) = match value {
        Value::Scalar(v) => ("scalar", format!("[{at},\"{}\"]", number(*v))),
        Value::Text(said) => ("string", format!("[{at},{}]", text(said))),
        Value::Vector(elements) => {
            let of = |out: &mut String, element: &crate::promql::Element| {
                let value = number(element.value);
                write!(out, "{{\"metric\":{},\"value\":[{at},\"{value}\"]}}", labels(&element.labels))
            };
            ("vector", array(elements.iter().take(limit), of)?)
        }
        Value::Matrix(tracks) => ("matrix", matrix(tracks, limit)?),
    };
    Ok(format!("{{\"resultType\":\"{kind}\",\"result\":{result}}}"))
}

/// A matrix as a list; at most `limit` series.
pub(super) fn matrix(tracks: &[crate::promql::Track], limit: usize) -> Result<String, Failure> {
    array(tracks.iter().take(limit), |out, track| {
        write!(out, "{{\"metric\":{},\"values\":[", labels(&track.labels))?;
        for (index, point) in track.points.iter().enumerate() {
            if out.len() > BYTES {
                return Err(std::fmt::Error);
            }
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}[{},\"{}\"]", seconds(point.t), number(point.v))?;
        }
        out.push_str("]}");
        Ok(())
    })
}

/// A list of what `write` makes of each, if it is not too long.
pub(super) fn array<T>(
    all: impl Iterator<Item = T>,
    write: impl Fn(&mut String, T) -> std::fmt::Result,
) -> Result<String, Failure> {
    let mut out = "[".to_owned();
    for one in all {
        if out.len() > 1 {
            out.push(',');
        }
        if write(&mut out, one).is_err() || out.len() > BYTES {
            let message =
                format!("the answer is longer than {} MiB; ask for fewer series or a longer step", BYTES >> 20);
            return Err(Failure::new(Kind::Execution, message));
        }
    }
    out.push(']');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{Element, Point, Track};

    #[test]
    fn numbers_as_go_prints_them() {
        for (value, said) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e21, "1000000000000000000000"),
            (1.5e-7, "0.00000015"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), said);
        }
        for (value, said) in [(1.0, "1e+00"), (0.0, "0e+00"), (-1.5e-7, "-1.5e-07"), (2e300, "2e+300")] {
            assert_eq!(exponent(value), said);
        }
        assert_eq!((exponent(f64::NAN), exponent(f64::INFINITY)), ("NaN".to_owned(), "+Inf".to_owned()));
    }

    #[test]
    fn times_as_seconds() {
        let all = [0, 1, 50, 1_435_781_430_781, 1_435_781_430_000, 1100, -1500].map(seconds);
        assert_eq!(all, ["0", "0.001", "0.050", "1435781430.781", "1435781430", "1.100", "-1.500"]);
    }

    #[test]
    fn results() {
        let set = Labels::new([("__name__", "up"), ("a", "\"b\"\n")]);
        let vector = Value::Vector(vec![Element { labels: set.clone(), value: 1.0 }; 2]);
        let said = r#"{"metric":{"__name__":"up","a":"\"b\"\n"},"value":[1.500,"1"]}"#;
        let whole = format!("{{\"resultType\":\"vector\",\"result\":[{said},{said}]}}");
        assert_eq!(value(&vector, 1500, 9), Ok(whole));
        assert!(value(&vector, 0, 1).is_ok_and(|text| text.matches("metric").count() == 1));
        let points = vec![Point { t: 0, v: 1.0 }, Point { t: 1000, v: f64::NAN }];
        let said = r#"[{"metric":{},"values":[[0,"1"],[1,"NaN"]]}]"#;
        assert_eq!(matrix(&[Track { labels: Labels::empty(), points }], 1).as_deref(), Ok(said));
        let said = r#"{"resultType":"scalar","result":[2,"+Inf"]}"#;
        assert_eq!(value(&Value::Scalar(f64::INFINITY), 2000, 1).as_deref(), Ok(said));
        let said = r#"{"resultType":"string","result":[2,"a\"b"]}"#;
        assert_eq!(value(&Value::Text("a\"b".to_owned()), 2000, 1).as_deref(), Ok(said));
    }

    #[test]
    fn answers_are_bounded() {
        let track = Track { labels: Labels::empty(), points: vec![Point { t: 1, v: 0.1 }; BYTES / 10] };
        let refused = matrix(&[track], 1).expect_err("too long");
        assert!(refused.kind == Kind::Execution && refused.message.contains("32 MiB"), "{refused:?}");
    }
}
