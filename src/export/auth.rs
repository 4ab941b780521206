//! Basic auth with bcrypt hashes. A check is slow on purpose, so it runs on a thread of its own, few at a time, and a
//! password that was right once is remembered by its keyed hash.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use ring::{hmac, rand::SystemRandom};
use tokio::sync::Semaphore;

/// Checks at once: guesses must not take all cores away from the trials.
const CHECKS: usize = 2;

/// Who may see what the server shows.
pub struct Auth {
    users: BTreeMap<String, String>,
    key: hmac::Key,
    known: Mutex<HashMap<String, hmac::Tag>>,
    checks: Semaphore,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("users", &self.users.keys()).finish_non_exhaustive()
    }
}

impl Auth {
    /// Users and their bcrypt hashes; `None` where there are none: everybody may.
    pub fn of(users: BTreeMap<String, String>) -> Option<Auth> {
        if users.is_empty() {
            return None;
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the kernel has random numbers once it has started");
        Some(Auth { users, key, known: Mutex::default(), checks: Semaphore::new(CHECKS) })
    }

    /// Whether this `Authorization` header names a user and the user's password.
    pub async fn allows(&self, header: Option<&HeaderValue>) -> bool {
        let Some((user, password)) = header.and_then(credentials) else { return false };
        if self.remembers(&user, &password) {
            return true;
        }
        // An unknown user costs as much time as a known one, so that names cannot be found out by the clock.
        let known = self.users.get(&user);
        let Some(hash) = known.or_else(|| self.users.values().next()).cloned() else { return false };
        let Ok(_turn) = self.checks.acquire().await else { return false };
        let attempt = password.clone();
        let right = tokio::task::spawn_blocking(move || bcrypt::verify(&attempt, &hash).unwrap_or(false)).await;
        let allowed = right.unwrap_or(false) && known.is_some();
        if allowed {
            let tag = hmac::sign(&self.key, &password);
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(user, tag);
        }
        allowed
    }

    fn remembers(&self, user: &str, password: &[u8]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(user).is_some_and(|tag| hmac::verify(&self.key, password, tag.as_ref()).is_ok())
    }
}

/// User and password of a `Basic` header.
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(text))).expect("base64 is a header value")
    }

    #[tokio::test]
    async fn only_the_right_password_is_let_in_and_only_it_is_remembered() {
        let hash = bcrypt::hash("open:sesame", 4).expect("a hash");
        let auth = Auth::of([("ann".to_owned(), hash)].into()).expect("a user");
        let allows = async |text: &str| auth.allows(Some(&basic(text))).await;
        assert!(!auth.remembers("ann", b"open:sesame"));
        assert!(allows("ann:open:sesame").await);
        assert!(auth.remembers("ann", b"open:sesame") && allows("ann:open:sesame").await);
        assert!(!allows("ann:wrong").await && !auth.remembers("ann", b"wrong"));
        assert!(!allows("bob:open:sesame").await && !auth.remembers("bob", b"open:sesame"));
        assert!(!allows("ann").await && !auth.allows(None).await);
        assert!(!auth.allows(Some(&HeaderValue::from_static("Bearer x"))).await);
        assert!(!auth.allows(Some(&HeaderValue::from_static("Basic %%"))).await);
    }

    #[test]
    fn without_users_everybody_may() {
        assert!(Auth::of(BTreeMap::new()).is_none());
    }
}
