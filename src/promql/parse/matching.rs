//! Binary operators with their modifiers, and lists of labels.

use super::cursor::Cursor;
use super::selector::label_name;
use super::tokens::{Kind, Token};
use super::words::Infix;
use super::{Place, Problem, problem, refused};
use crate::promql::{Cardinality, Grouping, Operator};

/// The binary operator of a token.
pub(super) fn operator(token: &Token) -> Option<Operator> {
    let written = match &token.kind {
        Kind::Mark(mark) => (*mark).to_string(),
        Kind::Name(name) => name.to_ascii_lowercase(),
        _ => return None,
    };
    Operator::ALL.into_iter().find(|op| op.as_str() == written)
}

/// Reads the modifiers behind an operator.
pub(super) fn modifiers(cursor: &mut Cursor<'_>, op: Operator) -> Result<Infix, Problem> {
    let mut infix = Infix { op, returns_bool: false, labels: None, cardinality: Cardinality::OneToOne };
    if op.is_set() {
        infix.cardinality = Cardinality::ManyToMany;
    }
    let token = cursor.token();
    if token.is_word("bool") {
        if !op.compares() {
            let message = format!("`bool` goes with comparisons, and `{}` is none", op.as_str());
            return Err(problem(token.place.clone(), message, "leave it out"));
        }
        cursor.step();
        infix.returns_bool = true;
    }
    let token = cursor.token();
    let by = token.is_word("on");
    if by || token.is_word("ignoring") {
        cursor.step();
        let labels = names(cursor, &token.place)?;
        infix.labels = Some(if by { Grouping::By(labels) } else { Grouping::Without(labels) });
        group(cursor, &mut infix)?;
    }
    let token = cursor.token();
    match cursor.ahead(1).is("(").then(|| refused::fill(token)).flatten() {
        Some(refusal) => Err(refusal),
        None => Ok(infix),
    }
}

/// Reads `group_left (...)` or `group_right (...)`.
fn group(cursor: &mut Cursor<'_>, infix: &mut Infix) -> Result<(), Problem> {
    let token = cursor.token();
    let left = token.is_word("group_left");
    if !left && !token.is_word("group_right") {
        return Ok(());
    }
    let word = if left { "group_left" } else { "group_right" };
    if infix.op.is_set() {
        let message = format!("`{word}` does not go with `{}`: set operators match many with many", infix.op.as_str());
        return Err(problem(token.place.clone(), message, "leave it out"));
    }
    cursor.step();
    let included = if cursor.token().is("(") { names(cursor, &token.place)? } else { Vec::new() };
    if let Some(Grouping::By(on)) = &infix.labels
        && let Some(twice) = included.iter().find(|label| on.contains(label))
    {
        let message = format!("the label `{twice}` is in `on` and in `{word}`");
        let hint = format!("labels of `on` are kept anyway: take it out of `{word}`");
        return Err(problem(token.place.start..cursor.before(), message, hint));
    }
    infix.cardinality = if left { Cardinality::ManyToOne(included) } else { Cardinality::OneToMany(included) };
    Ok(())
}

/// Reads `by (...)` or `without (...)`, if it stands here.
pub(super) fn grouping(cursor: &mut Cursor<'_>) -> Result<Option<Grouping>, Problem> {
    let token = cursor.token();
    let by = token.is_word("by");
    if !by && !token.is_word("without") {
        return Ok(None);
    }
    cursor.step();
    let labels = names(cursor, &token.place)?;
    Ok(Some(if by { Grouping::By(labels) } else { Grouping::Without(labels) }))
}

/// Reads labels in brackets, for the keyword at `of`.
fn names(cursor: &mut Cursor<'_>, of: &Place) -> Result<Vec<String>, Problem> {
    let word = cursor.source(of);
    let example = format!("write {word} (label, other)");
    if !cursor.takes("(") {
        let message = format!("`{word}` wants labels in brackets");
        return Err(problem(of.clone(), message, example));
    }
    let mut labels = Vec::new();
    loop {
        let token = cursor.token();
        let label = match &token.kind {
            Kind::Name(name) => (name, false),
            Kind::Text(name) => (name, true),
            Kind::Mark(")") => {
                cursor.step();
                return Ok(labels);
            }
            _ => {
                let message = format!("{}, expected a label's name", cursor.unexpected(token));
                return Err(problem(token.place.clone(), message, example));
            }
        };
        label_name(label.0, label.1, token)?;
        labels.push(label.0.clone());
        cursor.step();
        let token = cursor.token();
        if !cursor.takes(",") && !token.is(")") {
            let message = format!("{}, expected a comma or the end of the labels", cursor.unexpected(token));
            return Err(problem(token.place.clone(), message, example));
        }
    }
}
