//! What was promised, checked from outside on every move: from what was acknowledged, from what the
//! provider was asked, and from the shape of what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::enrollment::{AttemptResult, Enrollment, State as Run, StepStatus};
use domain::ids::AttemptRef;
use domain::message::{DeliveryStatus, Reaction};

use super::world::{Call, Fate};
use crate::laws::broken_by;
use crate::memory::{EnrollmentWrite, Tables, Verb};
use crate::sim::Violation;

/// WhatsApp's customer service window.
const REPLY_WINDOW: i64 = 24 * 3600;
const SLOT_SECONDS: i64 = 30;
const DAY: i64 = 86_400;
/// Whoever claims asks so often before it leaves a claim without an answer.
const CLAIM_TRIES: u8 = 3;

#[derive(Debug, Clone, PartialEq)]
struct Claim {
    key: String,
    version: u32,
    worker: u64,
    /// The sender's day that it says it uses, in days since the epoch.
    day: Option<i64>,
    /// How many calls there were: each of the same step was void then.
    calls: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// Each version's steps, by key.
    keys: Arc<BTreeMap<u32, Vec<String>>>,
    /// The step that waits for a date, and the seconds that it comes after it.
    pub dated: Option<(String, i64)>,
    /// Seconds between two messages of the sender, if it has a rate.
    pub spacing: i64,
    /// How many messages the sender has for a day, if it has a limit.
    pub per_day: Option<usize>,
    /// Whether a text that comes too late has a template to fall back to.
    pub templates: bool,
    /// When the person last wrote.
    pub wrote: i64,
    replied: bool,
    ended: bool,
    paused: bool,
    /// Requests under way that may end a pause, and how many have ever begun.
    unpausing: u8,
    unpauses: u8,
    /// Keys whose skipping was acknowledged with nothing in flight.
    skipped: BTreeSet<String>,
    /// Versions that somebody has asked for.
    versions: BTreeSet<u32>,
    /// The date of the target as last acknowledged; nothing while a move is under way, or when two
    /// met and either may have come last.
    date: Option<i64>,
    moving: u8,
    moves: u8,
    hurried: bool,
    claims: BTreeMap<u32, Claim>,
    died: BTreeSet<u64>,
    unanswered: BTreeMap<u64, u8>,
    pub violation: Option<Violation>,
}

impl Model {
    pub(super) fn new(keys: BTreeMap<u32, Vec<String>>) -> Self {
        // Long ago: never.
        Self { keys: Arc::new(keys), wrote: i64::MIN / 2, ..Self::default() }
    }

    pub(super) fn broken(&mut self, promise: &'static str, text: impl Into<String>) {
        self.violation.get_or_insert_with(|| Violation { promise, text: text.into() });
    }

    // What is asked and acknowledged.

    /// A reply was taken with thanks.
    pub(super) fn replied(&mut self) {
        self.replied = true;
    }

    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    pub(super) fn unpausing(&mut self) {
        self.paused = false;
        self.unpausing += 1;
        self.unpauses += 1;
    }

    pub(super) fn unpausing_over(&mut self) {
        self.unpausing = self.unpausing.saturating_sub(1);
    }

    /// A pause begins: what it must find again at its end to bind. `None`: a request is under way
    /// that may end it, and either may come last.
    pub(super) fn pausing(&self) -> Option<u8> {
        (self.unpausing == 0).then_some(self.unpauses)
    }

    pub(super) fn paused(&mut self, since: Option<u8>) {
        self.paused |= since == Some(self.unpauses);
    }

    /// Somebody wants a step out of turn: dates no longer bind.
    pub(super) fn hurried(&mut self) {
        self.hurried = true;
    }

    /// A skip was answered with the run as it then stood.
    pub(super) fn skipped(&mut self, e: &Enrollment) {
        let skipped = e.records.iter().filter(|r| r.status == StepStatus::Skipped);
        self.skipped.extend(skipped.map(|r| r.key.clone()));
    }

    pub(super) fn migrating(&mut self, version: u32) {
        self.versions.insert(version);
    }

    /// A new date is being written: until it is acknowledged either may hold. What it must find again
    /// at its end to bind.
    pub(super) fn moving(&mut self) -> Option<u8> {
        self.date = None;
        self.moves += 1;
        self.moving += 1;
        (self.moving == 1).then_some(self.moves)
    }

    pub(super) fn moving_over(&mut self) {
        self.moving = self.moving.saturating_sub(1);
    }

    pub(super) fn moved(&mut self, to: i64, since: Option<u8>) {
        self.date = Some(to).filter(|_| since == Some(self.moves));
    }

    pub(super) fn died(&mut self, worker: u64) {
        self.died.insert(worker);
    }

    pub(super) fn claim_unanswered(&mut self, worker: u64) {
        let times = self.unanswered.entry(worker).or_default();
        *times += 1;
        if *times >= CLAIM_TRIES {
            self.died.insert(worker);
        }
    }

    // What is stored.

    pub(super) fn written(&mut self, write: &EnrollmentWrite, worker: u64, now: i64, calls: &[Call], tables: &Tables) {
        let EnrollmentWrite { verb, before, after, .. } = write;
        if let Some((promise, text)) = broken_by(write, tables) {
            self.broken(promise, text);
        }
        if before.as_ref().is_some_and(|b| b.version != after.version) && !self.versions.contains(&after.version) {
            self.broken("5", format!("changed to version {}, unasked", after.version));
        }
        if *verb == Verb::Claim
            && let Some(lease) = &after.lease
        {
            self.claimed(after, lease.generation, worker, now, calls);
        }
    }

    /// A claim was written: nothing acknowledged before may stand against it.
    fn claimed(&mut self, e: &Enrollment, generation: u32, worker: u64, now: i64, calls: &[Call]) {
        let against = [(self.ended, "end"), (self.replied, "reply"), (self.paused, "pause")];
        if let Some((_, what)) = against.iter().find(|(stands, _)| *stands) {
            return self.broken("2", format!("claimed after its {what} was acknowledged"));
        }
        let key = self.keys.get(&e.version).and_then(|keys| keys.get(e.step as usize)).cloned();
        let Some(key) = key else { return self.broken("5", format!("claimed at step {}, which is none", e.step)) };
        if self.skipped.contains(&key) {
            return self.broken("2", format!("{key} was claimed after its skip was acknowledged"));
        }
        if calls.iter().any(|c| c.key == key && !c.is_void()) {
            return self.broken("1", format!("{key} was claimed again, and an earlier call stands"));
        }
        if let (Some((dated, after)), Some(date)) = (&self.dated, self.date)
            && *dated == key
            && !self.hurried
            && now < date + after
        {
            return self.broken("3", format!("{key} was claimed before its date"));
        }
        let day = e.lease.as_ref().and_then(|l| l.day).map(|day| i64::from(day.to_epoch_days()));
        if self.per_day.is_some() && day != Some(now.div_euclid(DAY)) {
            self.broken("3", format!("{key} was claimed with no message of the day"));
        }
        self.claims.insert(generation, Claim { key, version: e.version, worker, day, calls: calls.len() });
    }

    // What the provider is asked.

    pub(super) fn call_starts(&mut self, call: &Call, earlier: &[Call]) {
        let Some(claim) = self.claims.get(&call.attempt.generation).cloned() else {
            return self.broken("1", format!("{} is sent without a claim", call.key));
        };
        if earlier.iter().skip(claim.calls).any(|c| c.key == call.key) {
            return self.broken("1", format!("{} is sent again under one claim", call.key));
        }
        if (&call.key, call.version) != (&claim.key, claim.version) {
            let text = format!("{} of version {} is sent, claimed was {claim:?}", call.key, call.version);
            return self.broken("5", text);
        }
        // Only what passes is tried again on a channel, or a text by its template.
        let passes = |c: &Call| matches!(c.fate, Fate::Refused(Reaction::Transient)) && !c.told_failed;
        let by_template = |c: &Call| self.templates && c.text && !call.text;
        let mut on_channel = earlier.iter().filter(|c| c.key == call.key && c.channel == call.channel);
        if on_channel.any(|c| !passes(c) && !by_template(c)) {
            let text = format!("{} is sent again by {:?}, which had refused it for good", call.key, call.channel);
            return self.broken("1", text);
        }
        // A slot is used until it is half a minute old.
        if earlier.iter().any(|c| call.at - c.at < self.spacing - SLOT_SECONDS) {
            self.broken("3", format!("{} is sent faster than the rate allows", call.key));
        }
        let of_day =
            |c: &&Call| c.fate.accepted() && self.claims.get(&c.attempt.generation).is_some_and(|c| c.day == claim.day);
        let sent = earlier.iter().chain([call]).filter(of_day).count();
        if self.per_day.is_some_and(|most| sent > most) {
            self.broken("3", format!("{} is one message too many of its day", call.key));
        }
        if call.text && call.at - self.wrote >= REPLY_WINDOW {
            self.broken("3", format!("free text {} outside the 24 hours", call.key));
        }
    }

    // When nothing happens by itself any more.

    pub(super) fn settled(&mut self, tables: &Tables, calls: &[Call]) {
        let all: Vec<Enrollment> = tables.all_enrollments().map(|(_, e)| e.clone()).collect();
        for e in &all {
            let done = matches!(e.state, Run::Finished(_) | Run::Paused | Run::Parked(_));
            if !done || e.lease.is_some() {
                self.broken("4", format!("stuck: {:?} at step {}, wake {:?}", e.state, e.step, e.wake));
            }
            if let Run::Parked(reason) = e.state {
                self.broken("4", format!("held for {}, which is not so", reason.as_str()));
            }
            self.records_agree(e, calls);
        }
        for call in calls.iter().filter(|c| c.fate.accepted()) {
            let record = all.iter().flat_map(|e| &e.body.records).find(|r| r.key == call.key);
            let Some(record) = record else {
                self.broken("6", format!("nothing is known of {}, which was accepted", call.key));
                continue;
            };
            if call.delivered && record.status <= StepStatus::Sent {
                self.broken("6", format!("{} was reported delivered, is {:?}", call.key, record.status));
            }
            if !call.told_failed && !record.possibly_sent() {
                self.broken("6", format!("{} was accepted, and is {:?}", call.key, record.status));
            }
        }
    }

    fn records_agree(&mut self, e: &Enrollment, calls: &[Call]) {
        for record in &e.records {
            for attempt in &record.attempts {
                let reference = AttemptRef { enrollment: e.id, generation: attempt.generation };
                let call = calls.iter().find(|c| c.attempt == reference);
                let accepted = call.is_some_and(|c| c.fate.accepted());
                let text = |word| format!("attempt {} of {} {word}", attempt.generation, record.key);
                match &attempt.result {
                    AttemptResult::Accepted(_) if !accepted => self.broken("6", text("counts as accepted and was not")),
                    AttemptResult::Refused(_) if accepted => {
                        self.broken("6", text("counts as refused and was accepted"));
                    }
                    AttemptResult::Unknown if call.is_none() => {
                        let claim = self.claims.get(&attempt.generation);
                        if !claim.is_some_and(|c| self.died.contains(&c.worker)) {
                            self.broken("drop", text("counts as sent, was never tried, and nobody died"));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What a status means for whoever is told of it.
pub(super) fn told(call: &mut Call, status: DeliveryStatus, acknowledged: bool) {
    match status {
        // It may have an effect from when its telling begins.
        DeliveryStatus::Failed => call.told_failed = true,
        DeliveryStatus::Delivered if acknowledged => call.delivered = true,
        _ => {}
    }
}
