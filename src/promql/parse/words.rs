//! Tokens to words, in the order in which they may stand.

use super::cursor::Cursor;
use super::tokens::{Kind, Token};
use super::{Place, Problem, matching, misplaced, operands, problem, selector, suffixes};
use crate::promql::{Aggregation, At, Cardinality, Function, Grouping, Node, Operator};

/// The deepest nesting of brackets.
const DEEPEST: usize = 64;
/// The most operators and signs.
const MOST_OPERATORS: usize = 500;

/// A word and its place.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) word: Word,
    pub(super) place: Place,
}

/// Several tokens that belong together.
#[derive(Debug)]
pub(super) enum Word {
    /// A number, text or selector.
    Operand(Node),
    /// Unary plus.
    Plus,
    /// Unary minus.
    Minus,
    /// A binary operator.
    Operator(Infix),
    /// A bracket opens.
    Open(Opener),
    /// Between two arguments.
    Comma,
    /// A bracket closes; a grouping may follow an aggregation.
    Close(Option<Grouping>),
    /// `[5m]`
    Range(i64),
    /// `[5m:1m]`
    Subquery(i64, Option<i64>),
    /// `offset 5m`
    Offset(i64),
    /// `@ 5`
    At(At),
}

/// What a round bracket is of.
#[derive(Clone, Debug)]
pub(super) enum Opener {
    /// Of itself.
    Paren,
    /// Of a function.
    Call(&'static Function),
    /// Of an aggregation, with the grouping that stands before the bracket.
    Aggregate(Aggregation, Option<Grouping>),
}

/// A binary operator and its modifiers.
#[derive(Clone, Debug)]
pub(super) struct Infix {
    pub(super) op: Operator,
    pub(super) returns_bool: bool,
    pub(super) labels: Option<Grouping>,
    pub(super) cardinality: Cardinality,
}

/// The words of a text, or the first token that cannot stand where it stands.
pub(super) fn words(text: &str, tokens: &[Token]) -> Result<Vec<Spot>, Problem> {
    let cursor = Cursor::new(text, tokens);
    let mut reader = Reader { cursor, words: Vec::new(), open: Vec::new(), operators: 0 };
    if tokens.len() == 1 {
        return Err(problem(0..text.len(), "there is no expression", "write one, as trial_memory_bytes > 8e9"));
    }
    while reader.operand()? == Next::Operand || reader.behind_operand()? == Next::Operand {}
    Ok(reader.words)
}

/// What may stand next.
#[derive(PartialEq, Eq)]
enum Next {
    Operand,
    Operator,
    Nothing,
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    words: Vec<Spot>,
    /// Words that opened brackets which are still open.
    open: Vec<usize>,
    operators: usize,
}

impl Reader<'_> {
    fn push(&mut self, word: Word, place: Place) {
        self.words.push(Spot { word, place });
    }

    /// The last word so far.
    fn before(&self) -> Option<&Word> {
        self.words.last().map(|spot| &spot.word)
    }

    /// One step where an operand must stand.
    fn operand(&mut self) -> Result<Next, Problem> {
        let token = self.cursor.token().clone();
        match &token.kind {
            Kind::Mark(sign @ ("+" | "-")) => {
                self.counts_operator(&token)?;
                self.cursor.step();
                self.push(if *sign == "+" { Word::Plus } else { Word::Minus }, token.place);
                return Ok(Next::Operand);
            }
            Kind::Mark("(") => return self.opens(Opener::Paren, token.place),
            Kind::Name(name) => {
                if let Some(opener) = operands::opener(&mut self.cursor, name)? {
                    return self.opens(opener, token.place);
                }
                operands::usable_as_metric(&self.cursor, name)?;
                let (selector, place) = selector::selector(&mut self.cursor)?;
                self.push(Word::Operand(Node::Vector(selector)), place);
            }
            Kind::Mark("{") => {
                let (selector, place) = selector::selector(&mut self.cursor)?;
                self.push(Word::Operand(Node::Vector(selector)), place);
            }
            _ => {
                let node = operands::literal(&token.kind)
                    .ok_or_else(|| misplaced::no_operand(&self.cursor, self.before(), &token))?;
                self.cursor.step();
                self.push(Word::Operand(node), token.place);
            }
        }
        Ok(Next::Operator)
    }

    /// A bracket opens; the name before it, if any, begins at `from`.
    fn opens(&mut self, opener: Opener, from: Place) -> Result<Next, Problem> {
        let bracket = self.cursor.token().place.clone();
        if self.open.len() == DEEPEST {
            let message = format!("more than {DEEPEST} brackets inside each other");
            return Err(problem(bracket, message, "take parts out into rules of their own"));
        }
        self.cursor.step();
        self.open.push(self.words.len());
        let call = matches!(opener, Opener::Call(_));
        self.push(Word::Open(opener), from.start..bracket.end);
        if call && self.cursor.token().is(")") { Ok(Next::Operator) } else { Ok(Next::Operand) }
    }

    /// Everything behind an operand up to where the next one must stand, or the end.
    fn behind_operand(&mut self) -> Result<Next, Problem> {
        loop {
            let token = self.cursor.token().clone();
            if let Some((word, place)) = suffixes::suffix(&mut self.cursor)? {
                self.push(word, place);
            } else if token.is(")") {
                self.closes(&token)?;
            } else if token.is(",") {
                return self.comma(token);
            } else if token.kind == Kind::End {
                let open = self.open.last().map(|at| self.words[*at].place.clone());
                return open.map_or(Ok(Next::Nothing), |place| {
                    Err(problem(place.end - 1..place.end, "this bracket never closes", "add the closing )"))
                });
            } else if let Some(op) = matching::operator(&token) {
                self.counts_operator(&token)?;
                self.cursor.step();
                let infix = matching::modifiers(&mut self.cursor, op)?;
                self.push(Word::Operator(infix), token.place);
                return Ok(Next::Operand);
            } else {
                return Err(misplaced::no_operator(&self.cursor, self.before(), &token));
            }
        }
    }

    fn closes(&mut self, token: &Token) -> Result<(), Problem> {
        let Some(opener) = self.open.pop() else {
            return Err(problem(
                token.place.clone(),
                "this bracket closes nothing",
                "take it out, or add the opening (",
            ));
        };
        self.cursor.step();
        let aggregate = matches!(self.words[opener].word, Word::Open(Opener::Aggregate(_, None)));
        let grouping = if aggregate { matching::grouping(&mut self.cursor)? } else { None };
        self.push(Word::Close(grouping), token.place.start..self.cursor.before());
        Ok(())
    }

    fn comma(&mut self, token: Token) -> Result<Next, Problem> {
        let opener = self.open.last().map(|at| &self.words[*at].word);
        if !matches!(opener, Some(Word::Open(Opener::Call(_) | Opener::Aggregate(..)))) {
            return Err(problem(token.place, "a comma outside of a function's arguments", "take it out"));
        }
        self.cursor.step();
        if self.cursor.token().is(")") {
            return Err(problem(token.place, "a comma behind the last argument", "take it out"));
        }
        self.push(Word::Comma, token.place);
        Ok(Next::Operand)
    }

    fn counts_operator(&mut self, token: &Token) -> Result<(), Problem> {
        self.operators += 1;
        if self.operators <= MOST_OPERATORS {
            return Ok(());
        }
        let message = format!("more than {MOST_OPERATORS} operators in one expression");
        Err(problem(token.place.clone(), message, "take parts out into rules of their own"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;

    #[test]
    fn what_cannot_stand_there_is_said() {
        all_are_said(&[
            ("sum()", ")", "unexpected `)`, expected an expression", "name what is aggregated: sum(x)"),
            (
                "sum by a (x)",
                "by",
                "unexpected `by`, expected an operator or the end",
                "`by` and `without` belong to an aggregation, with labels in brackets: sum by (label) (x)",
            ),
            (
                "a = 5",
                "=",
                "unexpected `=`, expected an operator or the end",
                "comparison is ==; the others are != < <= > >=",
            ),
            ("a == ", "", "unexpected end, expected an expression", "an operator stands between two expressions"),
            (
                r#"a =~ "b""#,
                "=~",
                "unexpected `=~`, expected an operator or the end",
                r#"regular expressions are matched in braces: {label=~"..."}"#,
            ),
            (
                "a and not b",
                "b",
                "unexpected `b`, expected an operator or the end",
                "PromQL has `unless` for `and not`",
            ),
            ("(a + b", "(", "this bracket never closes", "add the closing )"),
            ("a + b)", ")", "this bracket closes nothing", "take it out, or add the opening ("),
            (
                "a b",
                "b",
                "unexpected `b`, expected an operator or the end",
                "two expressions need an operator between them",
            ),
            (
                "a 5",
                "5",
                "unexpected `5`, expected an operator or the end",
                "two expressions need an operator between them",
            ),
            (
                "'a' 'b'",
                "'b'",
                "unexpected `'b'`, expected an operator or the end",
                "two expressions need an operator between them",
            ),
            (
                "a[5]b",
                "b",
                "unexpected `b`, expected an operator or the end",
                "two expressions need an operator between them",
            ),
            ("a[5m", "[", "this bracket never closes", "add the closing ]"),
            ("a[5m:1m", "[", "this bracket never closes", "add the closing ]"),
            (
                "a by (x)",
                "by",
                "unexpected `by`, expected an operator or the end",
                "`by` and `without` belong to an aggregation, with labels in brackets: sum by (label) (x)",
            ),
            (
                "a on (x) b",
                "on",
                "unexpected `on`, expected an operator or the end",
                "`on` and `ignoring` follow an operator: a * on (label) b",
            ),
            (
                "a bool b",
                "bool",
                "unexpected `bool`, expected an operator or the end",
                "`bool` follows a comparison: a > bool b",
            ),
            (
                "a group_left b",
                "group_left",
                "unexpected `group_left`, expected an operator or the end",
                "`group_left` and `group_right` follow `on (...)` or `ignoring (...)`",
            ),
            ("a, b", ",", "a comma outside of a function's arguments", "take it out"),
            ("(a, b)", ",", "a comma outside of a function's arguments", "take it out"),
            ("rate(x[5m],)", ",", "a comma behind the last argument", "take it out"),
            ("sum(,)", ",", "unexpected `,`, expected an expression", ""),
            ("sum((a)", "(", "this bracket never closes", "add the closing )"),
            (
                "a for 5m",
                "for",
                "unexpected `for`, expected an operator or the end",
                r#"how long it must hold is a key of the rule: for = "5m""#,
            ),
            (
                r#"{a="b"} or"#,
                "",
                "unexpected end, expected an expression",
                "an operator stands between two expressions",
            ),
            (
                "a > 5 for",
                "for",
                "unexpected `for`, expected an operator or the end",
                r#"how long it must hold is a key of the rule: for = "5m""#,
            ),
            ("()", ")", "unexpected `)`, expected an expression", ""),
            ("rate(x[5m]", "(", "this bracket never closes", "add the closing )"),
            ("a]", "]", "unexpected `]`, expected an operator or the end", "a bracket closes that nobody opened"),
            ("a}", "}", "unexpected `}`, expected an operator or the end", "a brace closes that nobody opened"),
            (
                r#"a{b="c"}{d="e"}"#,
                "{",
                "unexpected `{`, expected an operator or the end",
                "braces follow a metric's name directly",
            ),
            ("[5m]", "[", "unexpected `[`, expected an expression", "a range follows a metric: name[5m]"),
            ("@ 5", "@", "unexpected `@`, expected an expression", "@ follows a selector: name @ 1700000000"),
            (
                "offset 5m",
                "5m",
                "unexpected `5m`, expected an operator or the end",
                "two expressions need an operator between them",
            ),
            (
                "sum by (a) (x) by (b)",
                "by",
                "unexpected `by`, expected an operator or the end",
                "`by` and `without` belong to an aggregation, with labels in brackets: sum by (label) (x)",
            ),
        ]);
    }
}
