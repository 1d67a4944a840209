//! The table's keys. Every key is built here, and only here is one taken apart.
//!
//! Ids stand in keys in their compact form: base64url without the public prefix, so `#` never
//! occurs in one. Foreign ids (a helpdesk's conversation, a charge) come last in their key for the
//! same reason, or as a hash.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use domain::contact::TargetRef;
use domain::enrollment::test_send::is_test_version;
use domain::enrollment::{DaySlot, State};
use domain::ids::{
    ApiKeyId, ContactId, EnrollmentId, JobId, MessageId, SenderId, SequenceId, SourceId, TemplateId, TenantId,
};
use domain::message::Identity;
use domain::sequence::TargetKind;
use domain::time::Timestamp;
use engine::ports::DUE_SHARDS;
use sha2::{Digest as _, Sha256};

use crate::items::Item;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const GSI1: &str = "GSI1";
pub(crate) const GSI1_PK: &str = "gsi1pk";
pub(crate) const GSI1_SK: &str = "gsi1sk";
pub(crate) const GSI2: &str = "GSI2";
pub(crate) const GSI2_PK: &str = "gsi2pk";
pub(crate) const GSI2_SK: &str = "gsi2sk";
/// Seconds since the epoch. DynamoDB deletes days late: whoever reads compares as well.
pub(crate) const TTL: &str = "ttl";

/// Sort keys below this are the hot prefix of a contact.
pub(crate) const HOT_END: &str = "7#";

/// An item's primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of an item or of an index entry.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|v| v.as_s().ok()).cloned();
        Some(Self { pk: text(PK)?, sk: text(SK)? })
    }
}

fn compact(id: &[u8]) -> String {
    B64.encode(id)
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    B64.decode(text).ok()?.try_into().ok()
}

/// Twelve digits: sorts as text up to the year 33658. Instants before 1970 count as 1970.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{:012}", at.0.clamp(0, 999_999_999_999))
}

pub(crate) fn tenant(tenant: TenantId) -> String {
    format!("T#{}", compact(tenant.as_bytes()))
}

// The account's own partition.

pub(crate) fn account(of: TenantId) -> Key {
    Key::new(tenant(of), "ACCOUNT")
}

pub(crate) const SENDERS: &str = "SENDER#";

pub(crate) fn sender(id: SenderId) -> Key {
    // The first half of a sender's id is its account, which the partition says already.
    Key::new(tenant(id.tenant()), format!("{SENDERS}{}", compact(&id.as_bytes()[9..])))
}

pub(crate) const SOURCES: &str = "SOURCE#";

pub(crate) fn source(id: SourceId) -> Key {
    Key::new(tenant(id.tenant()), format!("{SOURCES}{}", compact(&id.as_bytes()[9..])))
}

/// A sender's limits have a partition of their own: throttling it touches nothing else.
fn limits(of: SenderId, sk: impl Into<String>) -> Key {
    Key::new(format!("{}#LIMIT#{}", tenant(of.tenant()), compact(&of.as_bytes()[9..])), sk)
}

pub(crate) fn rate(of: SenderId) -> Key {
    limits(of, "RATE")
}

/// How many of a day's messages are given away.
pub(crate) fn day(slot: DaySlot) -> Key {
    limits(slot.sender, format!("DAY#{}", slot.day))
}

/// The day of the first message.
pub(crate) fn first_day(of: SenderId) -> Key {
    limits(of, "FIRST")
}

pub(crate) const SEQUENCES: &str = "SEQ#";

pub(crate) fn sequence(of: TenantId, id: SequenceId) -> Key {
    Key::new(tenant(of), format!("{SEQUENCES}{}", compact(id.as_bytes())))
}

pub(crate) fn sequence_id(key: &Key) -> Option<SequenceId> {
    Some(SequenceId::from_bytes(array(key.sk.strip_prefix(SEQUENCES)?)?))
}

pub(crate) const TEMPLATES: &str = "TPL#";

pub(crate) fn template(of: TenantId, id: TemplateId) -> Key {
    Key::new(tenant(of), format!("{TEMPLATES}{}", compact(id.as_bytes())))
}

pub(crate) const ATTRIBUTES: &str = "ATTR#";

pub(crate) fn attribute(of: TenantId, kind: TargetKind, name: &str) -> Key {
    Key::new(tenant(of), format!("{ATTRIBUTES}{}#{name}", kind.as_str()))
}

pub(crate) const API_KEYS: &str = "APIKEY#";

pub(crate) fn api_key(of: TenantId, id: ApiKeyId) -> Key {
    Key::new(tenant(of), format!("{API_KEYS}{}", compact(id.as_bytes())))
}

/// The one item outside every tenant's partitions: a secret's hash says whose it is.
pub(crate) fn api_key_by_hash(secret_hash: &str) -> Key {
    Key::new(format!("{API_KEYS}{secret_hash}"), "KEY")
}

pub(crate) fn secret(of: TenantId, name: &str) -> Key {
    Key::new(tenant(of), format!("SECRET#{name}"))
}

// A sequence's partition.

pub(crate) const VERSIONS: &str = "V#";
/// What tests run on, apart from the versions that are listed.
const TEST_VERSIONS: &str = "TEST#";

pub(crate) fn version(of: TenantId, id: SequenceId, number: u32) -> Key {
    let kind = if is_test_version(number) { TEST_VERSIONS } else { VERSIONS };
    Key::new(format!("{}#S#{}", tenant(of), compact(id.as_bytes())), format!("{kind}{number:06}"))
}

// A contact's partition.

fn person(of: TenantId, id: ContactId) -> String {
    format!("{}#C#{}", tenant(of), compact(id.as_bytes()))
}

pub(crate) const CONTACT: &str = "0#CONTACT";
pub(crate) const CONVERSATIONS: &str = "1#CONV#";
pub(crate) const TARGETS: &str = "1#TARGET#";
pub(crate) const ENROLLMENTS: &str = "2#ENR#";
pub(crate) const MESSAGES: &str = "9#MSG#";

pub(crate) fn contact(of: TenantId, id: ContactId) -> Key {
    Key::new(person(of, id), CONTACT)
}

pub(crate) fn conversation(of: TenantId, contact: ContactId, id: &str) -> Key {
    Key::new(person(of, contact), format!("{CONVERSATIONS}{id}"))
}

pub(crate) fn target(of: TenantId, contact: ContactId, target: &TargetRef) -> Key {
    Key::new(person(of, contact), format!("{TARGETS}{}#{}", target.kind.as_str(), target.id))
}

pub(crate) fn enrollment(of: TenantId, id: EnrollmentId) -> Key {
    let sk = format!("{}{}#{:010}", enrollments_of(id.sequence), compact(&id.scope), id.run);
    Key::new(person(of, id.contact), sk)
}

/// The beginning of the sort keys of a contact's runs through one sequence.
pub(crate) fn enrollments_of(sequence: SequenceId) -> String {
    format!("{ENROLLMENTS}{}#", compact(sequence.as_bytes()))
}

/// Whose enrollment a key is, and which. The id is the key, so nothing else stores it.
pub(crate) fn enrollment_of(key: &Key) -> Option<(TenantId, EnrollmentId)> {
    let (tenant, contact) = key.pk.strip_prefix("T#")?.split_once("#C#")?;
    let mut parts = key.sk.strip_prefix(ENROLLMENTS)?.split('#');
    let id = EnrollmentId {
        contact: ContactId::from_bytes(array(contact)?),
        sequence: SequenceId::from_bytes(array(parts.next()?)?),
        scope: array(parts.next()?)?,
        run: parts.next()?.parse().ok()?,
    };
    Some((TenantId::from_bytes(array(tenant)?), id))
}

pub(crate) fn message(of: TenantId, contact: ContactId, at: Timestamp, id: MessageId) -> Key {
    Key::new(person(of, contact), format!("{MESSAGES}{}#{}", instant(at), compact(id.as_bytes())))
}

// Partitions of one item or subject, each on its own so that none heats another.

pub(crate) fn identity_kind(identity: &Identity) -> (&'static str, &str) {
    match identity {
        Identity::Phone(v) => ("phone", v),
        Identity::WaId(v) => ("wa_id", v),
        Identity::Bsuid(v) => ("bsuid", v),
        Identity::Email(v) => ("email", v),
        Identity::External(v) => ("external", v),
    }
}

/// `hash`: salted, of the identity's value.
pub(crate) fn identity(of: TenantId, kind: &str, hash: &str) -> Key {
    Key::new(format!("{}#ID#{kind}#{hash}", tenant(of)), "ID")
}

/// The partition of everybody who has a target of some name. `hash`: salted, of its kind and id.
pub(crate) fn owners(of: TenantId, hash: &str) -> String {
    format!("{}#ID#target#{hash}", tenant(of))
}

pub(crate) const OWNERS: &str = "C#";

pub(crate) fn owner(owners: String, contact: ContactId) -> Key {
    Key::new(owners, format!("{OWNERS}{}", compact(contact.as_bytes())))
}

pub(crate) fn owner_of(sk: &str) -> Option<ContactId> {
    Some(ContactId::from_bytes(array(sk.strip_prefix(OWNERS)?)?))
}

pub(crate) const UNMATCHED: &str = "UNMATCHED#";

/// The partition of what one payment source told in vain.
pub(crate) fn unmatched_of(id: SourceId) -> String {
    format!("{}#SOURCE#{}", tenant(id.tenant()), compact(&id.as_bytes()[9..]))
}

/// `hash`: salted, of the event's key.
pub(crate) fn unmatched(id: SourceId, at: Timestamp, hash: &str) -> Key {
    Key::new(unmatched_of(id), format!("{UNMATCHED}{}#{hash}", instant(at)))
}

/// `hash`: salted, of the suppression's id.
pub(crate) fn suppression(of: TenantId, hash: &str) -> Key {
    Key::new(format!("{}#SUP#{hash}", tenant(of)), "SUP")
}

/// `hash`: salted, of the whole idempotency key, whose scope its maker chooses.
pub(crate) fn idempotency(hash: &str) -> Key {
    Key::new(format!("IDEM#{hash}"), "IDEM")
}

pub(crate) fn job(of: TenantId, id: JobId) -> Key {
    Key::new(format!("{}#JOB#{}", tenant(of), compact(id.as_bytes())), "JOB")
}

/// A part's rows. They never change, so how far they are done stands apart ([`progress`]): a
/// write costs by the whole item's size.
pub(crate) fn part(of: TenantId, id: JobId, number: u32) -> Key {
    Key::new(job(of, id).pk, format!("PART#{number:06}"))
}

/// How far a part is done. Begins with the part's own key: one Query finds both.
pub(crate) fn progress(of: TenantId, id: JobId, number: u32) -> Key {
    Key::new(job(of, id).pk, format!("PART#{number:06}#AT"))
}

// GSI1: lists. An entry carries the table's own key, so its sort key need not name the item.

pub(crate) fn contacts_list(of: TenantId) -> String {
    format!("{}#CONTACTS", tenant(of))
}

pub(crate) fn suppressions_list(of: TenantId) -> String {
    format!("{}#SUPS", tenant(of))
}

/// The coarse states, each a list of its own within a sequence.
pub(crate) const COARSE: [&str; 4] = ["active", "finished", "parked", "paused"];

pub(crate) fn enrollments_list(of: TenantId, sequence: SequenceId, coarse: &str) -> String {
    format!("{}#S#{}#{coarse}", tenant(of), compact(sequence.as_bytes()))
}

/// By time of entry; parked ones by reason and sender first, so that those which one sender holds
/// up stand together.
pub(crate) fn enrollments_list_order(
    state: State,
    reason: &str,
    sender: Option<SenderId>,
    entered: Timestamp,
) -> String {
    match state {
        State::Parked(_) => {
            let sender = sender.map_or_else(|| "-".to_owned(), |s| compact(&s.as_bytes()[9..]));
            format!("{reason}#{sender}#{}", instant(entered))
        }
        _ => instant(entered),
    }
}

// GSI2: what is due.

pub(crate) fn due_shard(contact: ContactId) -> u8 {
    let hash: [u8; 32] = Sha256::digest(contact.as_bytes()).into();
    hash[0] % DUE_SHARDS
}

pub(crate) fn due_list(shard: u8) -> String {
    format!("DUE#{shard:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrollments_key_is_its_id() {
        let id = EnrollmentId {
            contact: ContactId::from_bytes([0xfb; 12]),
            sequence: SequenceId::from_bytes([0xff; 8]),
            scope: [0xfe; 8],
            run: u32::MAX,
        };
        let tenant = TenantId::from_bytes([0xef; 9]);
        let key = enrollment(tenant, id);
        assert_eq!(enrollment_of(&key), Some((tenant, id)));
        assert!(key.sk.as_str() < HOT_END);
        for sk in ["2#ENR#", "2#ENR#a#b#1", "0#CONTACT"] {
            assert_eq!(enrollment_of(&Key::new(key.pk.clone(), sk)), None, "{sk}");
        }
    }

    #[test]
    fn runs_and_instants_sort_as_text() {
        let tenant = TenantId::from_bytes([1; 9]);
        let id = |run| EnrollmentId {
            contact: ContactId::from_bytes([2; 12]),
            sequence: SequenceId::from_bytes([3; 8]),
            scope: [4; 8],
            run,
        };
        assert!(enrollment(tenant, id(2)) < enrollment(tenant, id(10)));
        assert!(instant(Timestamp(999_999_999)) < instant(Timestamp(1_000_000_000)));
        assert_eq!(instant(Timestamp(-5)), instant(Timestamp(0)));
    }

    #[test]
    fn every_contact_has_a_shard_below_the_number_of_shards() {
        let mut seen = [false; DUE_SHARDS as usize];
        for n in 0..4_000_u32 {
            let mut raw = [0; 12];
            raw[..4].copy_from_slice(&n.to_be_bytes());
            seen[usize::from(due_shard(ContactId::from_bytes(raw)))] = true;
        }
        assert!(seen.iter().all(|s| *s));
        assert_eq!(due_list(DUE_SHARDS - 1), "DUE#7f");
    }
}
