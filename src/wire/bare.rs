//! The bare words `NaN`, `Infinity` and `-Infinity` that Python's json writes and JSON does not know.

/// The words, longest first so that `-Infinity` is not taken for a minus and a word.
const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The line with every bare word made a string, or `None` if it holds none outside its strings.
pub(super) fn quote_bare_words(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while at < line.len() {
        match line[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some(word) = WORDS.iter().find(|word| line[at..].starts_with(word)) {
                    out.extend_from_slice(&line[copied..at]);
                    out.push(b'"');
                    out.extend_from_slice(word);
                    out.push(b'"');
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (copied > 0).then(|| {
        out.extend_from_slice(&line[copied..]);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(line: &str) -> Option<String> {
        quote_bare_words(line.as_bytes()).map(|v| String::from_utf8(v).unwrap())
    }

    #[test]
    fn words_become_strings() {
        assert_eq!(
            quoted(r#"{"a":NaN,"b":[-Infinity, Infinity]}"#).unwrap(),
            r#"{"a":"NaN","b":["-Infinity", "Infinity"]}"#
        );
    }

    #[test]
    fn strings_stay_as_they_are() {
        assert_eq!(quoted(r#"{"NaN":"Infinity \" NaN","c":-1}"#), None);
        assert_eq!(quoted(r#"{"NaN \\":NaN}"#).unwrap(), r#"{"NaN \\":"NaN"}"#);
        assert_eq!(quoted(r#"{"torn\"#), None);
    }
}
