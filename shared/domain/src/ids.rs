//! Identifiers. Each is a type of its own; the public text form has a prefix. Ids that must lead
//! to an item without a pointer read contain what its key needs.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// The source of every new id: 32 random bytes, or the seed of an idempotency record, expanded
/// by SHA-256 in counter mode. The same seed makes the same ids in the same order.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: [u8; 32],
    counter: u64,
}

impl Ids {
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) };
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        self.counter += 1;
        let block: [u8; 32] = hash.finalize().into();
        let mut out = [0; N];
        out.copy_from_slice(&block[..N]);
        out
    }
}

macro_rules! fixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub fn new(ids: &mut Ids) -> Self {
                Self(ids.bytes())
            }

            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The public form back; `None` when the text is not one that we could have made.
            pub fn parse(text: &str) -> Option<Self> {
                let raw = B64.decode(text.strip_prefix($prefix)?).ok()?;
                Some(Self(raw.try_into().ok()?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, B64.encode(self.0))
            }
        }

        id_text!($name, $prefix);
    };
}

macro_rules! id_text {
    ($name:ident, $prefix:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(concat!("not an id of the form ", $prefix, "…")))
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[A-Za-z0-9_-]+$")))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}

fixed_id!(
    /// An account. Every store call carries one.
    TenantId, "acc_", 9);
fixed_id!(ContactId, "ctc_", 12);
fixed_id!(SequenceId, "seq_", 8);
fixed_id!(
    /// A sender: its account (9 bytes) and 9 of its own, so that a webhook's address names the account.
    SenderId, "snd_", 18);
fixed_id!(
    /// A payment source: its account and 9 bytes of its own, as a sender's.
    SourceId, "src_", 18);
fixed_id!(
    /// A message template.
    TemplateId, "tpl_", 8);
fixed_id!(ApiKeyId, "key_", 9);
fixed_id!(JobId, "job_", 9);
fixed_id!(
    /// One stored message, in or out.
    MessageId, "msg_", 12);

macro_rules! with_tenant {
    ($($name:ident),+) => {$(
        impl $name {
            pub fn of(tenant: TenantId, ids: &mut Ids) -> Self {
                let mut raw = [0; 18];
                raw[..9].copy_from_slice(tenant.as_bytes());
                raw[9..].copy_from_slice(&ids.bytes::<9>());
                Self(raw)
            }

            pub fn tenant(&self) -> TenantId {
                let mut raw = [0; 9];
                raw.copy_from_slice(&self.0[..9]);
                TenantId(raw)
            }
        }
    )+};
}

with_tenant!(SenderId, SourceId);

/// A contact's run through a sequence in a scope. The id *is* the key: contact (96 bits), sequence
/// (64), hash of the scope (64), run (32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnrollmentId {
    pub contact: ContactId,
    pub sequence: SequenceId,
    pub scope: [u8; 8],
    pub run: u32,
}

impl EnrollmentId {
    pub const PREFIX: &'static str = "enr_";

    pub fn parse(text: &str) -> Option<Self> {
        let raw: [u8; 32] = B64.decode(text.strip_prefix(Self::PREFIX)?).ok()?.try_into().ok()?;
        let (contact, rest) = raw.split_at(12);
        let (sequence, rest) = rest.split_at(8);
        let (scope, run) = rest.split_at(8);
        Some(Self {
            contact: ContactId(contact.try_into().ok()?),
            sequence: SequenceId(sequence.try_into().ok()?),
            scope: scope.try_into().ok()?,
            run: u32::from_be_bytes(run.try_into().ok()?),
        })
    }

    /// The same enrollment's next run.
    pub fn with_run(self, run: u32) -> Self {
        Self { run, ..self }
    }

    /// A number that differs between enrollments and never changes: seeds the spread.
    pub fn spread_seed(&self) -> u64 {
        let hash: [u8; 32] = Sha256::digest(self.to_string().as_bytes()).into();
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = [0; 32];
        raw[..12].copy_from_slice(&self.contact.0);
        raw[12..20].copy_from_slice(&self.sequence.0);
        raw[20..28].copy_from_slice(&self.scope);
        raw[28..].copy_from_slice(&self.run.to_be_bytes());
        write!(f, "{}{}", Self::PREFIX, B64.encode(raw))
    }
}

id_text!(EnrollmentId, "enr_");

/// One attempt at a step: the enrollment and the generation of its claim. This is the reference
/// that a provider echoes in its status webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptRef {
    pub enrollment: EnrollmentId,
    pub generation: u32,
}

impl AttemptRef {
    pub fn parse(text: &str) -> Option<Self> {
        let (id, generation) = text.rsplit_once('.')?;
        Some(Self { enrollment: EnrollmentId::parse(id)?, generation: generation.parse().ok()? })
    }

    /// The id of the message record: fixed by the attempt, so that writing it twice is one record.
    pub fn message_id(&self) -> MessageId {
        let hash: [u8; 32] = Sha256::digest(self.to_string().as_bytes()).into();
        let mut raw = [0; 12];
        raw.copy_from_slice(&hash[..12]);
        MessageId(raw)
    }
}

impl fmt::Display for AttemptRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.enrollment, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Ids {
        Ids::from_seed([7; 32])
    }

    #[test]
    fn ids_survive_their_text_form() {
        let mut ids = ids();
        let tenant = TenantId::new(&mut ids);
        let sender = SenderId::of(tenant, &mut ids);
        assert_eq!(SenderId::parse(&sender.to_string()), Some(sender));
        assert_eq!(sender.tenant(), tenant);
        assert_eq!(SourceId::of(tenant, &mut ids).tenant(), tenant);
        let enrollment = EnrollmentId {
            contact: ContactId::new(&mut ids),
            sequence: SequenceId::new(&mut ids),
            scope: ids.bytes(),
            run: 3,
        };
        assert_eq!(enrollment.to_string().len(), 47);
        assert_eq!(EnrollmentId::parse(&enrollment.to_string()), Some(enrollment));
        let attempt = AttemptRef { enrollment, generation: 4_000_000_000 };
        assert_eq!(AttemptRef::parse(&attempt.to_string()), Some(attempt));
    }

    #[test]
    fn a_timer_name_fits_the_schedulers_64_characters() {
        let id = EnrollmentId { contact: ContactId([0; 12]), sequence: SequenceId([0; 8]), scope: [0; 8], run: 1 };
        assert!(format!("{id}-{}", u32::MAX).len() <= 64);
    }

    #[test]
    fn foreign_text_is_refused() {
        for text in ["", "ctc_", "ctc_!!!!", "seq_AAAAAAAAAAAAAAAA", "ctc_AAAAAAAAAAAAAAA", "ctc_AAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(ContactId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_ids() {
        assert_eq!(ContactId::new(&mut ids()), ContactId::new(&mut ids()));
        let mut one = ids();
        assert_ne!(ContactId::new(&mut one), ContactId::new(&mut one));
    }
}
