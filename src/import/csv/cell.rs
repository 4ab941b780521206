//! What stands in a cell.

/// What people and programs write where there is no value: the words of pandas, R and SQL.
const MISSING: [&str; 9] = ["na", "n/a", "#n/a", "<na>", "null", "none", "-", "nat", "missing"];

/// A cell that should hold a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing stands there.
    Empty,
    /// It says that there is no value, or that it is not a number.
    Missing,
    /// A number, or an infinity.
    Number(f64),
    /// Something else.
    Text,
}

impl Cell {
    /// Reads a cell.
    pub fn of(text: &str) -> Cell {
        if text.is_empty() {
            return Cell::Empty;
        }
        // `1_000` is no number to Rust, `1e3`, `inf`, `NaN` and `+5` are.
        match text.parse::<f64>() {
            Ok(number) if number.is_nan() => Cell::Missing,
            Ok(number) => Cell::Number(number),
            Err(_) if MISSING.contains(&text.to_ascii_lowercase().as_str()) => Cell::Missing,
            Err(_) => Cell::Text,
        }
    }
}

/// A count of steps: a whole number, perhaps written as `3.0`.
pub(super) fn step(text: &str) -> Option<u64> {
    let number = text.parse::<f64>().ok()?;
    // Up to 2^53 a float is exact.
    let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    whole.then(|| text.parse::<u64>().unwrap_or(number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_none() {
        assert_eq!(Cell::of("0.5"), Cell::Number(0.5));
        assert_eq!(Cell::of("-1e-3"), Cell::Number(-0.001));
        assert_eq!(Cell::of("inf"), Cell::Number(f64::INFINITY));
        assert_eq!(Cell::of("-Infinity"), Cell::Number(f64::NEG_INFINITY));
        for missing in ["NaN", "nan", "-nan", "NA", "N/A", "None", "null", "-"] {
            assert_eq!(Cell::of(missing), Cell::Missing, "{missing}");
        }
        assert_eq!(Cell::of(""), Cell::Empty);
        for text in ["abc", "1,5", "1 2", "0x10"] {
            assert_eq!(Cell::of(text), Cell::Text, "{text}");
        }
    }

    #[test]
    fn steps_are_whole() {
        assert_eq!(step("3"), Some(3));
        assert_eq!(step("3.0"), Some(3));
        assert_eq!(step("1e3"), Some(1000));
        for text in ["-1", "0.5", "", "x", "inf", "1e300", "nan"] {
            assert_eq!(step(text), None, "{text}");
        }
    }
}
