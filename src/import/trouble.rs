//! Why a source cannot be imported, in words for a person.

/// Why a source cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Trouble {
    /// Where: FILE, FILE:LINE, an address.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Trouble {
    /// Something is wrong at a place.
    pub fn new(place: impl ToString, message: impl Into<String>, hint: impl Into<String>) -> Trouble {
        Trouble { place: place.to_string(), message: message.into(), hint: hint.into() }
    }

    /// A thing that the source does not have, and those that it has.
    pub fn unknown<'k>(
        place: impl ToString,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Trouble {
        let known: Vec<&str> = known.into_iter().collect();
        Trouble::new(place, format!("there is no {what} {name:?}"), among(name, &known))
    }
}

/// So many names are listed.
const LISTED: usize = 20;

/// The nearest of the known names, and which there are.
fn among(name: &str, known: &[&str]) -> String {
    let near = |k: &&&str| distance(name, k) <= (k.chars().count().max(name.chars().count()) / 3).max(1);
    let nearest = known.iter().filter(near).min_by_key(|k| distance(name, k));
    let guess = nearest.map(|k| format!("did you mean {k:?}? ")).unwrap_or_default();
    match known.len() {
        0 => "there is none at all".to_string(),
        n if n > LISTED => format!("{guess}there are {}, ... ({n} in all)", known[..LISTED].join(", ")),
        _ => format!("{guess}there are {}", known.join(", ")),
    }
}

fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named() {
        let trouble = Trouble::unknown("a.csv", "metric", "val_los", ["val_loss", "acc"]);
        assert_eq!(trouble.to_string(), r#"a.csv: there is no metric "val_los""#);
        assert_eq!(trouble.hint, r#"did you mean "val_loss"? there are val_loss, acc"#);
        assert_eq!(Trouble::unknown("a", "x", "y", []).hint, "there is none at all");
        let many: Vec<String> = (0..100).map(|n| format!("column_{n}")).collect();
        let hint = Trouble::unknown("a", "x", "zzz", many.iter().map(String::as_str)).hint;
        assert!(hint.ends_with("column_19, ... (100 in all)") && hint.starts_with("there are"), "{hint}");
    }
}
