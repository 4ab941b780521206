//! RE2's regular expressions in the syntax of the crate regex.

use regex::{Regex, RegexBuilder};

/// The most memory of a compiled expression, and again of what it learns while it runs, bytes. Queries come from outside:
/// `\pL{1000}` is short and wants more.
const LARGEST: usize = 1 << 20;

/// The expression, anchored at both ends; `.` fits a line's end as well, as in Prometheus.
///
/// # Errors
/// Why it cannot be, in one line.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    let own = |e: regex::Error| match e {
        regex::Error::CompiledTooBig(_) => "it is too large".to_string(),
        e => e.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_string(),
    };
    let anchored = format!("^(?s:{})$", translated(pattern)?);
    RegexBuilder::new(&anchored).size_limit(LARGEST).dfa_size_limit(LARGEST).build().map_err(own)
}

/// RE2's meaning in the crate's words: `\d \w \s \b` are ASCII, `\Q...\E` quotes, a brace that repeats nothing is a
/// brace, and inside `[]` there are no set operations.
fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut class = false;
    let mut groups = 0_usize;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        match c {
            '\\' => len = escape(rest, class, &mut out),
            '[' if class => match posix(rest) {
                Some(name) => {
                    out.push_str(name);
                    len = name.len();
                }
                None => out.push_str("\\["),
            },
            '[' => {
                class = true;
                // A `]` that comes first is itself a member.
                len = if rest.starts_with("[^]") {
                    3
                } else if rest.starts_with("[]") || rest.starts_with("[^") {
                    2
                } else {
                    1
                };
                out.push_str(&rest[..len].replace(']', "\\]"));
            }
            ']' if class => {
                class = false;
                out.push(c);
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            '(' if !class => {
                groups += 1;
                out.push(c);
            }
            // `a)(b` is none, though it would be in the brackets that it is put into.
            ')' if !class => {
                groups = groups.checked_sub(1).ok_or("unopened group")?;
                out.push(c);
            }
            '{' if !class && !repeats(rest) => out.push_str("\\{"),
            c => out.push(c),
        }
        rest = &rest[len..];
    }
    Ok(out)
}

/// Translates the escape that begins `rest`; gives its length.
fn escape(rest: &str, class: bool, out: &mut String) -> usize {
    let Some(c) = rest[1..].chars().next() else {
        out.push('\\');
        return 1;
    };
    let len = 1 + c.len_utf8();
    let plain = match (c, class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('s', true) => "\\t\\n\\f\\r ",
        ('S', _) => "[^\\t\\n\\f\\r ]",
        ('b', false) => "(?-u:\\b)",
        // Classes and code points by name or number.
        ('p' | 'P' | 'x', _) if rest[2..].starts_with('{') => {
            let len = rest.find('}').map_or(rest.len(), |end| end + 1);
            out.push_str(&rest[..len]);
            return len;
        }
        ('Q', _) => {
            let quoted = &rest[2..];
            let end = quoted.find("\\E");
            out.push_str(&regex::escape(&quoted[..end.unwrap_or(quoted.len())]));
            return end.map_or(rest.len(), |end| end + 4);
        }
        _ => &rest[..len],
    };
    out.push_str(plain);
    len
}

/// `[:alpha:]` at the beginning.
fn posix(rest: &str) -> Option<&str> {
    let end = rest.strip_prefix("[:")?.find(":]")?;
    let name = &rest[..end + 4];
    name[2..end + 2].chars().all(|c| c.is_ascii_alphabetic() || c == '^').then_some(name)
}

/// Whether a brace at the beginning is a repetition: `{2}`, `{2,}`, `{2,3}`.
fn repeats(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |t: &str| t.bytes().all(|c| c.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_fit_from_end_to_end() {
        for (pattern, text, fits) in [
            ("a|b", "ab", false),
            ("a|b", "b", true),
            (".*", "a\nb", true),
            ("", "", true),
            ("(?i)PRO.*", "production", true),
            ("((?i)PRO).*", "production", true),
            (".*(?i:TION).*?", "production", true),
            ("\\d+", "٣", false),
            ("[\\d.]+", "1.5", true),
            ("[^\\D]+", "15", true),
            ("\\w+", "é", false),
            ("a{b}c", "a{b}c", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("x{", "x{", true),
            ("x}", "x}", true),
            ("\\pN+\\p{Greek}", "1α", true),
            ("[]a]+", "]a", true),
            ("[^]a]", "]", false),
            ("[[a]+", "[a", true),
            ("[a&&b~~c]+", "a&b~c", true),
            ("[[:digit:]x]+", "1x2", true),
            ("\\Qa.b\\E+", "a.bb", true),
            ("\\Qa.b", "a.b", true),
            ("api\\-x", "api-x", true),
        ] {
            assert_eq!(anchored(pattern).unwrap().is_match(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_in_one_line() {
        assert_eq!(anchored("(").unwrap_err(), "unclosed group");
        assert_eq!(anchored("a)(b").unwrap_err(), "unopened group");
        assert_eq!(anchored("*").unwrap_err(), "repetition operator missing expression");
        assert_eq!(
            anchored("(?=a)").unwrap_err(),
            "look-around, including look-ahead and look-behind, is not supported"
        );
        assert_eq!(anchored("((a{1000}){1000}){1000}").unwrap_err(), "it is too large");
        assert_eq!(anchored("\\pL{1000}").unwrap_err(), "it is too large");
        assert!(anchored("\\").is_err());
        assert!(anchored("[a").is_err());
    }
}
