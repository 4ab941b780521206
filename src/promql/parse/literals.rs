//! Numbers, durations and strings, as Go and Prometheus read them.

/// Milliseconds of each unit of a duration, in the order in which they must stand.
pub(in crate::promql) const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration, milliseconds: what Go's `time.Duration` holds (292 years).
pub(super) const LONGEST: i64 = i64::MAX / 1_000_000;

/// A number: an integer of Go's (`0x1f`, `0b11`, `017` is 15, `1_000`), else a decimal fraction.
pub(super) fn number(text: &str) -> Option<f64> {
    let sound = |t: &str| !t.starts_with('_') && !t.ends_with('_') && !t.contains("__");
    let lower = text.to_ascii_lowercase();
    let based = [("0x", 16), ("0b", 2), ("0o", 8)].iter().find_map(|(p, base)| Some((lower.strip_prefix(p)?, *base)));
    if let Some((digits, base)) = based {
        let digits = digits.strip_prefix('_').unwrap_or(digits);
        return sound(digits).then(|| i64::from_str_radix(&digits.replace('_', ""), base).ok().map(|n| n as f64))?;
    }
    let bare = lower.replace('_', "");
    let between_digits = lower.bytes().enumerate().all(|(i, c)| {
        let digit = |at: usize| lower.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        c != b'_' || (i > 0 && digit(i - 1) && digit(i + 1))
    });
    if !between_digits || !bare.bytes().all(|c| c.is_ascii_digit() || b".e+-".contains(&c)) {
        return None;
    }
    if bare.len() > 1 && bare.starts_with('0') && bare.bytes().all(|c| (b'0'..b'8').contains(&c)) {
        return i64::from_str_radix(&bare, 8).ok().map(|n| n as f64);
    }
    // Too large a number is infinite here; Go calls it out of range.
    bare.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A duration (`1h30m`) in milliseconds: units in falling order, each at most once. `None`: it is none; `Some(Err)`: it
/// is one, and longer than [`LONGEST`].
pub(super) fn duration(text: &str) -> Option<Result<i64, ()>> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut fits = true;
    for (unit, length) in UNITS {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[digits..];
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || &after[..letters] != unit {
            continue;
        }
        let part = rest[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(length));
        match part.and_then(|part| total.checked_add(part)) {
            Some(sum) => total = sum,
            None => fits = false,
        }
        rest = &after[letters..];
    }
    if !rest.is_empty() || text.is_empty() {
        return None;
    }
    Some(i64::try_from(total).ok().filter(|ms| fits && *ms <= LONGEST).ok_or(()))
}

/// Seconds of a duration as Go's `Duration.Seconds` gives them.
pub(super) fn seconds(ms: i64) -> f64 {
    (ms / 1000) as f64 + ((ms % 1000) * 1_000_000) as f64 / 1e9
}

/// Why a string cannot be read: bytes from its beginning, and what is wrong.
pub(super) type BadString = (usize, &'static str);

/// The string that begins `text` with its quote: its value and its length with both quotes.
pub(super) fn string(text: &str) -> Result<(String, usize), BadString> {
    let bytes = text.as_bytes();
    let quote = bytes[0];
    let mut value = Vec::new();
    let mut at = 1;
    loop {
        match bytes.get(at) {
            None => return Err((0, "the string never ends")),
            Some(b'\n') if quote != b'`' => return Err((0, "the string does not end on its line")),
            Some(c) if *c == quote => break,
            Some(b'\\') if quote != b'`' => at = escape(bytes, at + 1, quote, &mut value).ok_or((at, "bad escape"))?,
            Some(c) => {
                value.push(*c);
                at += 1;
            }
        }
    }
    String::from_utf8(value).map(|value| (value, at + 1)).map_err(|_| (0, "the string's escapes are not UTF-8"))
}

/// Reads what follows a backslash at `at`; gives the place behind it.
fn escape(bytes: &[u8], at: usize, quote: u8, value: &mut Vec<u8>) -> Option<usize> {
    let simple = match *bytes.get(at)? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        c if c == quote => c,
        c => return coded(bytes, at, c, value),
    };
    value.push(simple);
    Some(at + 1)
}

/// Reads `\123`, `\x7f`, `\u00e9`, `\U0001f600`.
fn coded(bytes: &[u8], at: usize, kind: u8, value: &mut Vec<u8>) -> Option<usize> {
    let (from, len, radix) = match kind {
        b'x' => (at + 1, 2, 16),
        b'u' => (at + 1, 4, 16),
        b'U' => (at + 1, 8, 16),
        b'0'..=b'7' => (at, 3, 8),
        _ => return None,
    };
    let digits = bytes.get(from..from + len)?;
    let whole = digits.iter().all(|d| (*d as char).is_digit(radix));
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| whole)?, radix).ok()?;
    if len == 2 || len == 3 {
        value.push(u8::try_from(code).ok()?);
    } else {
        value.extend(char::from_u32(code)?.to_string().as_bytes());
    }
    Some(from + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_go_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("017", 15.0),
            ("089", 89.0),
            ("00", 0.0),
            ("0x1F", 31.0),
            ("0x_1f", 31.0),
            ("0b101", 5.0),
            ("0o17", 15.0),
            ("1_000", 1000.0),
            ("1_23.50_0_0e+1_2", 1.235e14),
            (".5", 0.5),
            ("2.", 2.0),
            ("12.34e+6", 12.34e6),
            ("1e-7", 1e-7),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("1e308", 1e308),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["1__0", "1_", "0x", "0xfg", "1e", "1e+", "1.2.3", "1e999", "", "_1", "1_.5", "08x", "0x1.8p1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn durations_in_falling_units() {
        assert_eq!(duration("1h30m"), Some(Ok(5_400_000)));
        assert_eq!(duration("10s53ms"), Some(Ok(10_053)));
        assert_eq!(duration("1y2w3d4h5m6s7ms"), Some(Ok(33_019_506_007)));
        assert_eq!(duration("0s"), Some(Ok(0)));
        for none in ["", "5", "5mm", "1m1h", "1m1m", "m", "1.5h", "5M", "1hs"] {
            assert_eq!(duration(none), None, "{none}");
        }
        for long in ["293y", "99999999999999999999s", "999999999999y1d"] {
            assert_eq!(duration(long), Some(Err(())), "{long}");
        }
        assert_eq!(seconds(1_001), 1.001);
    }

    #[test]
    fn strings_in_three_quotes() {
        for (text, value) in [
            (r#""a" rest"#, "a"),
            (r"'it\'s \\ \x41\101\u00e9\U0001f600'", "it's \\ AAé😀"),
            ("`raw \\n\nline`", "raw \\n\nline"),
            (r#""\a\b\f\n\r\t\v""#, "\x07\x08\x0c\n\r\t\x0b"),
            (r#""\xc3\xa9""#, "é"),
        ] {
            assert_eq!(string(text).map(|(value, _)| value), Ok(value.to_string()), "{text}");
        }
        assert_eq!(string("\"a"), Err((0, "the string never ends")));
        assert_eq!(string("'a\nb'"), Err((0, "the string does not end on its line")));
        assert_eq!(string(r#""ab\q""#), Err((3, "bad escape")));
        assert_eq!(string(r#""\'""#), Err((1, "bad escape")));
        assert_eq!(string(r#""\x+1""#), Err((1, "bad escape")));
        assert_eq!(string(r#""\400""#), Err((1, "bad escape")));
        assert_eq!(string(r#""\ud800""#), Err((1, "bad escape")));
        assert_eq!(string(r#""\xff""#), Err((0, "the string's escapes are not UTF-8")));
    }
}
