//! What a seed's run is about: an account, its sequences and contacts, and how its machines are.

use std::collections::BTreeMap;

use domain::account::{Account, ContactLimit, LimitPeriod, Settings};
use domain::contact::{Contact, Profile, Target, TargetRef};
use domain::ids::{ContactId, Ids, SenderId, SequenceId, TenantId};
use domain::message::{Channel, ProviderKind};
use domain::sender::{RampUp, Sender, SenderLimits};
use domain::sequence::{Sequence, TargetKind};
use domain::time::Timestamp;
use engine::model::{StoredSequence, Version};
use serde_json::{Value, json};

use super::rng::Rng;
use crate::memory::{Tables, whatsapp_sender};

/// 2026-11-16T12:00:00Z, a Monday, 09:00 in São Paulo.
pub(super) const START: i64 = 1_794_830_400;
/// São Paulo has had no DST since 2019, so the independent calendar is simple arithmetic.
pub(super) const ZONE: &str = "America/Sao_Paulo";
pub(super) const ZONE_OFFSET: i64 = -3 * 3600;

/// Hours of the local day, in minutes; overnight when `from > to`. `weekdays`: Monday to Friday only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    pub from: i64,
    pub to: i64,
    pub weekdays: bool,
}

impl Hours {
    fn json(self) -> Value {
        let clock = |m: i64| format!("{:02}:{:02}", m / 60, m % 60);
        let mut hours = json!({"from": clock(self.from), "to": clock(self.to)});
        if self.weekdays {
            hours["days"] = json!(["mon", "tue", "wed", "thu", "fri"]);
        }
        hours
    }
}

#[derive(Debug, Clone)]
pub(super) struct StepSpec {
    pub key: String,
    pub window: Option<Hours>,
    pub business: bool,
    /// There is a template to fall back to.
    pub template: bool,
    /// By which it may go, the wanted one first.
    pub channels: Vec<Channel>,
    json: Value,
}

/// What a version says. There are a few of each sequence, published one after the other and over again.
#[derive(Debug, Clone)]
pub(super) struct VersionSpec {
    pub on_reply: bool,
    pub steps: Vec<StepSpec>,
}

#[derive(Debug, Clone)]
pub(super) struct SequenceSpec {
    pub id: SequenceId,
    pub goal: bool,
    /// About an appointment, whose date steps wait for.
    pub dated: bool,
    versions: Vec<VersionSpec>,
    /// So many are published before the first event.
    published: u32,
    json: Value,
}

impl SequenceSpec {
    pub(super) fn of(&self, version: u32) -> &VersionSpec {
        &self.versions[(version.max(1) - 1) as usize % self.versions.len()]
    }

    /// How many of a run's steps may reach somebody.
    pub(super) fn most_steps(&self) -> Option<usize> {
        self.json["caps"][0]["max_steps"].as_u64().and_then(|n| n.try_into().ok())
    }

    /// The published form; texts name version and step, so that the provider's stand-in knows both.
    pub(super) fn version(&self, number: u32) -> Sequence {
        let mut json = self.json.clone();
        let spec = self.of(number);
        json["exit"]["on_reply"] = json!(spec.on_reply);
        json["steps"] = spec.steps.iter().map(|s| at_version(&s.json, number)).collect();
        serde_json::from_value(json).expect("the scenario writes sequences as the API takes them")
    }
}

fn at_version(step: &Value, number: u32) -> Value {
    let text = step.to_string().replace("VERSION", &number.to_string());
    serde_json::from_str(&text).expect("a number is as good as a word")
}

/// Everything that a seed fixes before the first event.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub tenant: TenantId,
    /// By WhatsApp.
    pub sender: SenderId,
    /// By email, where steps choose between the two.
    pub email: Option<SenderId>,
    pub quiet: Option<Hours>,
    pub sequences: Vec<SequenceSpec>,
    /// What the sender may start in an hour and on a day, if there are limits.
    pub limits: SenderLimits,
    /// How many steps may reach a contact on a day and in a week.
    pub contact_limits: Vec<ContactLimit>,
    pub contacts: Vec<ContactId>,
    /// What each worker's clock is ahead of the true time; the last one is the API's.
    pub skews: [i64; 3],
    /// The most that any clock may differ from the true time in this run.
    pub max_skew: i64,
    /// Functions are killed at their time-out. Off only where the test of the guards wants to see
    /// what a worker does that comes to itself after its lease.
    pub timeouts: bool,
    settings: Settings,
}

/// Clocks may be off by this much, either way.
pub(super) const MAX_SKEW: i64 = 4;

pub(super) const TARGET: &str = "visit";

pub(super) fn target() -> TargetRef {
    TargetRef { kind: TargetKind::Appointment, id: TARGET.into() }
}

pub(super) fn phone(contact: usize) -> String {
    format!("55119876543{contact:02}")
}

impl Scenario {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::stream(seed, 1);
        let mut ids = Ids::from_seed(rng.bytes());
        let tenant = TenantId::new(&mut ids);
        let sender = SenderId::of(tenant, &mut ids);
        let quiet = rng.chance(400).then_some(Hours { from: 20 * 60, to: 8 * 60, weekdays: false });
        let mut more = Rng::stream(seed, 6);
        let sequences =
            (0..1 + rng.below(2)).map(|i| sequence(i, SequenceId::new(&mut ids), &mut rng, &mut more)).collect();
        let contacts = (0..1 + rng.below(3)).map(|_| ContactId::new(&mut ids)).collect();
        let settings = Settings {
            name: "Loja".into(),
            enabled: true,
            timezone: ZONE.into(),
            quiet_hours: quiet.iter().map(|q| serde_json::from_value(q.json()).expect("hours")).collect(),
            spread_minutes: if rng.chance(300) { 20 } else { 0 },
            ..Settings::default()
        };
        let most = if rng.chance(500) { MAX_SKEW } else { 0 };
        let skews = std::array::from_fn(|_| rng.between(-most, most));
        // So slow that one too many is seen behind all that may delay a call.
        let per_hour = more.chance(300).then(|| *more.pick(&[2, 6, 20]));
        let mut scenario = Self {
            tenant,
            sender,
            email: None,
            quiet,
            sequences,
            limits: SenderLimits { per_hour, ..SenderLimits::default() },
            contact_limits: Vec::new(),
            contacts,
            skews,
            max_skew: most,
            timeouts: true,
            settings,
        };
        scenario.limit(&mut Rng::stream(seed, 7));
        scenario.choose(&mut Rng::stream(seed, 8));
        scenario
    }

    /// In some scenarios steps may go by email too.
    fn choose(&mut self, rng: &mut Rng) {
        if !rng.chance(350) {
            return;
        }
        self.email = Some(SenderId::of(self.tenant, &mut Ids::from_seed(rng.bytes())));
        for sequence in &mut self.sequences {
            for step in sequence.versions.iter_mut().flat_map(|version| &mut version.steps) {
                if !rng.chance(700) {
                    continue;
                }
                step.channels = vec![Channel::Whatsapp, Channel::Email];
                if rng.chance(300) {
                    step.channels.reverse();
                }
                step.json["channel"] = json!("automatic");
                step.json["channel_order"] = json!(step.channels);
                if step.json["content"]["type"] == "text" {
                    step.json["content"]["email"] = json!({"subject": "Retorno", "thread": "new"});
                }
            }
        }
    }

    /// All but the second have an address of the kind.
    pub(super) fn has_email(&self, contact: ContactId) -> bool {
        self.email.is_some() && self.contacts.iter().position(|c| *c == contact).is_some_and(|index| index != 1)
    }

    pub(super) fn senders(&self) -> impl Iterator<Item = SenderId> {
        std::iter::once(self.sender).chain(self.email)
    }

    pub(super) fn sender_of(&self, channel: Channel) -> Option<SenderId> {
        if channel == Channel::Email { self.email } else { Some(self.sender) }
    }

    /// Limits for days, contacts and countries: so narrow that one too many is seen.
    fn limit(&mut self, rng: &mut Rng) {
        self.limits.per_day = rng.chance(250).then(|| *rng.pick(&[1, 2, 5]));
        if rng.chance(100) {
            let start_per_day = *rng.pick(&[1, 2]);
            self.limits.ramp_up = Some(RampUp { start_per_day, growth: 1.5 });
        }
        for (per, most) in [(LimitPeriod::Day, [1, 1, 2]), (LimitPeriod::Week, [1, 2, 4])] {
            if rng.chance(200) {
                self.contact_limits.push(ContactLimit { max: *rng.pick(&most), per });
            }
        }
        self.settings.contact_limits.clone_from(&self.contact_limits);
        for sequence in &mut self.sequences {
            if rng.chance(250) {
                sequence.json["caps"] = json!([{"countries": ["BR"], "max_steps": rng.pick(&[1, 2, 3])}]);
            }
        }
        for sequence in &mut self.sequences {
            // Around midnight, so that what is planned on one day may be sent on the next.
            if self.quiet.is_none() && rng.chance(200) {
                let window = Hours { from: 23 * 60 + 59, to: 30, weekdays: false };
                for step in sequence.versions.iter_mut().flat_map(|version| &mut version.steps) {
                    step.window = Some(window);
                    step.json["window"] = window.json();
                }
            }
        }
    }

    /// Writes what stands before the first event.
    pub(super) fn prepare(&self, tables: &mut Tables) {
        let now = Timestamp(START);
        let account = Account { id: self.tenant, rev: 1, created_at: now, settings: self.settings.clone() };
        drop(tables.create_account(&account));
        let sender = whatsapp_sender(self.sender, self.limits.clone(), now);
        drop(tables.save_sender(self.tenant, &sender));
        if let Some(id) = self.email {
            let sender = Sender::new(id, now, Channel::Email, ProviderKind::Ses, json!({"configuration_set": "all"}));
            drop(tables.save_sender(self.tenant, &sender));
        }
        for (index, id) in self.contacts.iter().enumerate() {
            let profile = Profile {
                first_name: Some("Ana".into()),
                phone: Some(format!("+{}", phone(index))),
                whatsapp_id: Some(phone(index)),
                email: self.has_email(*id).then(|| format!("ana{index}@example.com")),
                ..Profile::default()
            };
            let mut contact = Contact::new(*id, profile, now);
            contact.rev = 1;
            if index % 2 == 0 {
                // This one has written today: free text may go out.
                contact.last_inbound.insert(self.sender, now.plus_hours(-1));
            }
            let identities = contact.identities();
            drop(tables.save_contact(self.tenant, &contact, &identities, &[]));
            let mut target = Target {
                kind: TargetKind::Appointment,
                id: TARGET.into(),
                rev: 1,
                attributes: BTreeMap::new(),
                changed_at: None,
                marks: domain::signal::Marks::default(),
            };
            // Without a date at first, for some.
            if index != 1 {
                target.attributes.insert("starts_at".into(), json!(now.plus_days(2).to_string()));
            }
            drop(tables.save_target(self.tenant, *id, &target));
        }
        for spec in &self.sequences {
            for number in 1..=spec.published {
                let stored = StoredSequence {
                    id: spec.id,
                    revision: u64::from(number),
                    owner: "ana@example.com".into(),
                    archived: false,
                    published: number,
                    created_at: now,
                    updated_at: now,
                    draft: spec.version(number),
                };
                drop(tables.publish(self.tenant, &stored, &self.published(spec, number, now)));
            }
        }
    }

    pub(super) fn published(&self, spec: &SequenceSpec, number: u32, now: Timestamp) -> Version {
        Version {
            sequence_id: spec.id,
            number,
            published_at: now,
            published_by: "ana@example.com".into(),
            sequence: spec.version(number),
            templates: Default::default(),
        }
    }

    pub(super) fn sequence(&self, id: SequenceId) -> Option<&SequenceSpec> {
        self.sequences.iter().find(|s| s.id == id)
    }
}

fn sequence(index: usize, id: SequenceId, rng: &mut Rng, more: &mut Rng) -> SequenceSpec {
    let dated = rng.chance(350);
    let steps = (0..2 + rng.below(3)).map(|step| self::step(format!("s{index}k{step}"), dated, rng)).collect();
    let (on_reply, goal) = (rng.chance(800), rng.chance(700));
    let goals = if goal {
        json!([{"event": "charge.paid", "where": [{"field": "data.amount", "op": "gte", "value": 50}]}])
    } else {
        json!([])
    };
    let on_duplicate = if rng.chance(300) { "restart" } else { "ignore" };
    let json = json!({
        "name": "Retorno",
        "target": if dated { "appointment" } else { "contact" },
        "steps": [],
        "exit": {"goals": goals},
        "entry": {"on_duplicate": on_duplicate, "triggers": [{"event": "cart.left"}]},
    });
    let mut versions = vec![VersionSpec { on_reply, steps }];
    for number in 1..3 {
        let last = &versions[number - 1];
        versions.push(VersionSpec {
            on_reply: last.on_reply != more.chance(200),
            steps: edited(&last.steps, &format!("s{index}n{number}"), dated, more),
        });
    }
    SequenceSpec { id, goal, dated, versions, published: 1 + more.below(3) as u32, json }
}

/// The next version's steps: some order, some keys and some waits are others.
fn edited(steps: &[StepSpec], new: &str, dated: bool, rng: &mut Rng) -> Vec<StepSpec> {
    let mut steps = steps.to_vec();
    for edit in 0..rng.below(3) {
        let at = rng.below(steps.len());
        match rng.below(4) {
            0 if steps.len() > 1 => drop(steps.remove(at)),
            1 => steps.insert(at, step(format!("{new}e{edit}"), dated, rng)),
            2 => steps.push(step(format!("{new}e{edit}"), dated, rng)),
            3 => steps[at] = step(steps[at].key.clone(), dated, rng),
            _ => {}
        }
        let (one, other) = (rng.below(steps.len()), rng.below(steps.len()));
        if rng.chance(400) {
            steps.swap(one, other);
        }
    }
    steps
}

fn step(key: String, dated: bool, rng: &mut Rng) -> StepSpec {
    let mut wait = match rng.below(8) {
        0 | 1 => json!({"value": 0, "unit": "minutes"}),
        2 => json!({"value": 5, "unit": "minutes"}),
        3 => json!({"value": 30, "unit": "minutes"}),
        4 => json!({"value": 5, "unit": "hours"}),
        5 => json!({"value": 1, "unit": "days"}),
        6 => json!({"value": 2, "unit": "days"}),
        _ => json!({"value": 1, "unit": "business_days"}),
    };
    if dated && rng.chance(600) {
        wait = json!({"value": 1 + rng.below(20), "unit": "hours"});
        wait[*rng.pick(&["before", "after"])] = json!("target.starts_at");
    }
    let window = match rng.below(8) {
        // So short that a buffered send may miss it.
        3 | 4 => Some(Hours { from: 9 * 60, to: 9 * 60 + 4, weekdays: false }),
        0 => Some(Hours { from: 9 * 60, to: 12 * 60, weekdays: false }),
        1 => Some(Hours { from: 8 * 60, to: 18 * 60, weekdays: true }),
        2 => Some(Hours { from: 18 * 60, to: 60, weekdays: false }),
        _ => None,
    };
    let business = wait["unit"] == "business_days";
    let content = if rng.chance(150) {
        json!({"type": "whatsapp_template", "name": format!("vVERSION_{key}"), "language": "pt_BR", "body": []})
    } else {
        json!({"type": "text", "text": format!("vVERSION_{key}")})
    };
    let mut json = json!({"key": key, "wait": wait, "channel": "whatsapp", "content": content});
    if let Some(window) = window {
        json["window"] = window.json();
    }
    let template = rng.chance(850);
    if template {
        json["fallback_template"] = json!({"name": format!("vVERSION_{key}"), "language": "pt_BR", "body": []});
    }
    if rng.chance(150) {
        json["skip_if_late"] = json!({"value": 2, "unit": "hours"});
    }
    if rng.chance(250) {
        json["on_failure"] = json!("stop");
    }
    StepSpec { key, window, business, template, channels: vec![Channel::Whatsapp], json }
}
