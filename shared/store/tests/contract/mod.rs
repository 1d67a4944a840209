//! What any [`Store`](engine::ports::Store) must do, whatever is behind it. Each function takes a
//! store, uses accounts of its own, and can run beside the others.

pub mod accounts;
pub mod contacts;
pub mod enrollments;
pub mod jobs;
pub mod limits;
pub mod lists;
pub mod messages;
pub mod once;
pub mod payments;
pub mod races;
pub mod sequences;
pub mod templates;

use std::sync::atomic::{AtomicU64, Ordering};

use domain::contact::{Contact, Profile};
use domain::enrollment::{Body, Enrollment, Entered, Lease, MessageForm, Source, SourceType, State};
use domain::ids::{ContactId, EnrollmentId, Ids, SenderId, SequenceId, TenantId};
use domain::message::Channel;
use domain::time::Timestamp;

/// Some day in 2033. Tests count from here.
pub const NOW: Timestamp = Timestamp(2_000_000_000);

/// Writers at once in a race.
pub const RACERS: usize = 8;

static WORLDS: AtomicU64 = AtomicU64::new(1);

/// An account of one test's own, and what makes ids in it.
pub struct World {
    pub tenant: TenantId,
    pub ids: Ids,
}

impl World {
    pub fn new() -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&WORLDS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut ids = Ids::from_seed(seed);
        Self { tenant: TenantId::new(&mut ids), ids }
    }

    pub fn enrollment_id(&mut self) -> EnrollmentId {
        EnrollmentId {
            contact: ContactId::new(&mut self.ids),
            sequence: SequenceId::new(&mut self.ids),
            scope: self.ids.bytes(),
            run: 1,
        }
    }

    pub fn enrollment(&mut self) -> Enrollment {
        let id = self.enrollment_id();
        enrollment(id)
    }

    pub fn lease(&mut self, token: &str, generation: u32) -> Lease {
        Lease {
            token: token.to_owned(),
            generation,
            claimed_at: NOW,
            expires_at: NOW.plus_seconds(90),
            sender: SenderId::of(self.tenant, &mut self.ids),
            channel: Channel::Whatsapp,
            form: MessageForm::Text,
            day: None,
            others: Default::default(),
            conversation: None,
            resolve_at: None,
            reported: None,
        }
    }

    pub fn contact(&mut self, profile: Profile) -> Contact {
        let mut contact = Contact::new(ContactId::new(&mut self.ids), profile, NOW);
        contact.rev = 1;
        contact
    }
}

/// A new run, waiting for its first step in a minute.
pub fn enrollment(id: EnrollmentId) -> Enrollment {
    Enrollment {
        id,
        rev: 1,
        generation: 1,
        state: State::Waiting,
        step: 0,
        due: Some(NOW.plus_minutes(1)),
        wake: Some(NOW.plus_minutes(1)),
        lease: None,
        swept: 0,
        body: Body {
            version: 1,
            previous: NOW,
            since: NOW,
            entered: Entered {
                id: 7,
                at: NOW,
                by: "ana@example.com".into(),
                source: Source { type_: SourceType::Manual, name: None },
            },
            trigger: None,
            marks_seen: Vec::new(),
            conversation: None,
            target: None,
            caught_up: false,
            reserved: None,
            day: None,
            send_now: false,
            intents: Vec::new(),
            migrate_to: None,
            records: Vec::new(),
            happenings: Vec::new(),
        },
    }
}

/// The next revision of an enrollment, changed.
pub fn next(e: &Enrollment, change: impl FnOnce(&mut Enrollment)) -> Enrollment {
    let mut next = e.clone();
    next.rev += 1;
    next.generation += 1;
    change(&mut next);
    next
}
