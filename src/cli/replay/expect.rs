//! Figures of a report by name, for `--expect`.

use serde_json::Value;

use super::super::Failure;
use crate::replay::{Answer, Bounds, Expectation};

/// Whether a report is as expected; why it is not, in words.
///
/// # Errors
/// A name that no report has.
pub fn verdict(expectation: &Expectation, report: &Value) -> Result<Result<(), String>, Failure> {
    let known = names(report);
    for name in expectation.names() {
        if !known.iter().any(|known| known == name) {
            let near = known.iter().map(|k| (strsim::jaro_winkler(name, k), k)).filter(|(score, _)| *score > 0.75);
            let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| format!("did you mean {name}? "));
            let plain = known.iter().filter(|name| !name.contains('.')).cloned().collect::<Vec<_>>().join(", ");
            let hint =
                format!("{}names are those of --json: {plain}, and parts as in regret.mean", near.unwrap_or_default());
            return Err(Failure::new(format!("--expect: there is no figure {name:?}"), hint));
        }
    }
    let figure = |name: &str| bounds(report, name);
    let answer = match expectation.answer(&figure) {
        Ok(answer) => answer,
        Err(why) => return Ok(Err(format!("not identified: {}: {why}", expectation.text()))),
    };
    let told = expectation.told(&figure).join("; ");
    Ok(match answer {
        Answer::Yes => Ok(()),
        Answer::No => Err(format!("not as expected: {told}")),
        Answer::Open => Err(format!("not identified: nobody can know from this record: {told}")),
    })
}

/// Whether an object is a figure with its bounds.
fn is_figure(value: &Value) -> bool {
    value.get("low").is_some() && value.get("high").is_some()
}

/// All names that have a figure, with a dot between an object and its part.
fn names(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &Value)> = vec![(String::new(), report)];
    while let Some((name, value)) = open.pop() {
        let is_name = !name.is_empty() && !matches!(value, Value::String(_));
        if is_name && (!value.is_object() || is_figure(value)) {
            found.push(name.clone());
        }
        for (part, value) in value.as_object().into_iter().flatten() {
            let full = if name.is_empty() { part.clone() } else { format!("{name}.{part}") };
            open.push((full, value));
        }
    }
    found.sort();
    found
}

/// The figure of a name.
fn bounds(report: &Value, name: &str) -> Result<Bounds, String> {
    let value = name.split('.').try_fold(report, |value, part| value.get(part)).unwrap_or(&Value::Null);
    let number = |value: &Value| match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Array(all) => Some(all.len() as f64),
        other => other.as_f64(),
    };
    if is_figure(value) {
        // What has no bound is written as null.
        let low = value.get("low").and_then(number).unwrap_or(f64::NEG_INFINITY);
        let high = value.get("high").and_then(number).unwrap_or(f64::INFINITY);
        return Ok(Bounds { low, high });
    }
    number(value).map(Bounds::exact).ok_or_else(|| format!("{name} is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Result<(), String>, String> {
        let report = serde_json::json!({
            "kept": {"share": 0.97, "low": 0.9, "high": 1.0}, "regret": {"mean": 0.1, "low": 0.1, "high": null},
            "speedup": {"low": 2.5, "high": 2.5}, "stopped": 3, "stops": [1, 2], "equal": true, "mode": "recorded",
            "regret_scaled": null,
        });
        verdict(&Expectation::parse(text).unwrap(), &report).map_err(|failure| failure.to_string())
    }

    #[test]
    fn figures_are_found_by_name() {
        assert_eq!(asked("kept >= 0.9 and speedup >= 2.5 and stops == 2 and equal == 1"), Ok(Ok(())));
        assert_eq!(asked("kept.share > 0.96 and stopped < 4"), Ok(Ok(())));
        assert_eq!(asked("speedup > 3"), Ok(Err("not as expected: speedup (2.5) > 3".into())));
    }

    #[test]
    fn what_nobody_knows_is_not_identified() {
        let told = asked("kept >= 0.95").unwrap().unwrap_err();
        assert!(told.starts_with("not identified") && told.contains("kept (0.9 to 1) >= 0.95"), "{told}");
        assert!(asked("regret < 0.2").unwrap().unwrap_err().contains("regret (0.1 to inf)"));
        assert!(asked("regret_scaled < 1").unwrap().unwrap_err().contains("regret_scaled is not known"));
    }

    #[test]
    fn a_name_that_is_none_is_told_with_the_nearest() {
        let told = asked("keept >= 0.9").unwrap_err();
        assert!(told.contains("no figure \"keept\"") && told.contains("did you mean kept?"), "{told}");
        assert!(asked("mode == 1").unwrap_err().contains("no figure \"mode\""), "words are no figures");
    }
}
