//! `summary` templates: `memory {{ value | bytes }} in {{ trial }}`.

use std::ops::Range;

use super::file::near;
use super::words;

/// What a template may show.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The value that met the condition.
    pub value: f64,
    /// The trial's name.
    pub trial: &'a str,
    /// Its experiment.
    pub experiment: &'a str,
    /// A label of the trial; what it does not have is shown as nothing.
    pub label: &'a dyn Fn(&str) -> Option<String>,
}

/// What is wrong with a template: where in it, the cause, what to do.
pub(super) struct BadTemplate {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// How a value is written.
type Format = fn(f64) -> String;

/// What may follow `value |`.
const FORMATS: [(&str, Format); 4] =
    [("bytes", words::bytes), ("percent", words::percent), ("duration", words::seconds), ("number", words::number)];

enum Piece<'t> {
    Text(&'t str),
    Value(Format),
    Trial,
    Experiment,
    Label(&'t str),
}

/// Fills a template in. One that [`crate::policy::load`] did not check is given back as it is where it is wrong.
pub fn render(template: &str, facts: &Facts<'_>) -> String {
    let Ok(pieces) = pieces(template) else { return template.to_string() };
    let show = |piece: Piece<'_>| match piece {
        Piece::Text(text) => text.to_string(),
        Piece::Value(format) => format(facts.value),
        Piece::Trial => facts.trial.to_string(),
        Piece::Experiment => facts.experiment.to_string(),
        Piece::Label(name) => (facts.label)(name).unwrap_or_default(),
    };
    pieces.into_iter().map(show).collect()
}

/// Looks at every place of a template.
pub(super) fn check(template: &str) -> Result<(), BadTemplate> {
    pieces(template).map(|_| ())
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, BadTemplate> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = template[at..].find("{{").map(|i| i + at) {
        found.push(Piece::Text(&template[at..open]));
        let Some(close) = template[open..].find("}}").map(|i| i + open) else {
            let hint = "write {{ value }}".to_string();
            return Err(BadTemplate { span: open..template.len(), message: "`{{` is never closed".into(), hint });
        };
        let bad = |(message, hint)| BadTemplate { span: open..close + 2, message, hint };
        found.push(placeholder(template[open + 2..close].trim()).map_err(bad)?);
        at = close + 2;
    }
    found.push(Piece::Text(&template[at..]));
    Ok(found)
}

fn placeholder(inner: &str) -> Result<Piece<'_>, (String, String)> {
    let (what, format) = match inner.split_once('|') {
        Some((what, format)) => (what.trim(), Some(format.trim())),
        None => (inner, None),
    };
    match (what, format) {
        ("value", None) => Ok(Piece::Value(words::number)),
        ("value", Some(name)) => match FORMATS.iter().find(|(n, _)| *n == name) {
            Some((_, format)) => Ok(Piece::Value(*format)),
            None => Err((format!("no format `{name}`"), near(name, FORMATS.iter().map(|(n, _)| *n)))),
        },
        (_, Some(format)) => {
            Err((format!("`{what}` is text and has no format `{format}`"), format!("write {{{{ {what} }}}}")))
        }
        ("trial", None) => Ok(Piece::Trial),
        ("experiment", None) => Ok(Piece::Experiment),
        (_, None) => match what.strip_prefix("labels.").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Piece::Label(name)),
            None => {
                let known = ["value", "value | bytes", "trial", "experiment", "labels.NAME"];
                Err((format!("a summary cannot show `{what}`"), near(what, known.into_iter())))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str, value: f64) -> String {
        let label = |name: &str| (name == "algorithm").then(|| "svm".to_string());
        render(template, &Facts { value, trial: "b32", experiment: "red", label: &label })
    }

    #[test]
    fn places_are_filled_in() {
        assert_eq!(shown("memory {{ value | bytes }} over", 641_728_512.0), "memory 612 MiB over");
        assert_eq!(shown("{{experiment}}/{{ trial }} {{ labels.algorithm }}{{ labels.none }}.", 0.0), "red/b32 svm.");
        assert_eq!(shown("{{ value }} {{value|percent}} {{ value | duration }}", 0.25), "0.25 25 % 250ms");
        assert_eq!(shown("no place, one } and { too", 0.0), "no place, one } and { too");
        assert_eq!(shown("", 0.0), "");
    }

    #[test]
    fn wrong_places_are_found_where_they_are() {
        let wrong = |t: &str| check(t).err().map(|e| (e.span, e.message));
        assert_eq!(wrong("a {{ value"), Some((2..10, "`{{` is never closed".into())));
        assert_eq!(wrong("a {{ valeu }}"), Some((2..13, "a summary cannot show `valeu`".into())));
        assert_eq!(wrong("{{ value | byte }}"), Some((0..18, "no format `byte`".into())));
        assert_eq!(wrong("{{ trial | bytes }}"), Some((0..19, "`trial` is text and has no format `bytes`".into())));
        assert_eq!(wrong("{{ labels. }}").map(|w| w.0), Some(0..13));
        assert_eq!(wrong("fine {{ value | bytes }}"), None);
    }
}
