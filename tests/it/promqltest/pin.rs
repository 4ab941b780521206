//! The same question in other words, for checks that cost nothing: as a range query, and with its time pinned by `@`.

use earlystop::promql::{At, Expr, Node, Shift, Span};

/// Functions whose result depends on the time of the evaluation whatever their selectors say.
const CLOCKS: [&str; 11] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// Times at which a range query is asked whose answer at `at` is that of the instant query: a minute before and after
/// too, unless the expression speaks of the range's ends.
pub fn around(expr: &Expr, at: i64) -> Span {
    let minute = 60_000;
    let away = if of_the_ends(expr) { 0 } else { minute };
    Span { start: at - away, end: at + away, step: minute }
}

/// The expression with every selector pinned to `at`, which makes the time of its evaluation indifferent. `None` where it
/// is not.
pub fn pinned(expr: &Expr, at: i64) -> Option<Expr> {
    let mut clock = of_the_ends(expr);
    expr.visit(&mut |part| clock |= matches!(&part.node, Node::Call(function, _) if CLOCKS.contains(&function.name)));
    let mut pinned = expr.clone();
    pin(&mut pinned, at);
    (!clock).then_some(pinned)
}

/// Other times for a pinned expression.
pub fn elsewhere(at: i64) -> [i64; 5] {
    [-10 * at - 1_000, 0, at / 5, at + 60_000, 10 * at]
}

fn of_the_ends(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |part| {
        if let Node::Vector(s) | Node::Matrix(s, _) = &part.node {
            found |= matches!(s.shift.at, Some(At::Start | At::End));
        } else if let Node::Subquery { shift, .. } = &part.node {
            found |= matches!(shift.at, Some(At::Start | At::End));
        }
    });
    found
}

/// What is inside a subquery follows its times.
fn pin(expr: &mut Expr, at: i64) {
    let set = |shift: &mut Shift| shift.at = shift.at.or(Some(At::Time(at)));
    match &mut expr.node {
        Node::Number(_) | Node::Text(_) => {}
        Node::Vector(selector) | Node::Matrix(selector, _) => set(&mut selector.shift),
        Node::Subquery { shift, .. } => set(shift),
        Node::Paren(inner) | Node::Negate(inner) => pin(inner, at),
        Node::Call(_, args) => args.iter_mut().for_each(|arg| pin(arg, at)),
        Node::Aggregate { param, inner, .. } => param.iter_mut().chain([inner]).for_each(|part| pin(part, at)),
        Node::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| pin(part, at)),
    }
}
