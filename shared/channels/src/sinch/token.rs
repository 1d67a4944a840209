//! Bearer tokens of Sinch's OAuth2 client credentials, kept until shortly before they expire.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::message::{Reaction, Refusal};
use sha2::{Digest as _, Sha256};

use super::config::{Config, Credentials};
use crate::call::{self, Answer, MAX_ANSWER};
use crate::foreign::{integer, text};

/// A token is not used in its last minute, nor in the last half of a shorter life.
const MARGIN: Duration = Duration::from_secs(60);
/// Sinch gives an hour; more is not believed.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Keys whose tokens are kept at once: more than one worker serves.
const MAX_KEPT: usize = 1_000;

/// The tokens of all senders; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<Mutex<HashMap<Key, Held>>>);

/// Who a token was given to: where, which key, *and* by which secret. By key alone, whoever knows a key's
/// id would be served with the token of whoever knows its secret.
type Key = [u8; 32];

struct Held {
    token: String,
    until: Instant,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

pub(super) struct Token {
    pub(super) value: String,
    /// It was not asked for just now.
    pub(super) was_kept: bool,
}

impl Tokens {
    /// A token: the kept one, else a new one within `total`.
    ///
    /// # Errors
    /// The refusal: nothing has been sent.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        config: &Config,
        credentials: &Credentials,
        total: Duration,
    ) -> Result<Token, Refusal> {
        let key = key(config, credentials);
        let asked = Instant::now();
        if let Some(value) = self.kept(&key, asked) {
            return Ok(Token { value, was_kept: true });
        }
        let request = http
            .post(config.token_url())
            .basic_auth(&credentials.key_id, Some(&credentials.key_secret))
            .form(&[("grant_type", "client_credentials")]);
        let answer = call::read_within(request, MAX_ANSWER, total).await?;
        let (value, life) = read(&answer)?;
        self.keep(key, value.clone(), life, asked);
        Ok(Token { value, was_kept: false })
    }

    /// The API does not take this token any more. One that somebody has fetched meanwhile stays.
    pub(super) fn forget(&self, config: &Config, credentials: &Credentials, token: &Token) {
        let key = key(config, credentials);
        let mut held = self.held();
        if held.get(&key).is_some_and(|held| held.token == token.value) {
            held.remove(&key);
        }
    }

    fn kept(&self, key: &Key, now: Instant) -> Option<String> {
        self.held().get(key).filter(|held| now < held.until).map(|held| held.token.clone())
    }

    fn keep(&self, key: Key, token: String, life: Duration, asked: Instant) {
        let life = life.min(MAX_LIFE);
        let until = asked + life.saturating_sub(MARGIN).max(life / 2);
        let mut held = self.held();
        if held.len() >= MAX_KEPT {
            held.retain(|_, held| asked < held.until);
        }
        if held.len() >= MAX_KEPT {
            held.clear();
        }
        held.insert(key, Held { token, until });
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Key, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(config: &Config, credentials: &Credentials) -> Key {
    let mut hash = Sha256::new();
    for part in [&config.token_url(), &credentials.key_id, &credentials.key_secret] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Token and life of an answer. Wrong keys are the sender's fault.
fn read(answer: &Answer) -> Result<(String, Duration), Refusal> {
    let refused = |reaction, code: String| Refusal { reaction, code, retry_after: answer.retry_after };
    match answer.status {
        200..300 => {}
        status @ (400 | 401 | 403) => return Err(refused(Reaction::Sender, format!("oauth_{status}"))),
        429 => return Err(refused(Reaction::Throttled, "oauth_429".into())),
        status => return Err(refused(Reaction::Transient, format!("oauth_{status}"))),
    }
    let body = answer.json().unwrap_or_default();
    let token = text(&body, "access_token").filter(|token| token.bytes().all(|b| b.is_ascii_graphic()));
    let life = body.get("expires_in").and_then(integer).and_then(|seconds| u64::try_from(seconds).ok());
    match (token, life) {
        (Some(token), Some(life)) => Ok((token.to_owned(), Duration::from_secs(life))),
        _ => Err(refused(Reaction::Transient, "oauth_unreadable".into())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_it_expires() {
        let (tokens, start, key) = (Tokens::default(), Instant::now(), [1; 32]);
        let held = |life: u64, after: u64| {
            tokens.keep(key, "t".into(), seconds(life), start);
            tokens.kept(&key, start + seconds(after)).is_some()
        };
        assert!(held(3_600, 3_539));
        assert!(!held(3_600, 3_540));
        assert!(held(30, 14));
        assert!(!held(30, 15));
        assert!(!held(0, 0));
        assert!(held(u64::MAX, 86_339));
        assert!(!held(u64::MAX, 86_340));
        assert_eq!(tokens.kept(&[2; 32], start), None);
        for other in 0..2 * MAX_KEPT as u64 {
            let mut key = [7; 32];
            key[..8].copy_from_slice(&other.to_be_bytes());
            tokens.keep(key, "t".into(), seconds(3_600), start);
        }
        assert!(tokens.held().len() <= MAX_KEPT);
    }

    #[test]
    fn a_token_serves_only_who_has_the_secret() {
        let config = |auth: &str| {
            Config::parse(&json!({"project_id": "p", "app_id": "a", "region": "us", "auth_url": auth})).unwrap()
        };
        let credentials = |id: &str, secret: &str| {
            Credentials::parse(&json!({"key_id": id, "key_secret": secret, "webhook_secret": "w"})).unwrap()
        };
        let ours = key(&config("https://a.example"), &credentials("id", "right"));
        assert_eq!(key(&config("https://a.example/"), &credentials("id", "right")), ours);
        assert_ne!(key(&config("https://a.example"), &credentials("id", "wrong")), ours);
        assert_ne!(key(&config("https://b.example"), &credentials("id", "right")), ours);
        assert_ne!(key(&config("https://a.example"), &credentials("idr", "ight")), ours);
    }

    #[test]
    fn only_the_token_that_was_refused_is_forgotten() {
        let config = Config::parse(&json!({"project_id": "p", "app_id": "a", "region": "us"})).unwrap();
        let credentials =
            Credentials::parse(&json!({"key_id": "i", "key_secret": "s", "webhook_secret": "w"})).unwrap();
        let (tokens, now, key) = (Tokens::default(), Instant::now(), key(&config, &credentials));
        tokens.keep(key, "new".into(), seconds(3_600), now);
        tokens.forget(&config, &credentials, &Token { value: "old".into(), was_kept: true });
        assert_eq!(tokens.kept(&key, now).as_deref(), Some("new"));
        tokens.forget(&config, &credentials, &Token { value: "new".into(), was_kept: true });
        assert_eq!(tokens.kept(&key, now), None);
    }

    #[test]
    fn an_answer_is_a_token_or_a_refusal() {
        let read = |status: u16, body: Value| {
            super::read(&Answer { status, retry_after: None, body: Some(body.to_string().into_bytes()) })
                .map_err(|refusal| (refusal.reaction, refusal.code))
        };
        let good = json!({"access_token": "t", "expires_in": 3599, "token_type": "bearer", "scope": ""});
        assert_eq!(read(200, good.clone()), Ok(("t".into(), seconds(3_599))));
        for (status, reaction) in
            [(400, Reaction::Sender), (401, Reaction::Sender), (429, Reaction::Throttled), (503, Reaction::Transient)]
        {
            assert_eq!(read(status, good.clone()), Err((reaction, format!("oauth_{status}"))));
        }
        let unreadable = Err((Reaction::Transient, "oauth_unreadable".to_owned()));
        for body in [
            json!({"access_token": "t"}),
            json!({"expires_in": 1}),
            json!({"access_token": "a b",
            "expires_in": 1}),
            json!({"access_token": "t", "expires_in": -1}),
            json!("t"),
        ] {
            assert_eq!(read(200, body), unreadable);
        }
    }

    #[test]
    fn tokens_are_shown_nowhere() {
        let tokens = Tokens::default();
        tokens.keep([1; 32], "the-token".into(), seconds(3_600), Instant::now());
        assert!(!format!("{tokens:?}").contains("the-token"));
    }
}
