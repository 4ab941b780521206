//! Names and ids.

use std::fmt;
use std::sync::Arc;

/// The name of a trial, an experiment, a group: 1 to 128 of `[A-Za-z0-9._:/=+@-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text is longer than 128 characters.
    #[error("a name has at most 128 characters, this one has {0}")]
    TooLong(usize),
    /// The text holds a character that names may not have.
    #[error("a name cannot hold {0:?}; allowed are letters, digits and . _ : / = + @ -")]
    Character(char),
}

impl Name {
    /// Longest name, in characters (all of them ASCII).
    pub const MAX: usize = 128;

    /// The experiment of a trial that names none.
    pub fn default_experiment() -> Name {
        Name("default".into())
    }

    /// Checks a text and makes it a name.
    pub fn new(text: &str) -> Result<Name, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        let bad = |c: &char| !(c.is_ascii_alphanumeric() || "._:/=+@-".contains(*c));
        if let Some(c) = text.chars().find(bad) {
            return Err(BadName::Character(c));
        }
        match text.len() {
            n if n > Name::MAX => Err(BadName::TooLong(n)),
            _ => Ok(Name(text.into())),
        }
    }

    /// Makes a name of any text: other characters become `_`, the rest beyond 128 is cut.
    pub fn made_of(text: &str) -> Name {
        let keep = |c: char| if c.is_ascii_alphanumeric() || "._:/=+@-".contains(c) { c } else { '_' };
        let text: String = text.chars().map(keep).take(Name::MAX).collect();
        Name(if text.is_empty() { "trial".into() } else { text.into() })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u128);

        impl $name {
            /// An id from a time (milliseconds since the Unix epoch) and 80 bits that tell it from others of that time.
            pub fn from_parts(wall_ms: i64, bits: u128) -> Self {
                $name(ulid::Ulid::from_parts(wall_ms.max(0) as u64, bits).0)
            }

            /// Reads the 26 characters of a ULID.
            pub fn parse(text: &str) -> Option<Self> {
                ulid::Ulid::from_string(text).ok().map(|u| $name(u.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&ulid::Ulid(self.0).to_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

ulid_id! {
    /// One start of a trial: a ULID.
    RunId
}
ulid_id! {
    /// One trial's way down a ladder: a ULID.
    StopId
}

/// One connection to the socket, numbered from 1 in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Name::new("svm-b32-lr0.01:fold=3/a+b@c_d").is_ok());
        assert_eq!(Name::new(""), Err(BadName::Empty));
        assert_eq!(Name::new("a b"), Err(BadName::Character(' ')));
        assert_eq!(Name::new("ä"), Err(BadName::Character('ä')));
        assert!(Name::new(&"x".repeat(128)).is_ok());
        assert_eq!(Name::new(&"x".repeat(129)), Err(BadName::TooLong(129)));
        assert_eq!(Name::made_of("my run!").as_str(), "my_run_");
    }

    #[test]
    fn ids_are_ulids() {
        let id = RunId::from_parts(1_700_000_000_000, 7);
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(RunId::parse(&id.to_string()), Some(id));
        assert_eq!(RunId::parse("nonsense"), None);
    }
}
