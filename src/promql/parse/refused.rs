//! What the dialect leaves out, by name.

use super::tokens::{Kind, Token};
use super::{Place, Problem, problem};
use crate::promql::{Aggregation, FUNCTIONS, function};

/// Functions of Prometheus that are experimental or about native histograms, and what to do instead.
const FUNCTIONS_LEFT_OUT: [(&str, &str); 25] = [
    ("double_exponential_smoothing", "use avg_over_time or predict_linear"),
    ("end", "`@ end()` behind a selector is understood"),
    ("histogram_avg", ""),
    ("histogram_count", ""),
    ("histogram_quantiles", "use histogram_quantile, once for each quantile"),
    ("histogram_stddev", ""),
    ("histogram_stdvar", ""),
    ("histogram_sum", ""),
    ("holt_winters", "use avg_over_time or predict_linear"),
    ("info", "join with * on (...) group_left (...)"),
    ("integral", "use sum_over_time"),
    ("mad_over_time", "use stddev_over_time, or quantile_over_time"),
    ("max_of", "use clamp_min on a vector"),
    ("min_of", "use clamp_max on a vector"),
    ("range", "write the duration"),
    ("sort_by_label", "use sort"),
    ("sort_by_label_desc", "use sort_desc"),
    ("start", "`@ start()` behind a selector is understood"),
    ("start_timestamp", ""),
    ("step", "write the duration"),
    ("ts_of_first_over_time", ""),
    ("ts_of_last_over_time", "use timestamp"),
    ("ts_of_max_over_time", ""),
    ("ts_of_min_over_time", ""),
    ("xrate", "use rate"),
];

/// What the dialect is, for messages.
const DIALECT: &str = "the dialect is PromQL of Prometheus 3.14 with float samples and stable functions";

/// Refuses an unknown function.
pub(super) fn function_call(name: &str, place: Place) -> Problem {
    if let Some((_, instead)) = FUNCTIONS_LEFT_OUT.iter().find(|(known, _)| *known == name) {
        let native = name.starts_with("histogram_") && name != "histogram_quantiles";
        let why = if native { "is about native histograms" } else { "is experimental or gone" };
        let hint = if instead.is_empty() { DIALECT.to_string() } else { format!("{instead}; {DIALECT}") };
        return problem(place, format!("the function `{name}` {why} and not part of the dialect"), hint);
    }
    if is_aggregation(name) {
        let hint = format!("use topk; {DIALECT}");
        return problem(place, format!("the aggregation `{name}` is experimental and not part of the dialect"), hint);
    }
    let lower = name.to_ascii_lowercase();
    let hint = match lower.as_str() {
        _ if function(&lower).is_some() => format!("functions are written in small letters: {lower}"),
        "mean" | "average" => "use avg, or avg_over_time over a range".to_string(),
        "median" => "use quantile(0.5, x), or quantile_over_time(0.5, x[5m])".to_string(),
        "increase_over_time" => "use increase".to_string(),
        "rate_over_time" => "use rate".to_string(),
        "if" | "case" => "PromQL filters: a and b, a unless b, a > b".to_string(),
        "by" | "without" => "it belongs to an aggregation: sum by (label) (x)".to_string(),
        "now" => "use time()".to_string(),
        "log" => "use ln, log2 or log10".to_string(),
        "pow" => "use ^".to_string(),
        "std" | "stdev" => "use stddev, or stddev_over_time over a range".to_string(),
        _ => nearest(&lower).map_or_else(String::new, |near| format!("did you mean {near}?")),
    };
    problem(place, format!("there is no function `{name}`"), hint)
}

/// Whether it is an aggregation that the dialect leaves out.
pub(super) fn is_aggregation(name: &str) -> bool {
    ["limitk", "limit_ratio"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The function or aggregation whose name is nearest, if one is near.
fn nearest(name: &str) -> Option<&'static str> {
    let most = if name.len() <= 5 { 1 } else { 3 };
    let all = FUNCTIONS.iter().map(|f| f.name).chain(Aggregation::ALL.iter().map(|a| a.as_str()));
    let scored =
        all.map(|known| (strsim::damerau_levenshtein(name, known), 1.0 - strsim::jaro_winkler(name, known), known));
    let near = scored.filter(|(distance, ..)| *distance <= most);
    near.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(.., known)| known)
}

/// Refuses `smoothed` and `anchored`.
pub(super) fn modifier(token: &Token) -> Option<Problem> {
    let word = ["smoothed", "anchored"].into_iter().find(|word| token.is_word(word))?;
    let message = format!("`{word}` is experimental and not part of the dialect");
    Some(problem(token.place.clone(), message, format!("leave it out; {DIALECT}")))
}

/// Refuses `fill`, `fill_left` and `fill_right` behind an operator.
pub(super) fn fill(token: &Token) -> Option<Problem> {
    let word = ["fill", "fill_left", "fill_right"].into_iter().find(|word| token.is_word(word))?;
    let message = format!("`{word}` is experimental and not part of the dialect");
    Some(problem(token.place.clone(), message, format!("write (a + b) or a or b; {DIALECT}")))
}

/// Whether a token begins or goes on with a calculated duration.
fn calculates(token: &Token) -> bool {
    let words = ["step", "range", "min", "max", "min_of", "max_of"];
    !matches!(token.kind, Kind::Name(_)) || words.iter().any(|word| token.is_word(word))
}

/// Refuses what is in place of a plain duration.
pub(super) fn duration(token: &Token, source: &str, example: &str) -> Problem {
    let place = token.place.clone();
    match &token.kind {
        Kind::Mark("+" | "-" | "*" | "/" | "%" | "^" | "(") | Kind::Name(_) if calculates(token) => {
            let message =
                format!("expected a duration, found `{source}`: durations that are calculated are experimental");
            problem(place, message, format!("write the duration as {example}; {DIALECT}"))
        }
        Kind::End => problem(place, "unexpected end, expected a duration", format!("write it as {example}")),
        _ => problem(place, format!("expected a duration, found `{source}`"), format!("write it as {example}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;

    #[test]
    fn what_is_left_out_is_said_by_name() {
        all_are_said(&[
            (
                "limitk by (group) (1, x)",
                "limitk",
                "the aggregation `limitk` is experimental and not part of the dialect",
                "use topk; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "max_of(x)",
                "max_of",
                "the function `max_of` is experimental or gone and not part of the dialect",
                "use clamp_min on a vector; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a[-5m]",
                "-",
                "expected a duration, found `-`: durations that are calculated are experimental",
                "write the duration as [5m]; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a[5m*2]",
                "*",
                "expected a duration, found `*`: durations that are calculated are experimental",
                "write the duration as [5m]; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a[2*5m]",
                "*",
                "expected a duration, found `*`: durations that are calculated are experimental",
                "write the duration as [5m]; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a[step()]",
                "step",
                "expected a duration, found `step`: durations that are calculated are experimental",
                "write the duration as [5m]; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a offset (5m)",
                "(",
                "expected a duration, found `(`: durations that are calculated are experimental",
                "write the duration as offset 5m; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            ("RATE(x[5m])", "RATE", "there is no function `RATE`", "functions are written in small letters: rate"),
            ("rat(x[5m])", "rat", "there is no function `rat`", "did you mean rate?"),
            ("average(x)", "average", "there is no function `average`", "use avg, or avg_over_time over a range"),
            (
                "median(x)",
                "median",
                "there is no function `median`",
                "use quantile(0.5, x), or quantile_over_time(0.5, x[5m])",
            ),
            ("foo(x)", "foo", "there is no function `foo`", ""),
            (
                "holt_winters(x[5m],0.5,0.5)",
                "holt_winters",
                "the function `holt_winters` is experimental or gone and not part of the dialect",
                "use avg_over_time or predict_linear; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "mad_over_time(x[5m])",
                "mad_over_time",
                "the function `mad_over_time` is experimental or gone and not part of the dialect",
                "use stddev_over_time, or quantile_over_time; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "start()",
                "start",
                "the function `start` is experimental or gone and not part of the dialect",
                "`@ start()` behind a selector is understood; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "histogram_sum(x)",
                "histogram_sum",
                "the function `histogram_sum` is about native histograms and not part of the dialect",
                "the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "limitk(2, x)",
                "limitk",
                "the aggregation `limitk` is experimental and not part of the dialect",
                "use topk; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "limit_ratio(0.5, x)",
                "limit_ratio",
                "the aggregation `limit_ratio` is experimental and not part of the dialect",
                "use topk; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "info(x)",
                "info",
                "the function `info` is experimental or gone and not part of the dialect",
                "join with * on (...) group_left (...); the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a[5m] smoothed",
                "smoothed",
                "`smoothed` is experimental and not part of the dialect",
                "leave it out; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a anchored",
                "anchored",
                "`anchored` is experimental and not part of the dialect",
                "leave it out; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a + fill (5) b",
                "fill",
                "`fill` is experimental and not part of the dialect",
                "write (a + b) or a or b; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            (
                "a + on (x) fill_left(0) b",
                "fill_left",
                "`fill_left` is experimental and not part of the dialect",
                "write (a + b) or a or b; the dialect is PromQL of Prometheus 3.14 with float samples and stable functions",
            ),
            ("by (x)", "by", "there is no function `by`", "it belongs to an aggregation: sum by (label) (x)"),
        ]);
    }
}
