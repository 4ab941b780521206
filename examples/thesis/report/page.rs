//! A page that needs nothing from elsewhere, and its tables as files for programs.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// One place in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number; on the page with so many significant digits.
    Number(f64, usize),
    /// Nobody knows.
    None,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// A whole number.
    pub fn count(count: usize) -> Cell {
        Cell::Number(count as f64, 15)
    }

    /// A number with four significant digits, where there is one.
    pub fn number(number: Option<f64>) -> Cell {
        // A minus before nothing says nothing: adding 0 takes it away.
        number.filter(|number| number.is_finite()).map_or(Cell::None, |number| Cell::Number(number + 0.0, 4))
    }

    /// As people read it.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number, digits) => significant(*number, *digits),
            Cell::None => "-".into(),
        }
    }

    /// As programs read it: every digit.
    fn exact(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number, _) => number.to_string(),
            Cell::None => String::new(),
        }
    }
}

/// A number with so many significant digits.
pub fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 || number.fract() == 0.0 && number.abs() < 1e15 && digits >= 15 {
        return format!("{number}");
    }
    let power = number.abs().log10().floor() as i32;
    let after = digits as i32 - 1 - power;
    match power {
        -4..=7 => format!("{number:.*}", after.max(0) as usize),
        _ => format!("{number:.*e}", digits.saturating_sub(1)),
    }
}

/// A table, also written as `NAME.csv`.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file's name without its ending.
    pub name: &'static str,
    /// What it shows.
    pub caption: String,
    /// Its columns.
    pub head: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows on the page at most; the file has all.
    pub shown: usize,
}

/// A part of the page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// The answer in one plain sentence, made of the data.
    pub answer: String,
    /// Paragraphs.
    pub words: Vec<String>,
    /// Plots, as SVG.
    pub plots: Vec<String>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Which journal and which command its numbers come from.
    pub source: String,
}

const STYLE: &str = "
:root { --ink: #1c1f23; --soft: #5a636e; --line: #d9dde2; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.25rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; } p { margin: .35rem 0; max-width: 60rem; }
.answer { font-size: 1.02rem; font-weight: 600; }
.source, caption { color: var(--soft); font-size: .8rem; text-align: left; } .source { overflow-wrap: anywhere; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots svg { flex: 1 1 20rem; max-width: 24rem; min-width: 0; }
.plots svg.broad { flex: 1 1 100%; max-width: 46rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .8rem 0; font-size: .8rem; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); } .right { text-align: right; font-variant-numeric: tabular-nums; }
@page { size: A4; margin: 12mm; }
@media print { body { font-size: 9pt; } main { max-width: none; padding: 0; } .wide { overflow: visible; }
  table { font-size: 6pt; } td, th { padding-right: .35rem; } caption, .source { font-size: 7pt; }
  h1 { font-size: 13pt; } h2 { font-size: 11pt; } .answer { font-size: 9.5pt; } .plots { gap: 2mm; }
  .plots svg { flex: 1 1 30%; max-width: 32%; } .plots svg.broad { flex: 1 1 100%; max-width: 100%; }
  svg, tr { break-inside: avoid; } h2, .answer, caption { break-after: avoid; } }
";

/// Writes `report.html`, every table as a file, and `sources.csv`: which journal and command each file comes from.
pub fn write(folder: &Path, title: &str, sections: &[Section]) -> Result<(), Box<dyn Error>> {
    let cannot = |path: &Path, e: &dyn std::fmt::Display| format!("cannot write {}: {e}", path.display());
    fs::create_dir_all(folder).map_err(|e| cannot(folder, &e))?;
    let mut sources = Vec::new();
    for (section, table) in sections.iter().flat_map(|section| section.tables.iter().map(move |table| (section, table)))
    {
        let name = format!("{}.csv", table.name);
        let rows = table.rows.iter().map(|row| row.iter().map(Cell::exact).collect());
        write_csv(&folder.join(&name), &table.head, rows)?;
        sources.push(vec![name, section.title.clone(), section.source.clone()]);
    }
    write_csv(&folder.join("sources.csv"), &["file", "section", "source"], sources.into_iter())?;
    let path = folder.join("report.html");
    Ok(fs::write(&path, render(title, sections)).map_err(|e| cannot(&path, &e))?)
}

fn write_csv<T: AsRef<str>>(path: &Path, head: &[T], rows: impl Iterator<Item = Vec<String>>) -> Result<(), String> {
    let write = || -> Result<(), csv::Error> {
        let mut file = csv::Writer::from_path(path)?;
        file.write_record(head.iter().map(AsRef::as_ref))?;
        for row in rows {
            file.write_record(row)?;
        }
        Ok(file.flush()?)
    };
    write().map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// The whole page.
pub fn render(title: &str, sections: &[Section]) -> String {
    let title = escape(title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <main>\n<h1>{title}</h1>\n"
    );
    for section in sections {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<section>\n<h2>{}</h2>", escape(&section.title));
        if !section.answer.is_empty() {
            let _ = writeln!(out, "<p class=\"answer\">{}</p>", escape(&section.answer));
        }
        for words in &section.words {
            let _ = writeln!(out, "<p>{}</p>", escape(words));
        }
        if !section.plots.is_empty() {
            let _ = writeln!(out, "<div class=\"plots\">\n{}\n</div>", section.plots.join("\n"));
        }
        section.tables.iter().for_each(|table| render_table(&mut out, table));
        let _ = writeln!(out, "<p class=\"source\">{}</p>\n</section>", escape(&section.source));
    }
    out + "</main>\n</html>\n"
}

fn render_table(out: &mut String, table: &Table) {
    let left_out = table.rows.len().saturating_sub(table.shown);
    let more = match (left_out, table.rows.len()) {
        (_, 0) => " It is empty.".to_string(),
        (0, _) => String::new(),
        (_, all) if all == left_out => format!(" Its {all} rows are in the file only."),
        _ => format!(" {left_out} more rows are in the file."),
    };
    let caption = escape(&format!("{} File: {}.csv.{more}", table.caption, table.name));
    if table.shown == 0 || table.rows.is_empty() {
        let _ = writeln!(out, "<p class=\"source\">{caption}</p>");
        return;
    }
    let _ = write!(out, "<div class=\"wide\"><table>\n<caption>{caption}</caption>\n<thead><tr>");
    for head in &table.head {
        let _ = write!(out, "<th>{}</th>", escape(head));
    }
    *out += "</tr></thead>\n<tbody>\n";
    for row in table.rows.iter().take(table.shown) {
        *out += "<tr>";
        for cell in row {
            let class = if matches!(cell, Cell::Text(_)) { "" } else { " class=\"right\"" };
            let _ = write!(out, "<td{class}>{}</td>", escape(&cell.shown()));
        }
        *out += "</tr>\n";
    }
    *out += "</tbody></table></div>\n";
}

/// Text in a page.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_significant_digits() {
        let shown = |number: f64| significant(number, 4);
        assert_eq!(
            [0.0, 0.65432, 12.3456, 123_456.7, 1e-7, 2.5e12].map(shown),
            ["0", "0.6543", "12.35", "123457", "1.000e-7", "2.500e12"]
        );
        assert_eq!(Cell::count(5000).shown(), "5000");
        assert_eq!(Cell::number(Some(f64::NAN)), Cell::None);
    }

    #[test]
    fn the_page_shows_the_first_rows_and_the_file_has_all() {
        let rows = vec![vec![Cell::text("<b>"), Cell::number(Some(1.0 / 3.0))], vec![Cell::text("c"), Cell::None]];
        let table = Table { name: "t", caption: "C.".into(), head: vec!["name", "value"], rows, shown: 1 };
        let answer = "Yes.".into();
        let section =
            Section { title: "S".into(), answer, tables: vec![table], source: "J".into(), ..Section::default() };
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "T", &[section]).expect("the folder is ours");
        let file = fs::read_to_string(folder.path().join("t.csv")).expect("written");
        assert_eq!(file, "name,value\n<b>,0.3333333333333333\nc,\n");
        let sources = fs::read_to_string(folder.path().join("sources.csv")).expect("written");
        assert_eq!(sources, "file,section,source\nt.csv,S,J\n");
        let page = fs::read_to_string(folder.path().join("report.html")).expect("written");
        assert!(page.contains("<td>&lt;b&gt;</td><td class=\"right\">0.3333</td>"), "{page}");
        assert!(page.contains("<p class=\"answer\">Yes.</p>"), "{page}");
        assert!(page.contains("1 more rows are in the file.") && !page.contains("<td>c</td>"), "{page}");
    }
}
