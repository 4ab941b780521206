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
        let hint = format!("{name}({}): {}", kinds.join(", "), function.help);
        return Err(problem(place.clone(), format!("`{name}` takes {wanted}, {}", here(args.len())), hint));
    }
    for (index, (arg, source)) in args.iter().zip(sources).enumerate() {
        let wanted = function.takes[index.min(named - 1)];
        if arg.kind() != wanted {
            return Err(wrong_argument(name, wanted, arg, source, order(name, function.takes, args)));
        }
    }
    Ok(())
}

/// A hint, where the arguments are the right ones in another order.
fn order(name: &str, wanted: &[Kind], args: &[Expr]) -> Option<String> {
    let sorted = |kinds: &mut dyn Iterator<Item = Kind>| {
        let mut kinds: Vec<&str> = kinds.map(Kind::as_str).collect();
        kinds.sort_unstable();
        kinds
    };
    let right = sorted(&mut wanted.iter().copied()) == sorted(&mut args.iter().map(Expr::kind));
    let kinds: Vec<&str> = wanted.iter().map(|kind| kind.as_str()).collect();
    right.then(|| format!("the order is {name}({})", kinds.join(", ")))
}

fn here(many: usize) -> String {
    if many == 1 { "here is 1".to_string() } else { format!("here are {many}") }
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
        let message = format!("`{name}` takes {words}, {}", here(args.len()));
        return Err(problem(place.clone(), message, format!("write {shape}")));
    }
    let kinds: Vec<Kind> = param.into_iter().chain([Kind::Vector]).collect();
    for ((arg, source), wanted) in args.iter().zip(sources).zip(&kinds) {
        if arg.kind() != *wanted {
            return Err(wrong_argument(name, *wanted, arg, source, order(name, &kinds, args)));
        }
    }
    Ok(())
}

/// An argument of another type than is wanted.
fn wrong_argument(name: &str, wanted: Kind, arg: &Expr, source: &str, order: Option<String>) -> Problem {
    let over_time = format!("{name}_over_time");
    let hint = match (wanted, arg.kind()) {
        (Kind::Matrix, Kind::Vector) if matches!(arg.node, Node::Vector(_)) => format!("write {name}({source}[1m])"),
        (Kind::Matrix, Kind::Vector) => match &arg.node {
            Node::Binary { .. } | Node::Negate(_) => format!("write a subquery: ({source})[5m:]"),
            _ => format!("write a subquery: {source}[5m:]"),
        },
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
    let message = format!("`{name}` wants {}, `{source}` is {}", a(wanted), a(arg.kind()));
    problem(arg.place.clone(), message, order.unwrap_or(hint))
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

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;

    #[test]
    fn what_is_of_the_wrong_type_is_said() {
        all_are_said(&[
            (
                "predict_linear(600, x[2m])",
                "600",
                "`predict_linear` wants a range vector, `600` is a scalar",
                "the order is predict_linear(range vector, scalar)",
            ),
            (
                "topk(x, 1)",
                "x",
                "`topk` wants a scalar, `x` is an instant vector",
                "the order is topk(scalar, instant vector)",
            ),
            ("rate(x)", "x", "`rate` wants a range vector, `x` is an instant vector", "write rate(x[1m])"),
            (
                "rate(x > 1)",
                "x > 1",
                "`rate` wants a range vector, `x > 1` is an instant vector",
                "write a subquery: (x > 1)[5m:]",
            ),
            (
                r#"sum_over_time(x{a="b"})"#,
                r#"x{a="b"}"#,
                r#"`sum_over_time` wants a range vector, `x{a="b"}` is an instant vector"#,
                r#"write sum_over_time(x{a="b"}[1m])"#,
            ),
            (
                "avg(x[5m])",
                "x[5m]",
                "`avg` wants an instant vector, `x[5m]` is a range vector",
                "write avg_over_time(x[5m]) for the samples of each series",
            ),
            (
                "abs(x[5m])",
                "x[5m]",
                "`abs` wants an instant vector, `x[5m]` is a range vector",
                "leave the range out, or use a function over time",
            ),
            ("abs(1)", "1", "`abs` wants an instant vector, `1` is a scalar", "write vector(1)"),
            (
                "clamp_min(x, y)",
                "y",
                "`clamp_min` wants a scalar, `y` is an instant vector",
                "write scalar(y), which wants exactly one series",
            ),
            (
                r#"clamp_min(x, "5")"#,
                r#""5""#,
                r#"`clamp_min` wants a scalar, `"5"` is a string"#,
                "write the number without quotes",
            ),
            (
                "rate(x[5m], 3)",
                "rate(x[5m], 3)",
                "`rate` takes 1 argument, here are 2",
                "rate(range vector): per-second increase of a counter over the range, resets allowed for, extrapolated to its ends",
            ),
            (
                "clamp(x)",
                "clamp(x)",
                "`clamp` takes 3 arguments, here is 1",
                "clamp(instant vector, scalar, scalar): limited to at least the first and at most the second number; nothing where they cross",
            ),
            (
                "time(1)",
                "time(1)",
                "`time` takes no arguments, here is 1",
                "time(): the evaluation's time, in seconds since 1970",
            ),
            (
                "round(x, 1, 2)",
                "round(x, 1, 2)",
                "`round` takes 1 to 2 arguments, here are 3",
                "round(instant vector, scalar): rounded to the nearest multiple of the number (1 where left out), half up",
            ),
            (
                "rate()",
                "rate()",
                "`rate` takes 1 argument, here are 0",
                "rate(range vector): per-second increase of a counter over the range, resets allowed for, extrapolated to its ends",
            ),
            (
                "sum(a, b)",
                "sum(a, b)",
                "`sum` takes 1 argument, here are 2",
                "write sum(x); the larger of two: a > b or b",
            ),
            (
                "max(a, b)",
                "max(a, b)",
                "`max` takes 1 argument, here are 2",
                "write max(x); the larger of two: a > b or b",
            ),
            ("topk(x)", "topk(x)", "`topk` takes 2 arguments, here is 1", "write topk(3, x)"),
            (
                r#"topk("3", x)"#,
                r#""3""#,
                r#"`topk` wants a scalar, `"3"` is a string"#,
                "write the number without quotes",
            ),
            (
                "topk(x, y)",
                "x",
                "`topk` wants a scalar, `x` is an instant vector",
                "write scalar(x), which wants exactly one series",
            ),
            ("quantile(x)", "quantile(x)", "`quantile` takes 2 arguments, here is 1", "write quantile(0.9, x)"),
            (
                "count_values(x, y)",
                "x",
                "`count_values` wants a string, `x` is an instant vector",
                r#"write it in quotes: "x""#,
            ),
            (
                "count_values(x)",
                "count_values(x)",
                "`count_values` takes 2 arguments, here is 1",
                r#"write count_values("label", x)"#,
            ),
            ("a offset 5m [5m]", "[5m]", "a range stands before `offset`", "write name[5m] offset ..."),
            ("a @ 5 [5m]", "[5m]", "a range stands before `@`", "write name[5m] @ ..."),
            ("(a)[5m]", "[5m]", "a range follows a selector, `(a)` is none", "write a subquery: (a)[5m:]"),
            ("sum(a)[5m]", "[5m]", "a range follows a selector, `sum(a)` is none", "write a subquery: sum(a)[5m:]"),
            ("a[5m][5m]", "[5m]", "`a[5m]` has a range already", "keep one of the two ranges"),
            ("a[5m:][5m]", "[5m]", "`a[5m:]` has a range already", "keep one of the two ranges"),
            ("1[5m:]", "1", "a subquery is of an instant vector, `1` is a scalar", "write vector(1)[5m:]"),
            (
                "a[5m][5m:]",
                "a[5m]",
                "a subquery is of an instant vector, `a[5m]` is a range vector",
                "make an instant vector of it first: avg_over_time(a[5m])",
            ),
            (
                "sum(a) offset 5m",
                "offset 5m",
                "`offset` follows a selector or a subquery, `sum(a)` is neither",
                "put `offset` behind the metric's name inside",
            ),
            (
                "sum(a) @ 5",
                "@ 5",
                "`@` follows a selector or a subquery, `sum(a)` is neither",
                "put `@` behind the metric's name inside",
            ),
            (r#""a"[5m:]"#, r#""a""#, r#"a subquery is of an instant vector, `"a"` is a string"#, ""),
            (
                "a + x[5m]",
                "x[5m]",
                "`+` takes scalars and instant vectors, `x[5m]` is a range vector",
                "make a number of each series first: avg_over_time(x[5m]), rate(x[5m])",
            ),
            (
                "x[5m] > 5",
                "x[5m]",
                "`>` takes scalars and instant vectors, `x[5m]` is a range vector",
                "make a number of each series first: avg_over_time(x[5m]), rate(x[5m])",
            ),
            (
                r#""a" + 1"#,
                r#""a""#,
                r#"`+` takes scalars and instant vectors, `"a"` is a string"#,
                r#"to compare a label, use braces: {label="a"}"#,
            ),
            (
                r#"a == "b""#,
                r#""b""#,
                r#"`==` takes scalars and instant vectors, `"b"` is a string"#,
                r#"to compare a label, use braces: {label="b"}"#,
            ),
            (r#"-"a""#, r#"-"a""#, "the sign - stands before a string", "it goes with scalars and instant vectors"),
            (r#"+"a""#, r#"+"a""#, "the sign + stands before a string", "it goes with scalars and instant vectors"),
            ("-a[5m]", "-a[5m]", "the sign - stands before a range vector", "it goes with scalars and instant vectors"),
            ("+a[5m]", "+a[5m]", "the sign + stands before a range vector", "it goes with scalars and instant vectors"),
            ("1 == 1", "==", "`==` between two scalars filters nothing", "write `== bool`, which gives 0 or 1"),
            ("1 and a", "1", "`and` takes instant vectors, `1` is a scalar", "write vector(1)"),
            ("a or 5", "5", "`or` takes instant vectors, `5` is a scalar", "write vector(5)"),
        ]);
    }
}
