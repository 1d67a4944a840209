//! People, their conversations and targets, and the marks that events leave on them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::User;
use crate::contact_limits::Counted;
use crate::enrollment::Enrollment;
use crate::ids::{ContactId, SenderId};
use crate::message::{Channel, Identity};
use crate::sequence::TargetKind;
use crate::signal::Marks;
use crate::time::Timestamp;

/// A person. Serialised, this is the stored document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    pub id: ContactId,
    /// Bumped by every write; the condition of the next one.
    pub rev: u64,
    pub created_at: Timestamp,
    #[serde(flatten)]
    pub profile: Profile,
    /// WhatsApp ids in the provider's own writing; the first is where messages go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wa_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bsuids: Vec<String>,
    /// Channels on which this person's address is suppressed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suppressed: BTreeSet<Channel>,
    /// The last message that the person wrote to each sender: WhatsApp's 24 h window counts from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_inbound: BTreeMap<SenderId, Timestamp>,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
    /// What counts against the account's limits for one contact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
}

/// What callers say of a person.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Lower-cased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// E.164 with `+`, canonical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A WhatsApp id (digits) or business-scoped user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whatsapp_id: Option<String>,
    /// IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<User>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
}

impl Profile {
    /// Every identity that this profile claims.
    pub fn identities(&self) -> Vec<Identity> {
        let mut all = Vec::new();
        if let Some(id) = &self.external_id {
            all.push(Identity::External(id.clone()));
        }
        if let Some(email) = &self.email {
            all.push(Identity::Email(email.clone()));
        }
        if let Some(phone) = &self.phone {
            all.push(Identity::Phone(phone.clone()));
        }
        match &self.whatsapp_id {
            Some(id) if is_bsuid(id) => all.push(Identity::Bsuid(id.clone())),
            Some(id) => all.push(Identity::WaId(id.clone())),
            None => {}
        }
        all
    }

    /// `other`'s words over these: what it says replaces, what it leaves out stays.
    pub fn merge(&mut self, other: &Profile) {
        fn set<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        set(&mut self.external_id, &other.external_id);
        set(&mut self.first_name, &other.first_name);
        set(&mut self.last_name, &other.last_name);
        set(&mut self.email, &other.email);
        set(&mut self.phone, &other.phone);
        set(&mut self.whatsapp_id, &other.whatsapp_id);
        set(&mut self.timezone, &other.timezone);
        set(&mut self.country, &other.country);
        set(&mut self.language, &other.language);
        set(&mut self.assignee, &other.assignee);
        for (name, value) in &other.attributes {
            if value.is_null() {
                self.attributes.remove(name);
            } else {
                self.attributes.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Whether a WhatsApp id is business-scoped (`US.1349…`) instead of a phone's digits.
pub fn is_bsuid(id: &str) -> bool {
    id.contains('.')
}

impl Contact {
    pub fn new(id: ContactId, profile: Profile, now: Timestamp) -> Self {
        let mut contact = Self {
            id,
            rev: 0,
            created_at: now,
            profile,
            wa_ids: Vec::new(),
            bsuids: Vec::new(),
            suppressed: BTreeSet::new(),
            last_inbound: BTreeMap::new(),
            marks: Marks::default(),
            counted: Vec::new(),
        };
        contact.remember(&contact.profile.identities());
        contact
    }

    /// Notes WhatsApp ids that were seen for this person.
    pub fn remember(&mut self, identities: &[Identity]) {
        for identity in identities {
            match identity {
                Identity::WaId(id) if !self.wa_ids.contains(id) => self.wa_ids.push(id.clone()),
                Identity::Bsuid(id) if !self.bsuids.contains(id) => self.bsuids.push(id.clone()),
                _ => {}
            }
        }
    }

    /// Every identity by which this person can be found.
    pub fn identities(&self) -> Vec<Identity> {
        let mut all = self.profile.identities();
        all.extend(self.wa_ids.iter().map(|id| Identity::WaId(id.clone())));
        all.extend(self.bsuids.iter().map(|id| Identity::Bsuid(id.clone())));
        all.sort();
        all.dedup();
        all
    }
}

/// A helpdesk conversation of a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The helpdesk's own id.
    pub id: String,
    pub rev: u64,
    #[serde(default)]
    pub status: ConversationStatus,
    /// When it was last said to be so: what is told late changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_at: Option<Timestamp>,
    /// What it goes over at the helpdesk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<SenderId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<User>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
}

impl Conversation {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            rev: 0,
            status: ConversationStatus::default(),
            status_at: None,
            channel: None,
            sender_id: None,
            assignee: None,
            attributes: BTreeMap::new(),
            marks: Marks::default(),
        }
    }

    /// By what its contact is found: the helpdesk's id is unique for each sender.
    pub fn named(sender: SenderId, id: &str) -> TargetRef {
        TargetRef { kind: TargetKind::Conversation, id: format!("{sender}:{id}") }
    }

    /// Whether this status, at that time, is another one than what is known of then.
    pub fn takes(&self, status: ConversationStatus, at: Timestamp) -> bool {
        self.status != status && self.status_at.is_none_or(|known| known <= at)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationStatus {
    #[default]
    Open,
    Resolved,
    Pending,
}

/// A deal, appointment or charge of a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub kind: TargetKind,
    pub id: String,
    pub rev: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// When its attributes last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
}

impl Target {
    pub fn named(&self) -> TargetRef {
        TargetRef { kind: self.kind, id: self.id.clone() }
    }
}

/// Names a target of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRef {
    pub kind: TargetKind,
    pub id: String,
}

/// All that planning needs to know of a contact, read by one Query: the table's hot prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub contact: Contact,
    pub conversations: Vec<Conversation>,
    pub targets: Vec<Target>,
    /// Every run that has not been archived, finished ones included.
    pub enrollments: Vec<Enrollment>,
}

impl Person {
    pub fn target(&self, of: &TargetRef) -> Option<&Target> {
        self.targets.iter().find(|t| t.kind == of.kind && t.id == of.id)
    }

    /// The target of this kind that has changed last.
    pub fn newest_target(&self, kind: TargetKind) -> Option<&Target> {
        self.targets.iter().filter(|t| t.kind == kind).max_by_key(|t| (t.changed_at, &t.id))
    }

    pub fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.conversations.iter().find(|c| c.id == id)
    }
}

/// A phone in its one canonical form: E.164 with `+`, Brazil's ninth digit inserted where a mobile
/// number lacks it. `None` when it is no phone number.
///
/// Numbers without a country code are read in `default_country` (ISO 3166).
pub fn canonical_phone(text: &str, default_country: Option<&str>) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let international = text.trim_start().starts_with('+') || text.trim_start().starts_with("00");
    let parse = |t: &str, country: Option<&str>| -> Option<String> {
        let country = country.and_then(|c| c.parse::<phonenumber::country::Id>().ok());
        let number = phonenumber::parse(country, t).ok()?;
        Some(number.format().mode(phonenumber::Mode::E164).to_string())
    };
    if text.chars().any(|c| c.is_alphabetic()) || !(5..=17).contains(&digits.len()) {
        return None;
    }
    let e164 = if international {
        let digits = digits.trim_start_matches('0');
        parse(&format!("+{digits}"), None)?
    } else {
        parse(text, default_country)?
    };
    Some(with_ninth_digit(&e164))
}

/// WhatsApp's own writing of a number as a canonical phone; signs other than digits are dropped. The
/// raw id stays the address to send to.
pub fn phone_of_wa_id(wa_id: &str) -> String {
    let digits: String = wa_id.chars().filter(char::is_ascii_digit).collect();
    with_ninth_digit(&format!("+{digits}"))
}

/// `+55`, two digits of area, eight of a mobile (first 6 to 9): the ninth digit is missing.
fn with_ninth_digit(e164: &str) -> String {
    match e164.strip_prefix("+55") {
        Some(local) if local.len() == 10 && matches!(local.as_bytes()[2], b'6'..=b'9') => {
            format!("+55{}9{}", &local[..2], &local[2..])
        }
        _ => e164.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_have_one_form() {
        let check = |text: &str, country: Option<&str>, expected: Option<&str>| {
            assert_eq!(canonical_phone(text, country).as_deref(), expected, "{text}");
        };
        check("+55 (11) 98765-4321", None, Some("+5511987654321"));
        check("(11) 98765-4321", Some("BR"), Some("+5511987654321"));
        check("+551692318222", None, Some("+5516992318222"));
        check("+552125551234", None, Some("+552125551234"));
        check("005511987654321", None, Some("+5511987654321"));
        check("+1 212 555 0123", Some("BR"), Some("+12125550123"));
        check("(11) 98765-4321", None, None);
        check("not a phone", Some("BR"), None);
        check("", Some("BR"), None);
        check("+", None, None);
    }

    #[test]
    fn merging_keeps_what_the_newcomer_leaves_out() {
        let mut mine = Profile {
            first_name: Some("Ana".into()),
            email: Some("a@example.com".into()),
            attributes: BTreeMap::from([("plan".into(), "pro".into()), ("old".into(), 1.into())]),
            ..Profile::default()
        };
        mine.merge(&Profile {
            first_name: Some("Ana Maria".into()),
            attributes: BTreeMap::from([("old".into(), Value::Null), ("new".into(), true.into())]),
            ..Profile::default()
        });
        assert_eq!(mine.first_name.as_deref(), Some("Ana Maria"));
        assert_eq!(mine.email.as_deref(), Some("a@example.com"));
        assert_eq!(mine.attributes, BTreeMap::from([("plan".into(), "pro".into()), ("new".into(), true.into())]));
    }
}
