//! The small worlds that are explored: one contact, one sequence of two steps, and what may happen.

use std::collections::BTreeMap;

use domain::account::{Account, Settings};
use domain::contact::{Contact, Profile, Target};
use domain::ids::{ContactId, Ids, SenderId, SequenceId, TenantId};
use domain::message::{Channel, ProviderKind};
use domain::sender::{Sender, SenderLimits};
use domain::sequence::{Sequence, TargetKind};
use domain::time::Timestamp;
use engine::model::{StoredSequence, Version};
use serde_json::{Value, json};

use super::handlers::{Ask, date, target};
use super::model::Model;
use super::world::World;
use crate::memory::{StoreGuards, Tables, whatsapp_sender};

/// 2026-11-16T12:00:00Z, a Monday.
pub(super) const START: i64 = 1_794_830_400;
pub(super) const PHONE: &str = "5511987654300";

/// A small world.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub name: &'static str,
    /// What people may do, each at the cost of a deviation.
    pub asks: &'static [Ask],
    /// The second step waits for the target's date.
    dated: bool,
    /// Free text may go out, so that a late failure has the template to fall back to.
    wrote: bool,
    /// Messages that the sender sends in an hour, and on a day.
    per_hour: Option<u32>,
    per_day: Option<u32>,
    /// Steps go by WhatsApp, else by email, and have no template.
    channels: bool,
}

impl Scene {
    /// A world by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENES.iter().find(|scene| scene.name == name)
    }
}

/// Every world, with all that people may do in it.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "control",
        asks: &[Ask::Pause, Ask::ResumeKeep, Ask::ResumeRestart, Ask::Skip, Ask::SendNow],
        dated: false,
        wrote: false,
        per_hour: None,
        per_day: None,
        channels: false,
    },
    Scene {
        name: "ends",
        asks: &[Ask::Reply, Ask::Exit, Ask::Pause, Ask::ResumeKeep],
        dated: false,
        wrote: true,
        per_hour: None,
        per_day: None,
        channels: false,
    },
    Scene {
        name: "versions",
        asks: &[Ask::Migrate(2), Ask::Migrate(1), Ask::Pause, Ask::ResumeKeep, Ask::Skip],
        dated: false,
        wrote: true,
        per_hour: None,
        per_day: None,
        channels: false,
    },
    Scene {
        name: "dates",
        asks: &[Ask::Move(3), Ask::Move(30), Ask::Pause, Ask::ResumeKeep],
        dated: true,
        wrote: false,
        per_hour: None,
        per_day: None,
        channels: false,
    },
    Scene {
        name: "slots",
        asks: &[Ask::Pause, Ask::ResumeKeep, Ask::Skip, Ask::SendNow, Ask::Reply],
        dated: false,
        wrote: true,
        per_hour: Some(1),
        per_day: None,
        channels: false,
    },
    Scene {
        name: "days",
        asks: &[Ask::Pause, Ask::ResumeKeep, Ask::SendNow, Ask::Exit],
        dated: false,
        wrote: true,
        per_hour: None,
        per_day: Some(1),
        channels: false,
    },
    Scene {
        name: "channels",
        asks: &[Ask::Reply, Ask::Pause, Ask::ResumeKeep],
        dated: false,
        wrote: true,
        per_hour: None,
        per_day: None,
        channels: true,
    },
];

/// The target's date at the beginning, and how long after it the dated step comes, in hours.
const DATE_HOURS: i64 = 10;
const AFTER_HOURS: i64 = 2;

/// The second version has the same two steps the other way round.
fn version(dated: bool, channels: bool, number: u32) -> (Vec<String>, Sequence) {
    let (first, then) = if number == 1 { ("a", "b") } else { ("b", "a") };
    let step = |key: &str, wait: Value| {
        let name = format!("v{number}_{key}");
        if channels {
            return json!({
                "key": key, "wait": wait, "channel": "automatic", "channel_order": ["whatsapp", "email"],
                "content": {"type": "text", "text": name, "email": {"subject": "Retorno", "thread": "new"}},
            });
        }
        json!({
            "key": key, "wait": wait, "channel": "whatsapp",
            "content": {"type": "text", "text": name},
            "fallback_template": {"name": name, "language": "pt_BR", "body": []},
        })
    };
    let second = if dated {
        json!({"value": AFTER_HOURS, "unit": "hours", "after": "target.starts_at"})
    } else {
        json!({"value": 30, "unit": "minutes"})
    };
    let steps = vec![step(first, json!({"value": 0, "unit": "minutes"})), step(then, second)];
    let keys = steps.iter().filter_map(|s| s["key"].as_str().map(str::to_owned)).collect();
    let sequence = json!({"name": "Retorno", "target": "appointment", "steps": steps});
    (keys, serde_json::from_value(sequence).expect("a play writes sequences as the API takes them"))
}

impl Scene {
    /// The world before the first move.
    pub(super) fn world(&self, guards: StoreGuards) -> World {
        let mut ids = Ids::from_seed([7; 32]);
        let tenant = TenantId::new(&mut ids);
        let (sender, sequence, contact) =
            (SenderId::of(tenant, &mut ids), SequenceId::new(&mut ids), ContactId::new(&mut ids));
        let now = Timestamp(START);
        let (mut base, mut tables) = (Tables::default(), Tables::default());
        tables.guards = guards;
        let settings = Settings { name: "Loja".into(), enabled: true, timezone: "UTC".into(), ..Settings::default() };
        drop(base.create_account(&Account { id: tenant, rev: 1, created_at: now, settings }));
        let limits = SenderLimits { per_hour: self.per_hour, per_day: self.per_day, ..SenderLimits::default() };
        let stored = whatsapp_sender(sender, limits, now);
        drop(base.save_sender(tenant, &stored));
        if self.channels {
            let id = SenderId::of(tenant, &mut ids);
            let email = Sender::new(id, now, Channel::Email, ProviderKind::Ses, json!({"configuration_set": "all"}));
            drop(base.save_sender(tenant, &email));
        }
        let mut keys = BTreeMap::new();
        for number in [1, 2] {
            let (of_version, draft) = version(self.dated, self.channels, number);
            keys.insert(number, of_version);
            let stored = StoredSequence {
                id: sequence,
                revision: u64::from(number),
                owner: "ana@example.com".into(),
                archived: false,
                // Whoever enrolls begins on the first.
                published: 1,
                created_at: now,
                updated_at: now,
                draft: draft.clone(),
            };
            let version = Version {
                sequence_id: sequence,
                number,
                published_at: now,
                published_by: "ana@example.com".into(),
                sequence: draft,
                templates: Default::default(),
            };
            drop(base.publish(tenant, &stored, &version));
        }
        let profile = Profile {
            first_name: Some("Ana".into()),
            phone: Some(format!("+{PHONE}")),
            whatsapp_id: Some(PHONE.into()),
            email: self.channels.then(|| "ana@example.com".to_owned()),
            ..Profile::default()
        };
        let mut person = Contact::new(contact, profile, now);
        person.rev = 1;
        let mut model = Model::new(keys);
        model.spacing = self.per_hour.map_or(0, |most| 3600 / i64::from(most));
        model.templates = !self.channels;
        model.per_day = self.per_day.map(|n| n as usize);
        if self.wrote {
            person.last_inbound.insert(sender, now.plus_hours(-1));
            model.wrote = START - 3600;
        }
        let identities = person.identities();
        drop(base.save_contact(tenant, &person, &identities, &[]));
        drop(tables.save_contact(tenant, &person, &identities, &[]));
        let appointment = Target {
            kind: TargetKind::Appointment,
            id: target().id,
            rev: 1,
            attributes: BTreeMap::from([("starts_at".to_owned(), date(DATE_HOURS))]),
            changed_at: None,
            marks: domain::signal::Marks::default(),
        };
        drop(tables.save_target(tenant, contact, &appointment));
        if self.dated {
            model.dated = Some(("b".into(), AFTER_HOURS * 3600));
            let since = model.moving();
            model.moved(START + DATE_HOURS * 3600, since);
            model.moving_over();
        }
        World::new((tenant, contact, sender, sequence), base, tables, START, model)
    }
}
