//! One file of the user: its text, what was found wrong with it, and its tables read key by key.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::units;
use crate::model::{Diagnostic, Severity};

/// A text, where it came from, and its findings so far.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: Arc<str>,
    findings: RefCell<Vec<Diagnostic>>,
}

impl File {
    pub(super) fn new(path: &Path, text: &str) -> File {
        File { path: path.to_path_buf(), text: text.into(), findings: RefCell::default() }
    }

    pub(super) fn error(&self, code: &'static str, span: Range<usize>, message: impl Into<String>, hint: &str) {
        self.find(Severity::Error, code, span, message.into(), hint);
    }

    pub(super) fn warning(&self, code: &'static str, span: Range<usize>, message: impl Into<String>, hint: &str) {
        self.find(Severity::Warning, code, span, message.into(), hint);
    }

    fn find(&self, severity: Severity, code: &'static str, span: Range<usize>, message: String, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_string());
        let (file, text) = (self.path.clone(), self.text.clone());
        self.findings.borrow_mut().push(Diagnostic { severity, code, file, text, span, message, hint });
    }

    /// Whether an error was found.
    pub(super) fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|f| f.severity == Severity::Error)
    }

    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.text.as_bytes()[..span.start.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1
    }

    /// All findings, in the order of their places.
    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        let mut found = self.findings.into_inner();
        found.sort_by_key(|f| (f.span.start, f.span.end));
        found
    }

    /// The file as a table; `None` if it is not TOML. Then every syntax error is found, and nothing else: what follows
    /// from a broken line would only hide it.
    pub(super) fn document<'a>(&self, text: &'a str) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            let hint = match error.message() {
                "duplicate key" => "a key stands once in its table",
                _ => "this is TOML: lines like name = \"cap\", text in quotes, tables as [name] or [[name]]",
            };
            self.error("toml", span, error.message(), hint);
        }
        errors.is_empty().then(|| table.into_inner())
    }
}

/// A threshold before it is known what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Number(f64),
}

/// A table that is read key by key. What was asked for is what is allowed: [`Table::close`] refuses the rest.
pub(super) struct Table<'a> {
    file: &'a File,
    /// As messages call it: `a rule`, `[guard]`.
    what: &'a str,
    pub(super) span: Range<usize>,
    entries: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
    /// Keys that are known, but not to be recommended.
    later: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(file: &'a File, what: &'a str, span: Range<usize>, entries: &'a DeTable<'a>) -> Table<'a> {
        Table { file, what, span, entries, asked: RefCell::default(), later: RefCell::default() }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.entries.get(key)
    }

    /// Where the key itself stands.
    pub(super) fn key(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get_key_value(key).map(|(k, _)| k.span())
    }

    /// Refuses a key that a later version brings, with what to do until then. Whether it was there.
    pub(super) fn later(&self, key: &'static str, hint: &str) -> bool {
        self.later.borrow_mut().push(key);
        let Some(span) = self.key(key) else { return false };
        self.file.error("not-yet", span, format!("`{key}` comes with a later version"), hint);
        true
    }

    /// Whether one of these keys stands here, or one that is probably meant for it: it has a finding of its own then,
    /// and that it is missing need not be said.
    pub(super) fn attempts(&self, keys: &[&str]) -> bool {
        self.entries.keys().any(|k| nearest(k.get_ref(), keys.iter().copied()).is_some())
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, example: &str) {
        let message = format!("`{key}` must be {expected}, this is {}", kind(value.get_ref()));
        // An example of a whole table names its key itself.
        let key = if example.contains(key) { String::new() } else { format!("{key} = ") };
        self.file.error("wrong-type", value.span(), message, &format!("write {key}{example}"));
    }

    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<Spanned<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            _ => {
                self.wrong(key, value, "text", example);
                None
            }
        }
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<Spanned<bool>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(Spanned::new(value.span(), *flag)),
            _ => {
                self.wrong(key, value, "true or false", "true");
                None
            }
        }
    }

    /// A whole number from `least` on.
    pub(super) fn count(&self, key: &'static str, least: u64, example: &str) -> Option<Spanned<u64>> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok().filter(|n| *n >= least),
            _ => {
                self.wrong(key, value, "a whole number", example);
                return None;
            }
        };
        if number.is_none() {
            let message = format!("`{key}` must be a whole number from {least} on");
            self.file.error("bad-value", value.span(), message, &format!("write {key} = {example}"));
        }
        Some(Spanned::new(value.span(), number?))
    }

    /// A number, or text that a unit may follow.
    pub(super) fn scalar(&self, key: &'static str, example: &str) -> Option<Spanned<Scalar>> {
        let value = self.get(key)?;
        let scalar = match value.get_ref() {
            DeValue::String(text) => Some(Scalar::Text(text.to_string())),
            other => number(other).map(Scalar::Number),
        };
        if scalar.is_none() {
            self.wrong(key, value, "a number, or text with a unit", example);
        }
        Some(Spanned::new(value.span(), scalar?))
    }

    /// A duration in nanoseconds.
    pub(super) fn duration(&self, key: &'static str, example: &str) -> Option<Spanned<u64>> {
        let scalar = self.scalar(key, example)?;
        match units::duration(scalar.get_ref()) {
            Ok(ns) => Some(Spanned::new(scalar.span(), ns)),
            Err(why) => {
                self.file.error("bad-duration", scalar.span(), format!("`{key}`: {why}"), units::DURATION_HINT);
                None
            }
        }
    }

    /// A duration that is not 0.
    pub(super) fn period(&self, key: &'static str, example: &str) -> Option<Spanned<u64>> {
        let ns = self.duration(key, example)?;
        if *ns.get_ref() == 0 {
            let message = format!("`{key}` must be longer than 0");
            self.file.error("bad-value", ns.span(), message, &format!("write {key} = {example}"));
            return None;
        }
        Some(ns)
    }

    /// A list of texts; a single text stands for a list of one.
    pub(super) fn texts(&self, key: &'static str, example: &str) -> Option<Vec<Spanned<String>>> {
        let value = self.get(key)?;
        let of = |v: &Spanned<DeValue<'_>>| match v.get_ref() {
            DeValue::String(text) => Some(Spanned::new(v.span(), text.to_string())),
            _ => {
                self.wrong(key, v, "a list of texts", example);
                None
            }
        };
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(of).collect()),
            _ => of(value).map(|one| vec![one]),
        }
    }

    /// A table under `key`.
    pub(super) fn table(&self, key: &'static str, what: &'a str, example: &str) -> Option<Table<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.file, what, value.span(), entries)),
            _ => {
                self.wrong(key, value, "a table", example);
                None
            }
        }
    }

    /// A list of tables under `key`; `None` if there is no such key.
    pub(super) fn tables(&self, key: &'static str, what: &'a str, example: &str) -> Option<Vec<Table<'a>>> {
        let value = self.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, "a list of tables", example);
            return None;
        };
        let of = |v: &'a Spanned<DeValue<'a>>| match v.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.file, what, v.span(), entries)),
            _ => {
                self.wrong(key, v, "a list of tables", example);
                None
            }
        };
        Some(items.iter().filter_map(of).collect())
    }

    /// Every entry, for tables whose keys the user chooses.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Spanned<&'a str>, &'a Spanned<DeValue<'a>>)> {
        self.entries.iter().map(|(k, v)| (Spanned::new(k.span(), k.get_ref().as_ref()), v))
    }

    /// Refuses what nobody asked for, with the nearest name.
    pub(super) fn close(self) {
        let (asked, later) = (self.asked.into_inner(), self.later.into_inner());
        let known = |name: &str| asked.contains(&name) || later.contains(&name);
        for key in self.entries.keys().filter(|k| !known(k.get_ref())) {
            let name = key.get_ref().as_ref();
            let message = format!("{} has no key `{name}`", self.what);
            self.file.error("unknown-key", key.span(), message, &near(name, asked.iter().copied()));
        }
    }
}

/// A number of TOML; `None` for anything else, and for one that does not fit.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(i) => i128::from_str_radix(i.as_str(), i.radix()).ok().map(|n| n as f64),
        DeValue::Float(f) => f.as_str().parse().ok(),
        _ => None,
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A hint that names the nearest of `known`, or all of them where none is near.
pub(super) fn near<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known name that a person most likely meant.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase().replace('-', "_");
    let distance = |k: &str| strsim::damerau_levenshtein(&lower, &k.to_lowercase().replace('-', "_"));
    // A third of the letters may differ: more, and the guess would be no help.
    let near = |k: &&str| distance(k) <= (k.chars().count().max(name.chars().count()) / 3).max(1);
    known.filter(near).min_by_key(|k| distance(k))
}
