//! Labels made of labels.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Captures, Regex};

use super::super::{Element, EvalError, Value, regexes};
use super::Arguments;

/// `label_join(vector, label, separator, from, ...)`.
pub fn join(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    let (label, separator) = (arguments.text(1), arguments.text(2));
    let sources: Vec<&str> = (3..arguments.values.len()).map(|index| arguments.text(index)).collect();
    if sources.contains(&"") {
        return Err(EvalError::Failed("invalid source label name in label_join(): ".to_string()));
    }
    if label.is_empty() {
        return Err(EvalError::Failed("invalid destination label name in label_join(): ".to_string()));
    }
    let mut made = Made::default();
    let joined = |element: &Element| {
        let values: Vec<&str> = sources.iter().map(|source| element.labels.get(source)).collect();
        let value = values.join(separator);
        made.count(value.len())?;
        Ok(Element { labels: element.labels.with(label, &value), value: element.value })
    };
    arguments.vector(0).iter().map(joined).collect::<Result<_, _>>().map(Value::Vector)
}

/// `label_replace(vector, label, replacement, from, regex)`.
pub fn replace(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    let [label, template, source, pattern] = [1, 2, 3, 4].map(|index| arguments.text(index));
    let Some(regex) = compiled(pattern) else {
        return Err(EvalError::Failed(format!("invalid regular expression in label_replace(): {pattern}")));
    };
    if label.is_empty() {
        return Err(EvalError::Failed("invalid destination label name in label_replace(): ".to_string()));
    }
    let mut made = Made::default();
    let replaced = |element: &Element| match regex.captures(element.labels.get(source)) {
        Some(found) => {
            let value = expanded(template, &regex, &found)?;
            made.count(value.len())?;
            Ok(Element { labels: element.labels.with(label, &value), value: element.value })
        }
        None => Ok(element.clone()),
    };
    arguments.vector(0).iter().map(replaced).collect::<Result<_, _>>().map(Value::Vector)
}

/// Bytes of label values that one call has made. Calls around calls could double a value until the memory is full:
/// Prometheus lets them.
#[derive(Default)]
struct Made(usize);

impl Made {
    /// Most of one call: 80 bytes for each of the 200,000 series that a part may give.
    const MOST: usize = 16 << 20;

    fn count(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.0 += bytes;
        if self.0 <= Made::MOST {
            return Ok(());
        }
        Err(EvalError::TooMuch(format!("the query makes more than {} MiB of label values", Made::MOST >> 20)))
    }
}

/// A regex that must fit the whole value; compiled once, as rules ask for the same ones over and over.
fn compiled(pattern: &str) -> Option<Regex> {
    /// Patterns kept; more are compiled again and again.
    const KEPT: usize = 64;
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
    }
    COMPILED.with_borrow_mut(|kept| {
        if let Some(regex) = kept.get(pattern) {
            return Some(regex.clone());
        }
        let regex = regexes::anchored(pattern).ok()?;
        if kept.len() < KEPT {
            kept.insert(pattern.to_string(), regex.clone());
        }
        Some(regex)
    })
}

/// The template with `$1`, `$name` and `${name}` put in, and `$$` as `$`. As in Go: a name is as long as letters, digits and
/// underscores go, what no group has is empty, and a `$` that begins no name stays.
fn expanded(template: &str, regex: &Regex, found: &Captures<'_>) -> Result<String, EvalError> {
    let mut made = Made::default();
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = match reference(after) {
            _ if after.starts_with('$') => {
                text.push('$');
                &after[1..]
            }
            Some((name, after)) => {
                let group = group(name, regex, found);
                made.count(group.len())?;
                text.push_str(group);
                after
            }
            None => {
                text.push('$');
                after
            }
        };
    }
    Ok(text + rest)
}

/// The name at the beginning of what follows a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, braced) = text.strip_prefix('{').map_or((text, false), |inner| (inner, true));
    let length = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    let (name, after) = name.split_at(length);
    let after = if braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// What a group found, by number or name; a number does not begin with 0. Of several of one name the first that found something.
fn group<'f>(name: &str, regex: &Regex, found: &Captures<'f>) -> &'f str {
    let number = name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let group = if number { name.parse().ok().and_then(|n: usize| found.get(n)) } else { named(name, regex, found) };
    group.map_or("", |group| group.as_str())
}

fn named<'f>(name: &str, regex: &Regex, found: &Captures<'f>) -> Option<regex::Match<'f>> {
    regex.capture_names().position(|n| n == Some(name)).and_then(|place| found.get(place))
}

#[cfg(test)]
mod tests {
    use super::super::super::Labels;
    use super::*;

    type Call = fn(&Arguments<'_>) -> Result<Value, EvalError>;

    fn called(function: Call, labels: &[(&str, &str)], texts: &[&str]) -> Result<Labels, String> {
        let element = Element { labels: Labels::new(labels.iter().copied()), value: 1.0 };
        let texts = texts.iter().map(|text| Value::Text(text.to_string()));
        let values: Vec<Value> = [Value::Vector(vec![element])].into_iter().chain(texts).collect();
        match function(&Arguments { written: &[], values: &values, at: 0 }) {
            Ok(Value::Vector(elements)) => Ok(elements[0].labels.clone()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn expand(template: &str, pattern: &str, text: &str) -> String {
        let regex = Regex::new(pattern).unwrap();
        expanded(template, &regex, &regex.captures(text).unwrap()).unwrap()
    }

    #[test]
    fn templates_are_as_in_go() {
        let expand = |template| expand(template, "(a+)(?P<rest>b*)(c)?", "aabb");
        assert_eq!(expand("$1-$2-${rest}-$rest"), "aa-bb-bb-bb");
        assert_eq!(expand("$1x ${1}x $10 $3 $none"), " aax   ");
        assert_eq!(expand("$$1 $ $- ${1 ${} $"), "$1 $ $- ${1 ${} $");
        assert_eq!(expand("$0 $01 ${00} é$2é"), "aabb   é");
        assert_eq!(expand("$99999999999999999999999"), "");
    }

    #[test]
    fn a_label_is_replaced_where_the_whole_value_fits() {
        let labels = [("__name__", "m"), ("src", "source-10"), ("dst", "old")];
        let replace = |texts: &[&str]| called(replace, &labels, texts).unwrap();
        assert_eq!(replace(&["dst", "v-$1", "src", "source-(.*)"]).get("dst"), "v-10");
        assert_eq!(replace(&["dst", "v-$1", "src", "ource-(.*)"]).get("dst"), "old");
        assert_eq!(replace(&["dst", "", "src", ".*"]), Labels::new([("__name__", "m"), ("src", "source-10")]));
        assert_eq!(replace(&["new", "x", "none", ""]).get("new"), "x");
        assert_eq!(replace(&["__name__", "n", "src", ".*"]).name(), "n");
        assert_eq!(replace(&["\u{ff}", "x", "src", ".*"]).get("\u{ff}"), "x");
    }

    #[test]
    fn values_are_joined() {
        let labels = [("a", "1"), ("c", "3"), ("dst", "old")];
        let join = |texts: &[&str]| called(join, &labels, texts).unwrap();
        assert_eq!(join(&["dst", "-", "a", "b", "c"]).get("dst"), "1--3");
        assert_eq!(join(&["dst", "-"]), Labels::new([("a", "1"), ("c", "3")]));
    }

    #[test]
    fn what_is_wrong_is_said_in_prometheus_s_words() {
        let labels = [("a", "1")];
        let error = called(replace, &labels, &["dst", "x", "a", "("]).unwrap_err();
        assert_eq!(error, "invalid regular expression in label_replace(): (");
        let error = called(replace, &labels, &["", "x", "a", ".*"]).unwrap_err();
        assert_eq!(error, "invalid destination label name in label_replace(): ");
        assert!(called(join, &labels, &["", "-", "a"]).unwrap_err().contains("destination"));
        assert!(called(join, &labels, &["a", "-", ""]).unwrap_err().contains("source"));
    }

    #[test]
    fn a_value_cannot_double_until_the_memory_is_full() {
        let long = "x".repeat(10_000);
        let labels = [("a", long.as_str())];
        let error = called(replace, &labels, &["a", &"$1".repeat(4000), "a", "(.*)"]).unwrap_err();
        assert_eq!(error, "the query makes more than 16 MiB of label values");
        let often = [["a", ""].as_slice(), &["a"; 2000]].concat();
        assert_eq!(called(join, &labels, &often).unwrap_err(), error);
        assert!(called(replace, &labels, &["a", "$1$1", "a", "(.*)"]).is_ok());
    }
}
