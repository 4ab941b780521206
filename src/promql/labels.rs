//! Label sets: sorted by name, shared, compared by hash first.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// The label that holds a series' name.
pub const NAME: &str = "__name__";

/// A set of labels, sorted by name. A clone shares it.
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

struct Inner {
    pairs: Box<[(Arc<str>, Arc<str>)]>,
    hash: u64,
    nameless: OnceLock<Labels>,
}

impl Labels {
    /// The set of these labels. A label without a value is no label; of two with one name the last stands.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels {
        let mut sorted: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted.reverse();
        sorted.dedup_by(|a, b| a.0 == b.0);
        sorted.reverse();
        sorted.retain(|(_, value)| !value.is_empty());
        Labels::of_sorted(sorted)
    }

    /// The set of labels that are sorted, unique and have values.
    fn of_sorted(pairs: Vec<(Arc<str>, Arc<str>)>) -> Labels {
        let mut hash = Fnv::default();
        for (name, value) in &pairs {
            hash.write(name.as_bytes());
            hash.write_u8(0xff);
            hash.write(value.as_bytes());
            hash.write_u8(0xff);
        }
        Labels(Arc::new(Inner { pairs: pairs.into(), hash: hash.finish(), nameless: OnceLock::new() }))
    }

    /// The set without labels.
    pub fn empty() -> Labels {
        static EMPTY: OnceLock<Labels> = OnceLock::new();
        EMPTY.get_or_init(|| Labels::of_sorted(Vec::new())).clone()
    }

    /// The value of a label, `""` where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.pairs().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// The series' name, `""` where there is none.
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// All labels in the order of their names.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.pairs.is_empty()
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.pairs().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The set without `__name__`; made once and kept.
    pub fn nameless(&self) -> Labels {
        if !self.0.pairs.iter().any(|(name, _)| &**name == NAME) {
            return self.clone();
        }
        self.0.nameless.get_or_init(|| self.filtered(|name| name != NAME)).clone()
    }

    /// The labels whose names are wanted.
    pub fn filtered(&self, wanted: impl Fn(&str) -> bool) -> Labels {
        Labels::of_sorted(self.0.pairs.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }

    /// The set with one label more, or with another value; without the label where the value is empty.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let mut pairs: Vec<_> = self.0.pairs.iter().filter(|(n, _)| &**n != name).cloned().collect();
        if !value.is_empty() {
            let at = pairs.partition_point(|(n, _)| &**n < name);
            pairs.insert(at, (name.into(), value.into()));
        }
        Labels::of_sorted(pairs)
    }

    /// Hash of the whole set.
    pub fn hash_of(&self) -> u64 {
        self.0.hash
    }

    /// Hash of those labels whose names are wanted; equal for sets that agree on them.
    pub fn hash_where(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let mut hash = Fnv::default();
        for (name, value) in self.pairs().filter(|(name, _)| wanted(name)) {
            hash.write(name.as_bytes());
            hash.write_u8(0xff);
            hash.write(value.as_bytes());
            hash.write_u8(0xff);
        }
        hash.finish()
    }

    /// Whether both sets agree on those labels whose names are wanted.
    pub fn agrees(&self, other: &Labels, wanted: impl Fn(&str) -> bool) -> bool {
        self.pairs().filter(|(name, _)| wanted(name)).eq(other.pairs().filter(|(name, _)| wanted(name)))
    }
}

/// FNV-1a, 64 bits: short keys, many of them.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.hash == other.0.hash && self.0.pairs == other.0.pairs)
    }
}

impl Eq for Labels {}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> std::cmp::Ordering {
        self.0.pairs.cmp(&other.0.pairs)
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// As PromQL writes a series: `name{label="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest: Vec<String> =
            self.pairs().filter(|(name, _)| *name != NAME).map(|(name, value)| format!("{name}={value:?}")).collect();
        f.write_str(self.name())?;
        if rest.is_empty() && !self.name().is_empty() { Ok(()) } else { write!(f, "{{{}}}", rest.join(", ")) }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().copied())
    }

    #[test]
    fn order_and_empty_values_do_not_count() {
        assert_eq!(set(&[("b", "2"), ("a", "1"), ("c", "")]), set(&[("a", "1"), ("b", "2")]));
        assert_eq!(set(&[("a", "1"), ("a", "2")]).get("a"), "2");
        assert_ne!(set(&[("a", "12")]), set(&[("a1", "2")]));
    }

    #[test]
    fn changes_keep_the_order() {
        let labels = set(&[(NAME, "up"), ("a", "1"), ("c", "3")]);
        assert_eq!(labels.nameless(), set(&[("a", "1"), ("c", "3")]));
        assert_eq!(labels.with("b", "2"), set(&[("c", "3"), ("b", "2"), ("a", "1"), (NAME, "up")]));
        assert_eq!(labels.with("a", ""), set(&[(NAME, "up"), ("c", "3")]));
        assert_eq!(labels.to_string(), "up{a=\"1\", c=\"3\"}");
        assert_eq!(set(&[(NAME, "up")]).to_string(), "up");
        assert_eq!(Labels::empty().to_string(), "{}");
    }
}
