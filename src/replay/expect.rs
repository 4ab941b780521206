//! `--expect 'kept >= 0.95 and speedup >= 2'`: comparisons of named figures, with `and`, `or`, `not` and parentheses. A figure
//! that is only known within bounds may leave a comparison open.

use super::outcome::Bounds;

/// What an expectation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It holds whatever is not known.
    Yes,
    /// It does not hold, whatever is not known.
    No,
    /// It depends on what nobody knows.
    Open,
}

impl Answer {
    fn and(self, other: Answer) -> Answer {
        match (self, other) {
            (Answer::No, _) | (_, Answer::No) => Answer::No,
            (Answer::Yes, Answer::Yes) => Answer::Yes,
            _ => Answer::Open,
        }
    }

    fn not(self) -> Answer {
        match self {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Open => Answer::Open,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

/// Signs as they are written, longer ones first.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("==", Sign::Equal),
    ("!=", Sign::Unequal),
    ("<", Sign::Less),
    (">", Sign::More),
];

#[derive(Clone, Debug, PartialEq)]
enum Side {
    Number(f64),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Compare(Side, Sign, Side),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

/// An expectation, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    node: Node,
    text: String,
}

/// Deepest nesting that is read.
const DEPTH: usize = 64;

impl Expectation {
    /// Reads it.
    ///
    /// # Errors
    /// In words what is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Expectation, String> {
        let mut parser = Parser { words: words(text)?, at: 0 };
        let node = parser.either(0)?;
        match parser.peek() {
            None => Ok(Expectation { node, text: text.to_string() }),
            Some(word) => Err(format!("{word:?} is too much; write `and` or `or` between comparisons")),
        }
    }

    /// The names in it, in their order.
    pub fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.node.visit(&mut |side| {
            if let Side::Name(name) = side {
                found.push(name.as_str());
            }
        });
        found
    }

    /// What it comes to.
    ///
    /// # Errors
    /// The first name without a figure, in words.
    pub fn answer(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>) -> Result<Answer, String> {
        self.node.answer(figure)
    }

    /// The comparisons that do not surely hold, with what they saw.
    pub fn told(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>) -> Vec<String> {
        let mut told = Vec::new();
        self.node.tell(figure, &mut told);
        told
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Node {
    fn visit<'n>(&'n self, see: &mut dyn FnMut(&'n Side)) {
        match self {
            Node::Compare(a, _, b) => {
                see(a);
                see(b);
            }
            Node::And(a, b) | Node::Or(a, b) => {
                a.visit(see);
                b.visit(see);
            }
            Node::Not(a) => a.visit(see),
        }
    }

    fn answer(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>) -> Result<Answer, String> {
        Ok(match self {
            Node::Compare(a, sign, b) => compare(a.value(figure)?, *sign, b.value(figure)?),
            Node::And(a, b) => a.answer(figure)?.and(b.answer(figure)?),
            Node::Or(a, b) => a.answer(figure)?.not().and(b.answer(figure)?.not()).not(),
            Node::Not(a) => a.answer(figure)?.not(),
        })
    }

    fn tell(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>, told: &mut Vec<String>) {
        match self {
            Node::Compare(a, sign, b) => {
                let answer = self.answer(figure).unwrap_or(Answer::Open);
                if answer != Answer::Yes {
                    let sign = SIGNS.iter().find(|(_, s)| s == sign).map_or("", |(text, _)| text);
                    let open = if answer == Answer::Open { ": not identified" } else { "" };
                    told.push(format!("{} {sign} {}{open}", a.told(figure), b.told(figure)));
                }
            }
            Node::And(a, b) | Node::Or(a, b) => {
                a.tell(figure, told);
                b.tell(figure, told);
            }
            Node::Not(a) => {
                if self.answer(figure).is_ok_and(|answer| answer != Answer::Yes) {
                    let mut inner = Vec::new();
                    a.visit(&mut |side| inner.push(side.told(figure)));
                    told.push(format!("not (...) with {}", inner.join(", ")));
                }
            }
        }
    }
}

impl Side {
    fn value(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>) -> Result<Bounds, String> {
        match self {
            Side::Number(number) => Ok(Bounds::exact(*number)),
            Side::Name(name) => figure(name),
        }
    }

    fn told(&self, figure: &dyn Fn(&str) -> Result<Bounds, String>) -> String {
        match (self, self.value(figure)) {
            (Side::Number(number), _) => number.to_string(),
            (Side::Name(name), Ok(bounds)) if bounds.low == bounds.high => format!("{name} ({})", bounds.low),
            (Side::Name(name), Ok(bounds)) => format!("{name} ({} to {})", bounds.low, bounds.high),
            (Side::Name(name), Err(_)) => name.clone(),
        }
    }
}

/// A comparison holds if it does for every value within the bounds.
fn compare(a: Bounds, sign: Sign, b: Bounds) -> Answer {
    let decided = |always: bool, ever: bool| match (always, ever) {
        (true, _) => Answer::Yes,
        (false, false) => Answer::No,
        (false, true) => Answer::Open,
    };
    match sign {
        Sign::Less => decided(a.high < b.low, a.low < b.high),
        Sign::AtMost => decided(a.high <= b.low, a.low <= b.high),
        Sign::More => decided(a.low > b.high, a.high > b.low),
        Sign::AtLeast => decided(a.low >= b.high, a.high >= b.low),
        Sign::Equal => {
            let exact = a.low == a.high && b.low == b.high;
            decided(exact && a.low == b.low, a.low <= b.high && b.low <= a.high)
        }
        Sign::Unequal => compare(a, Sign::Equal, b).not(),
    }
}

/// Names, numbers, signs, parentheses.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
        let part = |c: char| c.is_alphanumeric() || "._+-".contains(c);
        let length = match (sign, first) {
            (Some((sign, _)), _) => sign.len(),
            (None, '(' | ')') => 1,
            (None, c) if part(c) => rest.find(|c| !part(c)).unwrap_or(rest.len()),
            (None, c) => {
                return Err(format!("{c:?} means nothing here; write NAME >= NUMBER, `and`, `or`, `not`, ( )"));
            }
        };
        words.push(rest[..length].to_string());
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

struct Parser {
    words: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek() == Some(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn either(&mut self, depth: usize) -> Result<Node, String> {
        let mut node = self.both(depth)?;
        while self.takes("or") {
            node = Node::Or(Box::new(node), Box::new(self.both(depth)?));
        }
        Ok(node)
    }

    fn both(&mut self, depth: usize) -> Result<Node, String> {
        let mut node = self.one(depth)?;
        while self.takes("and") {
            node = Node::And(Box::new(node), Box::new(self.one(depth)?));
        }
        Ok(node)
    }

    fn one(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH {
            return Err(format!("more than {DEPTH} parentheses within each other"));
        }
        if self.takes("not") {
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes("(") {
            let node = self.either(depth + 1)?;
            return if self.takes(")") { Ok(node) } else { Err("a ) is missing".to_string()) };
        }
        let left = self.side()?;
        let sign = self.peek().and_then(|word| SIGNS.iter().find(|(sign, _)| *sign == word)).map(|(_, sign)| *sign);
        let Some(sign) = sign else {
            return Err("a comparison is missing; write for example kept >= 0.95".to_string());
        };
        self.at += 1;
        Ok(Node::Compare(left, sign, self.side()?))
    }

    fn side(&mut self) -> Result<Side, String> {
        let Some(word) = self.peek().map(str::to_string) else {
            return Err("it ends too early; write for example kept >= 0.95".to_string());
        };
        self.at += 1;
        if let Ok(number) = word.parse::<f64>() {
            return if number.is_finite() { Ok(Side::Number(number)) } else { Err(format!("{word} is no figure")) };
        }
        let is_name = word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c))
            && !["and", "or", "not"].contains(&word.as_str());
        if is_name { Ok(Side::Name(word)) } else { Err(format!("{word:?} is neither a name nor a number")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str) -> Result<Bounds, String> {
        match name {
            "kept" => Ok(Bounds { low: 0.9, high: 1.0 }),
            "speedup" => Ok(Bounds::exact(2.5)),
            "censored.trials" => Ok(Bounds::exact(0.0)),
            other => Err(format!("no figure {other}")),
        }
    }

    fn answer(text: &str) -> Answer {
        Expectation::parse(text).unwrap().answer(&figure).unwrap()
    }

    #[test]
    fn bounds_decide_or_leave_open() {
        assert_eq!(answer("kept >= 0.9 and speedup >= 2"), Answer::Yes);
        assert_eq!(answer("kept >= 0.95"), Answer::Open);
        assert_eq!(answer("kept > 1"), Answer::No);
        assert_eq!(answer("kept >= 0.95 and speedup > 3"), Answer::No);
        assert_eq!(answer("kept >= 0.95 or speedup > 2"), Answer::Yes);
        assert_eq!(answer("not (kept >= 0.95)"), Answer::Open);
        assert_eq!(answer("not speedup < 2"), Answer::Yes);
        assert_eq!(answer("speedup == 2.5 and censored.trials==0"), Answer::Yes);
        assert_eq!(answer("kept == 0.9"), Answer::Open);
        assert_eq!(answer("kept != 0.5"), Answer::Yes);
        assert_eq!(answer("2 < speedup"), Answer::Yes);
        assert_eq!(
            answer("speedup > 3 or speedup < 1 or speedup >= 2.5 and kept > 0.5"),
            Answer::Yes,
            "and binds first"
        );
        assert_eq!(answer("(speedup > 2 or speedup > 1) and kept > 1"), Answer::No);
    }

    #[test]
    fn what_failed_is_told_with_its_value() {
        let expectation = Expectation::parse("kept >= 0.95 and speedup >= 3 and speedup > 1").unwrap();
        let told = expectation.told(&figure);
        assert_eq!(told, ["kept (0.9 to 1) >= 0.95: not identified", "speedup (2.5) >= 3"]);
        assert_eq!(expectation.names(), ["kept", "speedup", "speedup"]);
        assert_eq!(expectation.answer(&|_| Err("gone".into())), Err("gone".to_string()));
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let cases = [
            ("", "ends too early"),
            ("kept", "comparison is missing"),
            ("kept >=", "ends too early"),
            ("kept >= 1 speedup > 2", "\"speedup\" is too much"),
            ("(kept > 1", "a ) is missing"),
            ("kept > 0.9 && speedup > 2", "'&' means nothing"),
            ("kept > inf", "no figure"),
            ("kept > 1e", "neither a name nor a number"),
            ("and > 2", "neither a name nor a number"),
            ("kept ü 2", "neither a name nor a number"),
        ];
        for (text, why) in cases {
            let error = Expectation::parse(text).unwrap_err();
            assert!(error.contains(why) || error.contains("comparison is missing"), "{text}: {error}");
        }
        let deep = format!("{}kept > 1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(Expectation::parse(&deep).unwrap_err().contains("within each other"));
        assert!(Expectation::parse(&format!("{}kept > 1", "not ".repeat(100_000))).is_err());
    }
}
