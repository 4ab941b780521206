//! Values as trainers write them: counts that may come as 3.0, numbers that JSON has no words for, texts that may come
//! as numbers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Largest count: beyond 2^53 a gauge (a double) could no longer tell neighbours apart.
const MAX_COUNT: u64 = 1 << 53;

/// A whole number from 0 to 2^53; `3.0` counts as 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Count, D::Error> {
        struct Counts;
        impl Visitor<'_> for Counts {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 2^53")
            }

            fn visit_u64<E: Error>(self, v: u64) -> Result<Count, E> {
                if v > MAX_COUNT {
                    return Err(E::invalid_value(Unexpected::Unsigned(v), &self));
                }
                Ok(Count(v))
            }

            fn visit_i64<E: Error>(self, v: i64) -> Result<Count, E> {
                u64::try_from(v)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(v), &self))
                    .and_then(|v| self.visit_u64(v))
            }

            fn visit_f64<E: Error>(self, v: f64) -> Result<Count, E> {
                if v.fract() != 0.0 || !(0.0..=MAX_COUNT as f64).contains(&v) {
                    return Err(E::invalid_value(Unexpected::Float(v), &self));
                }
                Ok(Count(v as u64))
            }
        }
        from.deserialize_any(Counts)
    }
}

/// Any double: a number, or "NaN", "Infinity", "-Infinity" as a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_u64<E: Error>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }

            fn visit_i64<E: Error>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }

            fn visit_f64<E: Error>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }

            fn visit_str<E: Error>(self, v: &str) -> Result<Number, E> {
                match v {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(Unexpected::Str(v), &self)),
                }
            }
        }
        from.deserialize_any(Numbers)
    }
}

/// A finite number of at least 0: seconds, epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amount(pub f64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let Number(v) = Number::deserialize(from)?;
        if !v.is_finite() || v < 0.0 {
            return Err(D::Error::invalid_value(Unexpected::Float(v), &"a finite number of at least 0"));
        }
        Ok(Amount(v))
    }
}

/// A text, a number, a truth value or nothing, as the text that JSON would write for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Scalar<'a>, D::Error> {
        struct Scalars;
        impl<'de> Visitor<'de> for Scalars {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false or null")
            }

            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Borrowed(v)))
            }

            fn visit_str<E: Error>(self, v: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Owned(v.to_owned())))
            }

            fn visit_bool<E: Error>(self, v: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Borrowed(if v { "true" } else { "false" })))
            }

            fn visit_u64<E: Error>(self, v: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Owned(v.to_string())))
            }

            fn visit_i64<E: Error>(self, v: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Owned(v.to_string())))
            }

            fn visit_f64<E: Error>(self, v: f64) -> Result<Scalar<'de>, E> {
                // As JSON writes it: 0.1, 1e-7, 3.0. JSON itself has no NaN; that came as a text.
                Ok(Scalar(Cow::Owned(serde_json::to_string(&v).unwrap_or_else(|_| v.to_string()))))
            }

            fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar(Cow::Borrowed("null")))
            }
        }
        from.deserialize_any(Scalars)
    }
}

/// The members of a JSON object in their order, each key with its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Members<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<T>, D::Error> {
        struct Object<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object: {\"name\": value, ...}")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object(std::marker::PhantomData))
    }
}

/// A double as our own lines write it: a number, or the word for what JSON has no number for.
pub(super) fn write_number<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    match *value {
        v if v.is_nan() => to.serialize_str("NaN"),
        f64::INFINITY => to.serialize_str("Infinity"),
        f64::NEG_INFINITY => to.serialize_str("-Infinity"),
        v => to.serialize_f64(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Option<u64> {
        serde_json::from_str::<Count>(text).ok().map(|c| c.0)
    }

    #[test]
    fn counts_are_whole_and_not_huge() {
        assert_eq!(count("3"), Some(3));
        assert_eq!(count("3.0"), Some(3));
        assert_eq!(count("1e3"), Some(1000));
        assert_eq!(count("-0.0"), Some(0));
        assert_eq!(count("9007199254740992"), Some(MAX_COUNT));
        for bad in ["9007199254740993", "-1", "3.5", "1e300", "18446744073709551616", "\"3\"", "true", "null"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }

    #[test]
    fn scalars_are_written_as_json_writes_them() {
        for (json, text) in [
            ("\"a\"", "a"),
            ("0.1", "0.1"),
            ("1e-7", "1e-7"),
            ("3.0", "3.0"),
            ("-4", "-4"),
            ("true", "true"),
            ("null", "null"),
        ] {
            assert_eq!(serde_json::from_str::<Scalar<'_>>(json).unwrap().0, text);
        }
        assert!(serde_json::from_str::<Scalar<'_>>("[1]").is_err());
    }
}
