//! Keys that derive from the deployment's secret, what is hashed with them and what is sealed.

use aes_gcm::aead::{Aead as _, OsRng, Payload};
use aes_gcm::{AeadCore as _, Aes256Gcm, KeyInit as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// AES-256-GCM's nonce comes first in what is sealed.
const NONCE_BYTES: usize = 12;
/// Half a SHA-256: nobody can aim for a collision without the key.
const HASH_BYTES: usize = 16;

/// One key a purpose: what leaks through one tells nothing about another.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Identities, suppressions and idempotency keys.
    hashes: [u8; 32],
    cursors: [u8; 32],
    secrets: Aes256Gcm,
    answers: Aes256Gcm,
}

/// What something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Credentials of senders.
    Secrets,
    /// Answers and seeds kept for an idempotency key.
    Answers,
}

impl Keys {
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        let key = |purpose: &str| hmac(secret, [purpose.as_bytes()]);
        let cipher = |purpose| Aes256Gcm::new(&key(purpose).into());
        Self { hashes: key("hashes"), cursors: key("cursors"), secrets: cipher("secrets"), answers: cipher("answers") }
    }

    /// 22 characters. Parts are kept apart: `("ab","c")` and `("a","bc")` differ.
    pub(crate) fn hash<const N: usize>(&self, parts: [&[u8]; N]) -> String {
        B64.encode(&framed(&self.hashes, parts)[..HASH_BYTES])
    }

    /// Proves that a cursor is ours and of this list.
    pub(crate) fn cursor_tag<const N: usize>(&self, parts: [&[u8]; N]) -> [u8; HASH_BYTES] {
        let mut tag = [0; HASH_BYTES];
        tag.copy_from_slice(&framed(&self.cursors, parts)[..HASH_BYTES]);
        tag
    }

    fn cipher(&self, purpose: Purpose) -> &Aes256Gcm {
        match purpose {
            Purpose::Secrets => &self.secrets,
            Purpose::Answers => &self.answers,
        }
    }

    /// Encrypts under a fresh random nonce. `place` says where it belongs: moved elsewhere in the
    /// table it cannot be opened.
    pub(crate) fn seal(&self, purpose: Purpose, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let sealed = self
            .cipher(purpose)
            .encrypt(&nonce, Payload { msg: plain, aad: place })
            .expect("AES-GCM refuses only what is beyond 64 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// `None` when it was sealed with another key, for another place, or has been changed.
    pub(crate) fn open(&self, purpose: Purpose, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.cipher(purpose).decrypt(nonce.into(), Payload { msg: sealed, aad: place }).ok()
    }
}

fn framed<const N: usize>(key: &[u8; 32], parts: [&[u8]; N]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    hmac(key, [&bytes])
}

fn hmac<const N: usize>(key: &[u8; 32], parts: [&[u8]; N]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_in_their_place_and_purpose() {
        let keys = Keys::derive(&[7; 32]);
        let sealed = keys.seal(Purpose::Secrets, b"tenant/name", b"token");
        assert_eq!(keys.open(Purpose::Secrets, b"tenant/name", &sealed).as_deref(), Some(b"token".as_slice()));
        assert_eq!(keys.open(Purpose::Secrets, b"other/name", &sealed), None);
        assert_eq!(keys.open(Purpose::Answers, b"tenant/name", &sealed), None);
        assert_eq!(Keys::derive(&[8; 32]).open(Purpose::Secrets, b"tenant/name", &sealed), None);
        let mut changed = sealed.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert_eq!(keys.open(Purpose::Secrets, b"tenant/name", &changed), None);
        assert_eq!(keys.open(Purpose::Secrets, b"tenant/name", &sealed[..5]), None);
        assert_ne!(sealed, keys.seal(Purpose::Secrets, b"tenant/name", b"token"), "a nonce is used once");
    }

    #[test]
    fn hashes_are_salted_and_keep_their_parts_apart() {
        let keys = Keys::derive(&[7; 32]);
        assert_eq!(keys.hash([b"a", b"b"]), keys.hash([b"a", b"b"]));
        assert_ne!(keys.hash([b"ab", b"c"]), keys.hash([b"a", b"bc"]));
        assert_ne!(keys.hash([b"a", b"b"]), Keys::derive(&[8; 32]).hash([b"a", b"b"]));
        assert_eq!(keys.hash([b"a"]).len(), 22);
    }
}
