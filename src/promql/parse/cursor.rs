//! Where the reading of the tokens stands.

use super::Place;
use super::tokens::{Kind, Token, short};

/// The tokens from the next on.
pub(super) struct Cursor<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
    regexes: usize,
}

impl<'t> Cursor<'t> {
    /// At the first of the text's tokens.
    pub(super) fn new(text: &'t str, tokens: &'t [Token]) -> Cursor<'t> {
        Cursor { text, tokens, at: 0, regexes: 0 }
    }

    /// The next token.
    pub(super) fn token(&self) -> &'t Token {
        self.ahead(0)
    }

    /// The token so many behind the next.
    pub(super) fn ahead(&self, by: usize) -> &'t Token {
        &self.tokens[(self.at + by).min(self.tokens.len() - 1)]
    }

    /// Goes on to the following token.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// Goes on if the next token is this operator or bracket.
    pub(super) fn takes(&mut self, mark: &str) -> bool {
        let there = self.token().is(mark);
        self.at += usize::from(there);
        there
    }

    /// Where the token before the next ends.
    pub(super) fn before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.place.end)
    }

    /// Counts a regular expression; gives how many there are now.
    pub(super) fn counts_regex(&mut self) -> usize {
        self.regexes += 1;
        self.regexes
    }

    /// What was written there.
    pub(super) fn source(&self, place: &Place) -> &'t str {
        &self.text[place.clone()]
    }

    /// "unexpected X" for a token.
    pub(super) fn unexpected(&self, token: &Token) -> String {
        match token.kind {
            Kind::End => "unexpected end".to_string(),
            _ => format!("unexpected `{}`", short(self.source(&token.place))),
        }
    }
}
