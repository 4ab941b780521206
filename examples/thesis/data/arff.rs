//! ARFF, the text format in which OpenML serves data: a header that names the attributes, then a row a line.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io::{self, BufRead};

use super::frame::{Column, Frame, Kind};

/// Why a text is no ARFF, or none that can be read here.
#[derive(Debug)]
pub enum ArffError {
    /// It cannot be read.
    Io(io::Error),
    /// A line is wrong.
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// There is no `@data`.
    NoData,
}

impl fmt::Display for ArffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArffError::Io(error) => write!(f, "{error}"),
            ArffError::Line { line, what } => write!(f, "line {line}: {what}"),
            ArffError::NoData => write!(f, "there is no @data line; this is no ARFF, or it was cut off"),
        }
    }
}

impl Error for ArffError {}

/// Reads all of it.
pub fn read(mut text: impl BufRead) -> Result<Frame, ArffError> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line).map_err(ArffError::Io)? == 0 {
            break;
        }
        number += 1;
        reading.line(line.trim_ascii()).map_err(|what| ArffError::Line { line: number, what })?;
    }
    if !reading.in_data {
        return Err(ArffError::NoData);
    }
    Ok(Frame { columns: reading.columns, values: reading.values, synthetic: reading.synthetic })
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    columns: Vec<Column>,
    /// For each column of classes, their places.
    classes: Vec<HashMap<Vec<u8>, usize>>,
    values: Vec<f64>,
    in_data: bool,
    synthetic: bool,
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.is_empty() || line[0] == b'%' {
            self.synthetic |= !self.in_data && memchr::memmem::find(line, b"SYNTHETIC").is_some();
            return Ok(());
        }
        match (self.in_data, line[0]) {
            (true, b'{') => self.sparse_row(line),
            (true, _) => self.row(line),
            (false, _) => self.header(line),
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), String> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (keyword, rest) = (line[..end].to_ascii_lowercase(), line[end..].trim_ascii());
        match keyword.as_slice() {
            b"@relation" => Ok(()),
            b"@attribute" => self.attribute(rest),
            b"@data" if self.columns.is_empty() => Err("@data comes before any @attribute".into()),
            b"@data" => {
                self.in_data = true;
                Ok(())
            }
            _ => Err(format!("`{}` is none of @relation, @attribute, @data", String::from_utf8_lossy(&keyword))),
        }
    }

    fn attribute(&mut self, text: &[u8]) -> Result<(), String> {
        let mut cursor = Cursor { rest: text };
        let name = cursor.word(|c| c.is_ascii_whitespace() || c == b'{')?;
        let name = String::from_utf8(name).map_err(|_| "the attribute's name is not UTF-8".to_string())?;
        if self.columns.iter().any(|column| column.name == name) {
            return Err(format!("attribute `{name}` is there twice"));
        }
        let rest = cursor.rest.trim_ascii();
        let word: Vec<u8> = rest.iter().take_while(|c| c.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
        let kind = match (rest.first(), word.as_slice()) {
            (Some(b'{'), _) => Kind::Classes(classes(&rest[1..]).map_err(|e| format!("attribute `{name}`: {e}"))?),
            (_, b"numeric" | b"real" | b"integer") => Kind::Number,
            (_, b"string" | b"date") => Kind::Other,
            _ => return Err(format!("attribute `{name}` has the type `{}`", String::from_utf8_lossy(rest))),
        };
        let places = match &kind {
            Kind::Classes(classes) => classes.iter().enumerate().map(|(i, c)| (c.clone().into_bytes(), i)).collect(),
            _ => HashMap::new(),
        };
        self.classes.push(places);
        self.columns.push(Column { name, kind });
        Ok(())
    }

    fn row(&mut self, line: &[u8]) -> Result<(), String> {
        let width = self.columns.len();
        let mut cursor = Cursor { rest: line };
        for column in 0..width {
            let value = if cursor.is_plain() {
                let end = memchr::memchr(b',', cursor.rest).unwrap_or(cursor.rest.len());
                let field = cursor.rest[..end].trim_ascii();
                cursor.rest = &cursor.rest[end..];
                self.value(column, field)?
            } else {
                let field = cursor.word(|c| c == b',')?;
                self.quoted(column, &field)?
            };
            self.values.push(value);
            cursor.skip_blanks();
            let more = cursor.skip(b',');
            if more != (column + 1 < width) {
                let found = if more { "more".to_string() } else { (column + 1).to_string() };
                return Err(format!("there are {width} attributes and {found} values"));
            }
        }
        Ok(())
    }

    /// `{3 1.5, 7 red}`: what is not listed is 0, or the first class.
    fn sparse_row(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(inside) = line[1..].strip_suffix(b"}") else {
            return Err("a sparse row has to end in `}`; weights of rows cannot be read here".into());
        };
        let start = self.values.len();
        self.values.resize(start + self.columns.len(), 0.0);
        let mut cursor = Cursor { rest: inside.trim_ascii() };
        while !cursor.rest.is_empty() {
            let place = cursor.word(|c| c.is_ascii_whitespace())?;
            let column = std::str::from_utf8(&place).ok().and_then(|text| text.parse::<usize>().ok());
            let column = column
                .filter(|column| *column < self.columns.len())
                .ok_or_else(|| format!("`{}` is no place of an attribute, from 0", String::from_utf8_lossy(&place)))?;
            cursor.skip_blanks();
            let plain = cursor.is_plain();
            let field = cursor.word(|c| c == b',')?;
            let field = field.trim_ascii();
            self.values[start + column] = if plain { self.value(column, field)? } else { self.quoted(column, field)? };
            cursor.skip_blanks();
            cursor.skip(b',');
            cursor.skip_blanks();
        }
        Ok(())
    }

    fn value(&self, column: usize, field: &[u8]) -> Result<f64, String> {
        if field == b"?" { Ok(f64::NAN) } else { self.quoted(column, field) }
    }

    /// A field of which the quotes are off: a question mark in it is no missing value.
    fn quoted(&self, column: usize, field: &[u8]) -> Result<f64, String> {
        let Column { name, kind } = &self.columns[column];
        let shown = || String::from_utf8_lossy(&field[..field.len().min(40)]).into_owned();
        match kind {
            Kind::Number => number(field).ok_or_else(|| format!("`{}` in column `{name}` is no number", shown())),
            Kind::Classes(_) => match self.classes[column].get(field) {
                Some(place) => Ok(*place as f64),
                None => Err(format!("`{}` is none of the classes of column `{name}`", shown())),
            },
            Kind::Other => Ok(f64::NAN),
        }
    }
}

/// A number. Most are short whole ones: they need no parser.
fn number(field: &[u8]) -> Option<f64> {
    if (1..=15).contains(&field.len()) && field.iter().all(u8::is_ascii_digit) {
        return Some(field.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0')) as f64);
    }
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The list of classes after its `{`.
fn classes(text: &[u8]) -> Result<Vec<String>, String> {
    let mut cursor = Cursor { rest: text };
    let mut classes = Vec::new();
    loop {
        cursor.skip_blanks();
        let class = cursor.word(|c| c == b',' || c == b'}')?;
        classes.push(String::from_utf8(class.trim_ascii().to_vec()).map_err(|_| "a class is not UTF-8".to_string())?);
        cursor.skip_blanks();
        match cursor.rest.first() {
            Some(b',') => cursor.rest = &cursor.rest[1..],
            Some(b'}') => return Ok(classes),
            _ => return Err("the list of classes does not end in `}`".into()),
        }
    }
}

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// Whether the next word stands without quotes.
    fn is_plain(&self) -> bool {
        !matches!(self.rest.trim_ascii_start().first(), Some(b'\'' | b'"'))
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn skip(&mut self, c: u8) -> bool {
        let there = self.rest.first() == Some(&c);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// The next word: up to a place that `ends` it, or all between quotes, where a backslash makes the next byte plain.
    fn word(&mut self, ends: impl Fn(u8) -> bool) -> Result<Vec<u8>, String> {
        self.skip_blanks();
        let quote = match self.rest.first() {
            Some(quote @ (b'\'' | b'"')) => *quote,
            _ => {
                let end = self.rest.iter().position(|c| ends(*c)).unwrap_or(self.rest.len());
                let word = self.rest[..end].to_vec();
                self.rest = &self.rest[end..];
                return Ok(word);
            }
        };
        let mut word = Vec::new();
        let mut bytes = self.rest[1..].iter();
        while let Some(byte) = bytes.next() {
            match *byte {
                b'\\' => word.extend(bytes.next()),
                byte if byte == quote => {
                    self.rest = bytes.as_slice();
                    return Ok(word);
                }
                byte => word.push(byte),
            }
        }
        Err("a quote is not closed".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Frame, String> {
        read(text.as_bytes()).map_err(|error| error.to_string())
    }

    const HEAD: &str = "% a comment\n@RELATION 'two words'\n\n@attribute 'it\\'s a' numeric\n@ATTRIBUTE b\tREAL\n\
                        @attribute class { no, 'not at all', yes}\n@data\n";

    #[test]
    fn quotes_blanks_comments_and_missing_values() {
        let frame =
            parse(&format!("{HEAD}1,2.5,no\n% between\n-3e2 , ? ,'not at all'\n\n007,1234567890123456,\"yes\"\r\n"))
                .expect("sound");
        let names: Vec<&str> = frame.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["it's a", "b", "class"]);
        assert_eq!(frame.columns[2].kind, Kind::Classes(["no", "not at all", "yes"].map(String::from).into()));
        assert_eq!(frame.rows(), 3);
        assert_eq!(frame.values[..3], [1.0, 2.5, 0.0]);
        assert!(frame.values[3] == -300.0 && frame.values[4].is_nan() && frame.values[5] == 1.0);
        assert_eq!(frame.values[6..], [7.0, 1_234_567_890_123_456.0, 2.0]);
    }

    #[test]
    fn sparse_rows_leave_out_zeros() {
        let frame = parse(&format!("{HEAD}{{1 2.5, 2 yes}}\n{{}}\n{{0 ?,2 'not at all'}}\n")).expect("sound");
        assert_eq!(frame.values[..6], [0.0, 2.5, 2.0, 0.0, 0.0, 0.0]);
        assert!(frame.values[6].is_nan() && frame.values[7..] == [0.0, 1.0]);
    }

    #[test]
    fn text_and_dates_are_columns_without_values() {
        let frame = parse("@attribute t string\n@attribute d date 'yyyy'\n@data\n'a, b',1999\n").expect("sound");
        assert!(frame.columns.iter().all(|column| column.kind == Kind::Other));
        assert!(frame.values.len() == 2 && frame.values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let wrong = [
            (format!("{HEAD}1,2,no\n1,2\n"), "line 9: there are 3 attributes and 2 values"),
            (format!("{HEAD}1,2,no,4\n"), "line 8: there are 3 attributes and more values"),
            (format!("{HEAD}1,zwei,no\n"), "line 8: `zwei` in column `b` is no number"),
            (format!("{HEAD}1,2,maybe\n"), "line 8: `maybe` is none of the classes of column `class`"),
            (format!("{HEAD}1,2,'no\n"), "line 8: a quote is not closed"),
            (format!("{HEAD}{{7 1}}\n"), "line 8: `7` is no place of an attribute, from 0"),
            ("@data\n".into(), "line 1: @data comes before any @attribute"),
            ("@attribute a {x,y\n".into(), "line 1: attribute `a`: the list of classes does not end in `}`"),
            ("@attribute a relational\n".into(), "line 1: attribute `a` has the type `relational`"),
            ("@attribute a real\n@attribute a real\n".into(), "line 2: attribute `a` is there twice"),
            ("<html>\n".into(), "line 1: `<html>` is none of @relation, @attribute, @data"),
            ("".into(), "there is no @data line; this is no ARFF, or it was cut off"),
        ];
        for (text, want) in wrong {
            assert_eq!(parse(&text).expect_err(&text), want);
        }
    }
}
