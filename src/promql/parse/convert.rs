//! The shape and the words, walked together, to an expression.

use promql_parser::parser::Expr as Tree;

use super::tokens::short;
use super::words::{Infix, Opener, Spot, Word};
use super::{Place, Problem, check, problem};
use crate::promql::{Expr, Grouping, Kind, Node, Shift};

/// The deepest tree: brackets and operators that lie inside each other.
const DEEPEST: usize = 128;

/// The expression, checked.
pub(super) fn convert(text: &str, words: &[Spot], tree: &Tree) -> Result<Expr, Problem> {
    let mut walk = Walk { text, words, at: 0 };
    let expr = walk.expr(tree, 0)?;
    match walk.words.get(walk.at) {
        None => Ok(expr),
        Some(spot) => Err(unread(spot.place.clone())),
    }
}

/// The shape and the words differ, which the order of the words does not allow.
fn unread(place: Place) -> Problem {
    problem(place, "this cannot be understood", "put brackets around the parts that belong together")
}

/// Where the walk stands.
pub(super) struct Walk<'w> {
    text: &'w str,
    words: &'w [Spot],
    at: usize,
}

impl<'w> Walk<'w> {
    /// What was written there, shortened.
    fn source(&self, place: &Place) -> String {
        short(self.text.get(place.clone()).unwrap_or_default())
    }

    /// Takes the next word.
    fn take(&mut self) -> Result<&'w Spot, Problem> {
        let end = self.text.len();
        let spot = self.words.get(self.at).ok_or_else(|| unread(end..end))?;
        self.at += 1;
        Ok(spot)
    }

    fn expr(&mut self, tree: &Tree, depth: usize) -> Result<Expr, Problem> {
        let plus = self.words.get(self.at).filter(|spot| matches!(spot.word, Word::Plus));
        if let Some(plus) = plus.filter(|_| depth <= DEEPEST) {
            self.at += 1;
            let expr = self.expr(tree, depth + 1)?;
            check::unary(&expr, '+', &plus.place)?;
            return Ok(expr);
        }
        if depth > DEEPEST {
            let place = self.words.get(self.at).map_or(0..0, |spot| spot.place.clone());
            let message = format!("more than {DEEPEST} operators and brackets inside each other");
            return Err(problem(place, message, "take parts out into rules of their own, or use =~\"a|b\""));
        }
        match tree {
            Tree::Binary(binary) => self.binary(&binary.lhs, &binary.rhs, depth + 1),
            Tree::Unary(unary) => self.negated(&unary.expr, depth + 1),
            Tree::Paren(paren) => {
                let inside = [&*paren.expr];
                self.bracket(&inside, depth + 1)
            }
            Tree::Call(call) => {
                let inside: Vec<&Tree> = call.args.args.iter().map(|arg| &**arg).collect();
                self.bracket(&inside, depth + 1)
            }
            _ => {
                let spot = self.take()?;
                let Word::Operand(node) = &spot.word else { return Err(unread(spot.place.clone())) };
                self.suffixes(Expr { node: node.clone(), place: spot.place.clone() })
            }
        }
    }

    fn binary(&mut self, left: &Tree, right: &Tree, depth: usize) -> Result<Expr, Problem> {
        let left = self.expr(left, depth)?;
        let spot = self.take()?;
        let Word::Operator(infix) = &spot.word else { return Err(unread(spot.place.clone())) };
        let right = self.expr(right, depth)?;
        let Infix { op, returns_bool, .. } = *infix;
        check::binary(infix, &spot.place, [(&left, self.source(&left.place)), (&right, self.source(&right.place))])?;
        let place = left.place.start..right.place.end;
        let matching = check::matching(infix, &left, &right);
        let (left, right) = (Box::new(left), Box::new(right));
        Ok(Expr { node: Node::Binary { op, left, right, matching, returns_bool }, place })
    }

    fn negated(&mut self, inner: &Tree, depth: usize) -> Result<Expr, Problem> {
        let spot = self.take()?;
        let inner = self.expr(inner, depth)?;
        check::unary(&inner, '-', &spot.place)?;
        let place = spot.place.start..inner.place.end;
        let node = match inner.node {
            Node::Number(value) => Node::Number(-value),
            _ => Node::Negate(Box::new(inner)),
        };
        Ok(Expr { node, place })
    }

    /// Brackets with or without a name before them, and what follows them.
    fn bracket(&mut self, inside: &[&Tree], depth: usize) -> Result<Expr, Problem> {
        let open = self.take()?;
        let Word::Open(opener) = &open.word else { return Err(unread(open.place.clone())) };
        let mut args = Vec::with_capacity(inside.len());
        for (index, tree) in inside.iter().enumerate() {
            if index > 0 {
                self.take()?;
            }
            args.push(self.expr(tree, depth)?);
        }
        let close = self.take()?;
        let Word::Close(behind) = &close.word else { return Err(unread(close.place.clone())) };
        let place = open.place.start..close.place.end;
        let sources: Vec<String> = args.iter().map(|arg| self.source(&arg.place)).collect();
        let node = match opener {
            Opener::Paren => Node::Paren(Box::new(args.pop().ok_or_else(|| unread(place.clone()))?)),
            Opener::Call(function) => {
                check::call(function, &args, &sources, &place)?;
                Node::Call(function, args)
            }
            Opener::Aggregate(op, before) => {
                check::aggregate(*op, &args, &sources, &place)?;
                let inner = Box::new(args.pop().ok_or_else(|| unread(place.clone()))?);
                let grouping = before.clone().or_else(|| behind.clone()).unwrap_or(Grouping::By(Vec::new()));
                Node::Aggregate { op: *op, param: args.pop().map(Box::new), inner, grouping }
            }
        };
        self.suffixes(Expr { node, place })
    }

    /// Applies the ranges, offsets and `@` that follow.
    fn suffixes(&mut self, mut expr: Expr) -> Result<Expr, Problem> {
        while let Some(spot) = self.words.get(self.at) {
            let place = expr.place.start..spot.place.end;
            let source = self.source(&expr.place);
            match &spot.word {
                Word::Range(range) => {
                    let selector = check::selector_of_range(expr, &source, &spot.place)?;
                    expr = Expr { node: Node::Matrix(selector, *range), place };
                }
                Word::Subquery(range, step) => {
                    if expr.kind() != Kind::Vector {
                        return Err(check::no_subquery(&expr, &source));
                    }
                    let (inner, shift) = (Box::new(expr), Shift::default());
                    expr = Expr { node: Node::Subquery { inner, range: *range, step: *step, shift }, place };
                }
                Word::Offset(offset) => {
                    let shift = check::shift(&mut expr, &source, "offset", &spot.place)?;
                    if shift.offset != 0 {
                        return Err(problem(spot.place.clone(), "the offset is given twice", "add the two up"));
                    }
                    shift.offset = *offset;
                    expr.place = place;
                }
                Word::At(at) => {
                    let shift = check::shift(&mut expr, &source, "@", &spot.place)?;
                    if shift.at.replace(*at).is_some() {
                        return Err(problem(
                            spot.place.clone(),
                            "the time behind @ is given twice",
                            "keep one of them",
                        ));
                    }
                    expr.place = place;
                }
                _ => break,
            }
            self.at += 1;
        }
        Ok(expr)
    }
}
