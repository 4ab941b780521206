//! How findings look: one place for policies, configuration and whatever else has a line and a column.

use std::io::{self, IsTerminal, Write};

use crate::model::{Diagnostic, Severity};

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With colours, for a terminal.
    Colour,
}

impl Style {
    /// Colours on a terminal, unless NO_COLOR is set or TERM is `dumb`.
    pub fn of(stream: &impl IsTerminal) -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        if stream.is_terminal() && !refused && !dumb { Style::Colour } else { Style::Plain }
    }

    /// Text that stands out.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_string(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Longest piece of a source line that is shown, in characters.
const WIDEST: usize = 160;

/// One finding: `FILE:LINE:COL: error[CODE]: MESSAGE`, the source line, carets under the place, a hint. Ends with LF.
pub fn render(finding: &Diagnostic, style: Style) -> String {
    let (line, column) = finding.position();
    let (word, colour) = match finding.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
    };
    let place = printable(&format!("{}:{line}:{column}:", finding.file.display()));
    let head = style.paint(colour, &format!("{word}[{}]:", finding.code));
    let mut out = format!("{} {head} {}\n", style.strong(&place), printable(&finding.message));
    if !finding.text.is_empty() {
        out += &excerpt(finding, line, column, style);
    }
    if let Some(hint) = &finding.hint {
        out += &format!("  {} {}\n", style.paint("1;36", "hint:"), printable(hint));
    }
    out
}

/// Writes all findings, in the order given.
///
/// # Errors
/// Those of `out`.
pub fn print(findings: &[Diagnostic], style: Style, out: &mut dyn Write) -> io::Result<()> {
    findings.iter().try_for_each(|f| out.write_all(render(f, style).as_bytes()))
}

/// The source line and a line of carets; of a very long line only the part around the place.
fn excerpt(finding: &Diagnostic, line: usize, column: usize, style: Style) -> String {
    let source: Vec<char> = finding.text.lines().nth(line - 1).unwrap_or("").chars().collect();
    let from = if column > WIDEST / 2 { column - 1 - WIDEST / 4 } else { 0 };
    let shown: String = source.iter().skip(from).take(WIDEST).collect();
    let until = (from + WIDEST).min(source.len()).max(column);
    let spanned = finding.text.get(finding.span.clone()).unwrap_or("").lines().next().unwrap_or("").chars().count();
    let carets = spanned.clamp(1, until + 1 - column);
    // Tabs stay tabs in the padding, so that the carets stand under the place however wide a tab is.
    let pad = source.iter().skip(from).chain(std::iter::repeat(&' ')).take(column - 1 - from);
    let pad: String = pad.map(|c| if *c == '\t' { '\t' } else { ' ' }).collect();
    let gutter = line.to_string();
    let empty = " ".repeat(gutter.len());
    let mark = style.paint("1;31", &"^".repeat(carets));
    format!(" {gutter} | {}\n {empty} | {pad}{mark}\n", printable(&shown))
}

/// Control characters of a file must not reach a terminal as such.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(text: &str, span: std::ops::Range<usize>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-key",
            file: "p.toml".into(),
            text: text.into(),
            span,
            message: "a rule has no key `x`".to_string(),
            hint: Some("did you mean `y`?".to_string()),
        }
    }

    #[test]
    fn a_finding_shows_its_place() {
        let seen = render(&finding("a = 1\nxy = 2\n", 6..8), Style::Plain);
        let expected =
            "p.toml:2:1: error[unknown-key]: a rule has no key `x`\n 2 | xy = 2\n   | ^^\n  hint: did you mean `y`?\n";
        assert_eq!(seen, expected);
    }

    #[test]
    fn columns_count_characters_and_tabs_stay_tabs() {
        let seen = render(&finding("\tkäse = 1", 9..10), Style::Plain);
        assert!(seen.starts_with("p.toml:1:9: "), "{seen}");
        assert!(seen.contains("\n   | \t       ^\n"), "{seen:?}");
    }

    #[test]
    fn odd_places_and_odd_texts_are_shown_all_the_same() {
        for (text, span) in
            [("", 0..0), ("a", 1..1), ("a\n", 2..2), ("ä", 1..2), ("a\nb", 0..3), ("a", 5..9), ("\r\n", 0..2)]
        {
            assert!(render(&finding(text, span.clone()), Style::Plain).starts_with("p.toml:"), "{text:?} {span:?}");
        }
        let long = format!("{}x{}", "a".repeat(5000), "b".repeat(5000));
        let seen = render(&finding(&long, 5000..5001), Style::Plain);
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[1].find('x'), lines[2].find('^'), "{seen}");
        assert!(seen.len() < 600);
    }

    #[test]
    fn a_file_cannot_write_to_the_terminal() {
        let seen = render(&finding("\x1b[2J = 1", 0..1), Style::Plain);
        assert!(!seen.contains('\x1b'), "{seen:?}");
        assert!(render(&finding("a", 0..1), Style::Colour).contains("\x1b[1;31m"));
    }
}
