//! What proves who somebody is when they come back by a link or an answer: ids of ours and a MAC, under a
//! key that derives from the deployment's secret. Nothing of a person stands in them, they do not expire
//! (a message is opened years later), and each is good for its one purpose.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use domain::ids::{ContactId, TenantId};
use domain::message::{Channel, Links};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const CONTACT_BYTES: usize = 12;
const TENANT_BYTES: usize = 9;
/// 96 bits: nobody guesses one by asking us.
const MAC_BYTES: usize = 12;

/// The channels that one unsubscribes from, by the byte that stands for each. Never reorder.
const CHANNELS: [Channel; 4] = [Channel::Whatsapp, Channel::Email, Channel::Sms, Channel::Conversation];

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Tokens {
    key: [u8; 32],
    /// The deployment's origin, as contacts see it.
    public_url: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// Whom an unsubscribe token names, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribes {
    pub tenant: TenantId,
    pub contact: ContactId,
    pub channel: Channel,
}

impl Tokens {
    pub fn new(secret: &[u8; 32], public_url: &str) -> Self {
        Self { key: hmac(secret, &[b"tokens"]), public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// All of a contact's.
    pub fn links(&self, tenant: TenantId, contact: ContactId) -> Links {
        let url = |channel| {
            let token = self.unsubscribe(Unsubscribes { tenant, contact, channel });
            (channel, format!("{}/u/{token}", self.public_url))
        };
        Links {
            unsubscribe: CHANNELS.into_iter().map(url).collect::<BTreeMap<_, _>>(),
            reply: Some(self.reply(tenant, contact)),
        }
    }

    /// Of a link: 46 characters.
    pub fn unsubscribe(&self, who: Unsubscribes) -> String {
        let channel = CHANNELS.iter().position(|c| *c == who.channel).unwrap_or_default() as u8;
        let said = [who.tenant.as_bytes().as_slice(), who.contact.as_bytes(), &[channel]].concat();
        B64.encode([said.as_slice(), &self.mac("unsubscribe", &said)].concat())
    }

    /// `None` for a token that is not ours.
    pub fn unsubscribes(&self, token: &str) -> Option<Unsubscribes> {
        let raw = B64.decode(token).ok()?;
        let (said, mac) = raw.split_at_checked(TENANT_BYTES + CONTACT_BYTES + 1)?;
        self.proves("unsubscribe", said, mac).then_some(())?;
        Some(Unsubscribes {
            tenant: TenantId::from_bytes(said[..TENANT_BYTES].try_into().ok()?),
            contact: ContactId::from_bytes(said[TENANT_BYTES..][..CONTACT_BYTES].try_into().ok()?),
            channel: *CHANNELS.get(usize::from(*said.last()?))?,
        })
    }

    /// Of an email address: 48 hex digits, because mail systems change the case of letters. The sender that
    /// gets the answer names the account.
    pub fn reply(&self, tenant: TenantId, contact: ContactId) -> String {
        let said = [tenant.as_bytes().as_slice(), contact.as_bytes()].concat();
        let token = [contact.as_bytes().as_slice(), &self.mac("reply", &said)].concat();
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whom an answer comes from; `None` for a token that is not ours, or another account's.
    pub fn replies(&self, tenant: TenantId, token: &str) -> Option<ContactId> {
        if token.len() != 2 * (CONTACT_BYTES + MAC_BYTES) || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let pairs = (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16));
        let raw: Vec<u8> = pairs.collect::<Result<_, _>>().ok()?;
        let (contact, mac) = raw.split_at_checked(CONTACT_BYTES)?;
        let said = [tenant.as_bytes().as_slice(), contact].concat();
        self.proves("reply", &said, mac).then_some(())?;
        Some(ContactId::from_bytes(contact.try_into().ok()?))
    }

    fn mac(&self, purpose: &str, said: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hmac(&self.key, &[purpose.as_bytes(), b"\n", said])[..MAC_BYTES]);
        mac
    }

    fn proves(&self, purpose: &str, said: &[u8], mac: &[u8]) -> bool {
        let mut whole = keyed(&self.key);
        [purpose.as_bytes(), b"\n", said].into_iter().for_each(|part| whole.update(part));
        mac.len() == MAC_BYTES && whole.verify_truncated_left(mac).is_ok()
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::from_bytes([1; TENANT_BYTES]);
    const CONTACT: ContactId = ContactId::from_bytes([2; CONTACT_BYTES]);

    fn tokens() -> Tokens {
        Tokens::new(&[7; 32], "https://ritmo.test/")
    }

    #[test]
    fn a_link_names_a_contact_and_a_channel() {
        let links = tokens().links(TENANT, CONTACT);
        for channel in CHANNELS {
            let token = links.unsubscribe[&channel].strip_prefix("https://ritmo.test/u/").expect("a link of ours");
            assert_eq!(token.len(), 46);
            let who = Unsubscribes { tenant: TENANT, contact: CONTACT, channel };
            assert_eq!(tokens().unsubscribes(token), Some(who));
            assert_eq!(Tokens::new(&[8; 32], "").unsubscribes(token), None, "another deployment's");
            for at in 0..34 {
                let mut raw = B64.decode(token).expect("base64");
                raw[at] ^= 1;
                assert_eq!(tokens().unsubscribes(&B64.encode(raw)), None, "byte {at}");
            }
        }
        for token in ["", "u", "AAAA", &"A".repeat(46), &"A".repeat(100_000), "ã"] {
            assert_eq!(tokens().unsubscribes(token), None);
        }
    }

    #[test]
    fn an_answer_names_a_contact_of_its_account() {
        let token = tokens().reply(TENANT, CONTACT);
        assert!(format!("r+{token}").len() <= 64, "RFC 5321, 4.5.3.1.1");
        assert_eq!(tokens().replies(TENANT, &token), Some(CONTACT));
        assert_eq!(tokens().replies(TENANT, &token.to_uppercase()), Some(CONTACT));
        assert_eq!(tokens().replies(TenantId::from_bytes([3; TENANT_BYTES]), &token), None, "another account's");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("hex digits");
            assert_eq!(tokens().replies(TENANT, &changed), None, "digit {at}");
        }
        for token in ["", "00", &token[..46], &format!("{token}00"), &"é".repeat(24), &"+1".repeat(24)] {
            assert_eq!(tokens().replies(TENANT, token), None);
        }
    }

    #[test]
    fn a_token_is_good_for_one_purpose() {
        let reply = tokens().reply(TENANT, CONTACT);
        let raw: Vec<u8> = (0..48).step_by(2).map(|i| u8::from_str_radix(&reply[i..i + 2], 16).expect("hex")).collect();
        let said = [TENANT.as_bytes().as_slice(), CONTACT.as_bytes(), &[1], &raw[CONTACT_BYTES..]].concat();
        assert_eq!(tokens().unsubscribes(&B64.encode(said)), None);
    }
}
