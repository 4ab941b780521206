//! Parameters: of the URL and, in a POST, of a form.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};

use super::{Failure, Kind};

/// Bytes of a form. An expression has at most 8 KiB; Grafana sends a `match[]` or two.
const FORM_BYTES: usize = 256 << 10;
/// Time for a form to come in.
const FORM_TIME: Duration = Duration::from_secs(10);

/// Names and values; those of the form first, as Go has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the parameters of a request.
    pub async fn read(request: Request<Incoming>) -> Result<Params, Failure> {
        let url = parse(request.uri().query().unwrap_or_default())?;
        if request.method() != Method::POST || !is_form(request.headers().get(CONTENT_TYPE)) {
            return Ok(Params(url));
        }
        let body = Limited::new(request.into_body(), FORM_BYTES).collect();
        let slow = || Failure::new(Kind::BadData, format!("the form did not come in within {FORM_TIME:?}"));
        let body = tokio::time::timeout(FORM_TIME, body).await.map_err(|_| slow())?;
        let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
            true => Failure::new(Kind::TooLarge, format!("the form is longer than {} KiB", FORM_BYTES >> 10)),
            false => Failure::new(Kind::BadData, format!("the form cannot be read: {error}")),
        })?;
        let body = String::from_utf8(body.to_bytes().to_vec());
        let mut all = parse(&body.map_err(|_| Failure::new(Kind::BadData, "the form is not UTF-8"))?)?;
        all.extend(url);
        Ok(Params(all))
    }

    /// The first value of a name; an empty one counts as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A whole number from 0 on; 0 and none mean that there is no limit.
    pub fn limit(&self, name: &str) -> Result<usize, Failure> {
        let Some(text) = self.get(name) else { return Ok(usize::MAX) };
        match text.parse() {
            Ok(0) => Ok(usize::MAX),
            Ok(n) => Ok(n),
            Err(_) => Err(Failure::parameter(name, format!("{text:?} is not a whole number from 0 on"))),
        }
    }
}

fn is_form(content_type: Option<&HeaderValue>) -> bool {
    let kind = content_type.and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn parse(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    };
    pairs
        .map(|text| pair(text).ok_or_else(|| Failure::new(Kind::BadData, format!("{text:?} is not URL-encoded"))))
        .collect()
}

/// Percent-encoded text with `+` for a space; `None` where it is broken or no UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let [high, low, after @ ..] = rest else { return None };
                out.push((digit(high)? * 16 + digit(low)?) as u8);
                rest = after;
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_pairs() {
        let params =
            Params(parse("query=up+%7Bx%3D%22%C3%BC%22%7D&match[]=a&match%5B%5D=b&empty=&bare").expect("good"));
        assert_eq!(params.get("query"), Some("up {x=\"ü\"}"));
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((params.get("empty"), params.get("bare"), params.get("none")), (None, None, None));
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn limits() {
        let of = |text: &str| Params(vec![("limit".to_owned(), text.to_owned())]).limit("limit");
        assert_eq!((of("0"), of("7"), of("")), (Ok(usize::MAX), Ok(7), Ok(usize::MAX)));
        assert!(of("-1").is_err() && of("x").is_err());
    }
}
