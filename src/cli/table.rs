//! Tables for people: columns as wide as their widest cell, no more than the terminal has.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The table as lines, the head first; each line is cut to `width` characters if one is given.
pub fn render(head: &[(&str, Align)], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let widest = |column: usize, title: &str| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max().unwrap_or(0).max(length(title))
    };
    let widths: Vec<usize> = head.iter().enumerate().map(|(column, (title, _))| widest(column, title)).collect();
    let titles: Vec<String> = head.iter().map(|(title, _)| title.to_string()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(head).map(|((cell, width), (_, align))| match align {
            Align::Left => format!("{:<width$}", printable(cell)),
            Align::Right => format!("{:>width$}", printable(cell)),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().chars().take(width.unwrap_or(usize::MAX)).collect()
    };
    std::iter::once(&titles).chain(rows).map(line).collect()
}

/// What a trainer wrote must not move the cursor or ring the bell.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Bytes as people read them: `612.0 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Seconds as people read them: `45s`, `12m05s`, `3h07m`, `2d04h`.
pub fn seconds(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_needed() {
        let rows = [vec!["a\x1b[2J".to_string(), "1".to_string()], vec!["long name".into(), "100".into()]];
        let lines = render(&[("NAME", Align::Left), ("N", Align::Right)], &rows, None);
        assert_eq!(lines, ["NAME         N", "a\u{fffd}[2J        1", "long name  100"]);
        assert_eq!(render(&[("NAME", Align::Left)], &rows, Some(3))[2], "lon");
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(612 << 20), "612.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!([45.9, 725.0, 11_220.0, 187_200.0, -1.0].map(seconds), ["45s", "12m05s", "3h07m", "2d04h", "0s"]);
    }
}
