//! Bodies of the journal's rows: the vocabulary as JSON and back, exact to the last bit of a number (a NaN is a NaN again).
//!
//! A row of an older version may lack a field: what can be absent (an `Option`, a list, a map) then is.

mod event;
mod imported;
mod trial;
mod words;

#[cfg(test)]
pub(super) use trial::tests as tests_of_trial;

pub use event::{Dropped, Input, Start};
pub(super) use event::{Row, decode, encode_dropped, encode_end, encode_event, encode_start};
pub use imported::{Format, Imported, Times};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::{ConnId, Name, RunId, StopId};

/// Why a body could not be read: the way to the field, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Broken {
    path: String,
    what: String,
}

impl Broken {
    pub(super) fn new(what: impl Into<String>) -> Broken {
        Broken { path: String::new(), what: what.into() }
    }

    fn under(self, key: &str) -> Broken {
        Broken { path: format!(".{key}{}", self.path), what: self.what }
    }
}

/// A value of the vocabulary as JSON.
pub(super) trait Json: Sized {
    fn put(&self) -> Value;
    fn take(value: &Value) -> Result<Self, Broken>;
}

/// The field `key` of an object.
pub(super) fn field<T: Json>(value: &Value, key: &str) -> Result<T, Broken> {
    T::take(value.get(key).unwrap_or(&Value::Null)).map_err(|b| b.under(key))
}

/// A field that came later than the first journals: where it is absent, its default.
pub(super) fn later<T: Json + Default>(value: &Value, key: &str) -> Result<T, Broken> {
    value.get(key).map_or_else(|| Ok(T::default()), |found| T::take(found).map_err(|b| b.under(key)))
}

/// An object with these fields; an absent one is left out.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let present = fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_string(), v));
    Value::Object(present.collect::<Map<_, _>>())
}

fn wanted<T>(what: &str, value: &Value) -> Result<T, Broken> {
    let text: String = value.to_string().chars().take(60).collect();
    Err(Broken::new(format!("{what} wanted, found {text}")))
}

macro_rules! whole {
    ($($ty:ty),*) => {$(
        impl Json for $ty {
            fn put(&self) -> Value {
                Value::from(*self)
            }
            fn take(value: &Value) -> Result<Self, Broken> {
                let number = value.as_u64().and_then(|n| <$ty>::try_from(n).ok());
                number.or_else(|| value.as_i64().and_then(|n| <$ty>::try_from(n).ok())).map_or_else(|| wanted("a whole number", value), Ok)
            }
        }
    )*};
}
whole!(u8, u32, u64, usize, i32, i64);

impl Json for bool {
    fn put(&self) -> Value {
        Value::Bool(*self)
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        value.as_bool().map_or_else(|| wanted("true or false", value), Ok)
    }
}

impl Json for f64 {
    fn put(&self) -> Value {
        match serde_json::Number::from_f64(*self) {
            Some(number) => Value::Number(number),
            None if self.is_nan() => "NaN".into(),
            None if *self > 0.0 => "Infinity".into(),
            None => "-Infinity".into(),
        }
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match value {
            Value::Number(number) => number.as_f64().map_or_else(|| wanted("a number", value), Ok),
            Value::String(text) if text == "NaN" => Ok(f64::NAN),
            Value::String(text) if text == "Infinity" => Ok(f64::INFINITY),
            Value::String(text) if text == "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => wanted("a number", value),
        }
    }
}

impl Json for String {
    fn put(&self) -> Value {
        Value::String(self.clone())
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        value.as_str().map_or_else(|| wanted("a text", value), |s| Ok(s.to_string()))
    }
}

impl Json for Arc<str> {
    fn put(&self) -> Value {
        Value::String(self.to_string())
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        String::take(value).map(Arc::from)
    }
}

impl Json for PathBuf {
    fn put(&self) -> Value {
        Value::String(self.to_string_lossy().into_owned())
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        String::take(value).map(PathBuf::from)
    }
}

impl Json for Name {
    fn put(&self) -> Value {
        self.as_str().into()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        Name::new(&String::take(value)?).map_err(|bad| Broken::new(bad.to_string()))
    }
}

macro_rules! ulids {
    ($($ty:ident),*) => {$(
        impl Json for $ty {
            fn put(&self) -> Value {
                self.to_string().into()
            }
            fn take(value: &Value) -> Result<Self, Broken> {
                $ty::parse(&String::take(value)?).map_or_else(|| wanted("a ULID", value), Ok)
            }
        }
    )*};
}
ulids!(RunId, StopId);

impl Json for ConnId {
    fn put(&self) -> Value {
        self.0.put()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        u64::take(value).map(ConnId)
    }
}

impl<T: Json> Json for Option<T> {
    fn put(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::put)
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        if value.is_null() { Ok(None) } else { T::take(value).map(Some) }
    }
}

impl<T: Json> Json for Vec<T> {
    fn put(&self) -> Value {
        self.iter().map(T::put).collect()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(all) => {
                all.iter().enumerate().map(|(i, v)| T::take(v).map_err(|b| b.under(&i.to_string()))).collect()
            }
            _ => wanted("a list", value),
        }
    }
}

impl<T: Json, const N: usize> Json for [T; N] {
    fn put(&self) -> Value {
        self.iter().map(T::put).collect()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        let all = Vec::<T>::take(value)?;
        let count = all.len();
        all.try_into().map_err(|_| Broken::new(format!("{N} values wanted, found {count}")))
    }
}

impl<T: Json> Json for BTreeMap<String, T> {
    fn put(&self) -> Value {
        Value::Object(self.iter().map(|(k, v)| (k.clone(), v.put())).collect())
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Object(all) => {
                all.iter().map(|(k, v)| Ok((k.clone(), T::take(v).map_err(|b| b.under(k))?))).collect()
            }
            _ => wanted("an object", value),
        }
    }
}

impl<T: Json> Json for Arc<T> {
    fn put(&self) -> Value {
        (**self).put()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        T::take(value).map(Arc::new)
    }
}

impl<T: Json> Json for Box<T> {
    fn put(&self) -> Value {
        (**self).put()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        T::take(value).map(Box::new)
    }
}

macro_rules! tuples {
    ($(($($name:ident $at:tt),+)),*) => {$(
        impl<$($name: Json),+> Json for ($($name,)+) {
            fn put(&self) -> Value {
                Value::Array(vec![$(self.$at.put()),+])
            }
            fn take(value: &Value) -> Result<Self, Broken> {
                Ok(($($name::take(value.get($at).unwrap_or(&Value::Null)).map_err(|b| b.under(stringify!($at)))?,)+))
            }
        }
    )*};
}
tuples!((A 0, B 1), (A 0, B 1, C 2));

/// A struct as an object, every field by its name; the compiler sees to it that none is forgotten. After a semicolon stand those
/// that older journals do not have.
macro_rules! record {
    ($ty:ident { $($name:ident),+ $(; $($later:ident),+)? $(,)? }) => {
        impl $crate::journal::body::Json for $ty {
            fn put(&self) -> serde_json::Value {
                let $ty { $($name,)+ $($($later,)+)? } = self;
                $crate::journal::body::object([
                    $((stringify!($name), $name.put()),)+ $($((stringify!($later), $later.put()),)+)?
                ])
            }
            fn take(value: &serde_json::Value) -> Result<Self, $crate::journal::body::Broken> {
                Ok($ty {
                    $($name: $crate::journal::body::field(value, stringify!($name))?,)+
                    $($($later: $crate::journal::body::later(value, stringify!($later))?,)+)?
                })
            }
        }
    };
}
pub(super) use record;

#[cfg(test)]
mod tests {
    use super::*;

    fn again<T: Json>(value: &T) -> T {
        let text = value.put().to_string();
        T::take(&serde_json::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_exact() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(bits);
            let back = again(&value);
            assert!(back.to_bits() == value.to_bits() || value.is_nan() && back.is_nan(), "{value:e} {back:e}");
        }
        for value in [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(again(&value).to_bits(), value.to_bits());
        }
        assert_eq!(again(&u64::MAX), u64::MAX);
        assert_eq!(again(&i64::MIN), i64::MIN);
        assert_eq!(again(&Some(f64::NAN)).map(f64::is_nan), Some(true));
        assert_eq!(again(&None::<f64>), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let value = serde_json::json!({"a": [1, "x"]});
        let error = BTreeMap::<String, Vec<u64>>::take(&value).unwrap_err();
        assert_eq!(error.to_string(), r#".a.1: a whole number wanted, found "x""#);
        assert!(u8::take(&serde_json::json!(256)).is_err());
        assert!(<[u64; 2]>::take(&serde_json::json!([1])).is_err());
    }
}
