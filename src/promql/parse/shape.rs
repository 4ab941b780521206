//! How words bind: the grammar of promql-parser, asked about the shape alone.

use std::sync::Once;

use promql_parser::parser::{Expr as Tree, Function, parse, register_extra_functions, value::ValueType};

use super::words::{Opener, Spot, Word};

/// The operand that stands for every operand.
const OPERAND: &str = "m";
/// The function that stands for every function and aggregation: any number of vectors.
const CALL: &str = "earlystop_call";

/// The tree over the words: its vector selectors are the operands, its calls are functions and aggregations.
///
/// What follows an operand (`[5m]`, `offset`, `@`) binds to it more tightly than anything, so that it is not part of the
/// shape; unary plus changes no value and is not either. No literal gets here: promql-parser panics on durations that
/// are out of range.
pub(super) fn tree(words: &[Spot]) -> Result<Tree, String> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let any = Function::new(CALL, vec![ValueType::Vector], -1, ValueType::Vector, false);
        // It can only be refused for a name that promql-parser has itself.
        let _ = register_extra_functions(vec![any]);
    });
    let parts: Vec<&str> = words.iter().map(|spot| part(&spot.word)).collect();
    parse(&parts.join(" "))
}

fn part(word: &Word) -> &'static str {
    match word {
        Word::Operand(_) => OPERAND,
        Word::Minus => "-",
        Word::Operator(infix) => infix.op.as_str(),
        Word::Open(Opener::Paren) => "(",
        Word::Open(Opener::Call(_) | Opener::Aggregate(..)) => "earlystop_call(",
        Word::Comma => ",",
        Word::Close(_) => ")",
        Word::Plus | Word::Range(_) | Word::Subquery(..) | Word::Offset(_) | Word::At(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{tokens, words};
    use super::*;

    fn shape(text: &str) -> String {
        let words = words::words(text, &tokens::tokens(text).unwrap()).unwrap();
        format!("{}", tree(&words).unwrap())
    }

    #[test]
    fn no_literal_and_no_modifier_gets_to_the_grammar() {
        assert_eq!(part(&Word::Open(Opener::Aggregate(crate::promql::Aggregation::Sum, None))), format!("{CALL}("));
        assert_eq!(shape("-foo[1y] * on (a) group_left (b) 0x10 ^ +x"), "-m * m ^ m");
    }
}
