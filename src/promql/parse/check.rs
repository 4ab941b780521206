//! Types: what an operator, function or modifier takes.

use super::words::Infix;
use super::{Place, Problem, problem};
use crate::promql::{
    Aggregation, Cardinality, Expr, Function, Grouping, Kind, Matching, Node, Selector, Shift, function,
};

/// A kind with its article.
fn a(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "a scalar",
        Kind::Vector => "an instant vector",
        Kind::Matrix => "a range vector",
        Kind::Text => "a string",
    }
}

/// Refuses a sign before what has none.
pub(super) fn unary(expr: &Expr, sign: char, place: &Place) -> Result<(), Problem> {
    match expr.kind() {
        Kind::Scalar | Kind::Vector => Ok(()),
        kind => {
            let message = format!("the sign {sign} stands before {}", a(kind));
            Err(problem(place.start..expr.place.end, message, "it goes with scalars and instant vectors"))
        }
    }
}

/// Refuses operands that an operator does not take; they come with what was written.
pub(super) fn binary(infix: &Infix, at: &Place, sides: [(&Expr, String); 2]) -> Result<(), Problem> {
    let op = infix.op;
    for (side, source) in &sides {
        let hint = match side.kind() {
            Kind::Scalar | Kind::Vector => continue,
            Kind::Matrix => format!("make a number of each series first: avg_over_time({source}), rate({source})"),
            Kind::Text => format!("to compare a label, use braces: {{label={source}}}"),
        };
        let message = format!("`{}` takes scalars and instant vectors, `{source}` is {}", op.as_str(), a(side.kind()));
        return Err(problem(side.place.clone(), message, hint));
    }
    let [(left, left_source), (right, right_source)] = sides;
    let scalar = [(left, left_source), (right, right_source)].into_iter().find(|(side, _)| side.kind() == Kind::Scalar);
    let Some((scalar, source)) = scalar else { return Ok(()) };
    if op.is_set() {
        let message = format!("`{}` takes instant vectors, `{source}` is a scalar", op.as_str());
        return Err(problem(scalar.place.clone(), message, format!("write vector({source})")));
    }
    if infix.labels.as_ref().is_some_and(|labels| !names(labels).is_empty()) {
        let message = format!("`{source}` is a scalar and has no labels to match");
        return Err(problem(scalar.place.clone(), message, "`on` and `ignoring` go between two instant vectors"));
    }
    if op.compares() && !infix.returns_bool && left.kind() == Kind::Scalar && right.kind() == Kind::Scalar {
        let op = op.as_str();
        let message = format!("`{op}` between two scalars filters nothing");
        return Err(problem(at.clone(), message, format!("write `{op} bool`, which gives 0 or 1")));
    }
    Ok(())
}

fn names(grouping: &Grouping) -> &[String] {
    let (Grouping::By(names) | Grouping::Without(names)) = grouping;
    names
}

/// Who goes with whom; between scalars and vectors, where `on ()` says nothing, nobody.
pub(super) fn matching(infix: &Infix, left: &Expr, right: &Expr) -> Matching {
    if left.kind() == Kind::Scalar || right.kind() == Kind::Scalar {
        return Matching { labels: Grouping::Without(Vec::new()), cardinality: Cardinality::OneToOne };
    }
    let labels = infix.labels.clone().unwrap_or(Grouping::Without(Vec::new()));
    Matching { labels, cardinality: infix.cardinality.clone() }
}

/// Refuses arguments that a function does not take; they come with what was written.
pub(super) fn call(function: &Function, args: &[Expr], sources: &[String], place: &Place) -> Result<(), Problem> {
    let name = function.name;
    let named = function.takes.len();
    let least = if function.variadic == 0 { named } else { named.saturating_sub(1) };
    let most = match function.variadic {
        0 => named,
        more if more > 0 => least + more as usize,
        _ => usize::MAX,
    };
    if args.len() < least || args.len() > most {
        let wanted = match (least, most) {
            (0, 0) => "no arguments".to_string(),
            (1, 1) => "1 argument".to_string(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, usize::MAX) => format!("at least {least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        let kinds: Vec<&str> = function.takes.iter().map(|kind| kind.as_str()).collect();
        let hint = if kinds.is_empty() { String::new() } else { format!("{name}({})", kinds.join(", ")) };
        return Err(problem(place.clone(), format!("`{name}` takes {wanted}, here are {}", args.len()), hint));
    }
    for (index, (arg, source)) in args.iter().zip(sources).enumerate() {
        let wanted = function.takes[index.min(named - 1)];
        if arg.kind() != wanted {
            return Err(wrong_argument(name, wanted, arg, source));
        }
    }
    Ok(())
}

/// Refuses what an aggregation does not take.
pub(super) fn aggregate(op: Aggregation, args: &[Expr], sources: &[String], place: &Place) -> Result<(), Problem> {
    let name = op.as_str();
    let param = match op {
        Aggregation::Topk | Aggregation::Bottomk | Aggregation::Quantile => Some(Kind::Scalar),
        Aggregation::CountValues => Some(Kind::Text),
        _ => None,
    };
    let wanted = 1 + usize::from(param.is_some());
    if args.len() != wanted {
        let shape = match param {
            Some(Kind::Text) => format!("{name}(\"label\", x)"),
            Some(_) if op == Aggregation::Quantile => format!("{name}(0.9, x)"),
            Some(_) => format!("{name}(3, x)"),
            None if args.len() == 2 => format!("{name}(x); the larger of two: a > b or b"),
            None => format!("{name}(x)"),
        };
        let words = if wanted == 1 { "1 argument" } else { "2 arguments" };
        let message = format!("`{name}` takes {words}, here are {}", args.len());
        return Err(problem(place.clone(), message, format!("write {shape}")));
    }
    let kinds = param.into_iter().chain([Kind::Vector]);
    for ((arg, source), wanted) in args.iter().zip(sources).zip(kinds) {
        if arg.kind() != wanted {
            return Err(wrong_argument(name, wanted, arg, source));
        }
    }
    Ok(())
}

/// An argument of another type than is wanted.
fn wrong_argument(name: &str, wanted: Kind, arg: &Expr, source: &str) -> Problem {
    let over_time = format!("{name}_over_time");
    let hint = match (wanted, arg.kind()) {
        (Kind::Matrix, Kind::Vector) if matches!(arg.node, Node::Vector(_)) => format!("write {name}({source}[1m])"),
        (Kind::Matrix, Kind::Vector) => format!("write a subquery: {source}[5m:]"),
        (Kind::Vector, Kind::Matrix) if function(&over_time).is_some() => {
            format!("write {over_time}({source}) for the samples of each series")
        }
        (Kind::Vector, Kind::Matrix) => match &arg.node {
            Node::Matrix(..) => "leave the range out, or use a function over time".to_string(),
            _ => "use a function over time".to_string(),
        },
        (Kind::Vector, Kind::Scalar) => format!("write vector({source})"),
        (Kind::Scalar, Kind::Vector) => format!("write scalar({source}), which wants exactly one series"),
        (Kind::Text, Kind::Vector) => format!("write it in quotes: \"{source}\""),
        (Kind::Scalar, Kind::Text) => "write the number without quotes".to_string(),
        _ => String::new(),
    };
    problem(arg.place.clone(), format!("`{name}` wants {}, `{source}` is {}", a(wanted), a(arg.kind())), hint)
}

/// The selector that a range follows.
pub(super) fn selector_of_range(expr: Expr, source: &str, at: &Place) -> Result<Selector, Problem> {
    let selector = match expr.node {
        Node::Vector(selector) => selector,
        Node::Matrix(..) | Node::Subquery { .. } => {
            return Err(problem(at.clone(), format!("`{source}` has a range already"), "keep one of the two ranges"));
        }
        _ => {
            let hint = format!("write a subquery: {source}[5m:]");
            return Err(problem(at.clone(), format!("a range follows a selector, `{source}` is none"), hint));
        }
    };
    let modifier = if selector.shift.at.is_some() { "@" } else { "offset" };
    if selector.shift == Shift::default() {
        return Ok(selector);
    }
    let message = format!("a range stands before `{modifier}`");
    Err(problem(at.clone(), message, format!("write name[5m] {modifier} ...")))
}

/// Refuses a subquery of what is no instant vector.
pub(super) fn no_subquery(expr: &Expr, source: &str) -> Problem {
    let hint = match expr.kind() {
        Kind::Scalar => format!("write vector({source})[5m:]"),
        Kind::Matrix => format!("make an instant vector of it first: avg_over_time({source})"),
        _ => String::new(),
    };
    let message = format!("a subquery is of an instant vector, `{source}` is {}", a(expr.kind()));
    problem(expr.place.clone(), message, hint)
}

/// The offset and time of what can have them.
pub(super) fn shift<'e>(expr: &'e mut Expr, source: &str, word: &str, at: &Place) -> Result<&'e mut Shift, Problem> {
    match &mut expr.node {
        Node::Vector(selector) | Node::Matrix(selector, _) => Ok(&mut selector.shift),
        Node::Subquery { shift, .. } => Ok(shift),
        _ => {
            let message = format!("`{word}` follows a selector or a subquery, `{source}` is neither");
            Err(problem(at.clone(), message, format!("put `{word}` behind the metric's name inside")))
        }
    }
}
