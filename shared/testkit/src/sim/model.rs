//! The promises of ARCHITECTURE.md, checked from outside: from what the provider was really
//! asked, from what was acknowledged when, and from the shape of what is stored.

mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use domain::enrollment::{
    Attempt, AttemptResult, Enrollment, MessageForm, Outcome, ParkReason, State as Run, StepStatus,
};
use domain::ids::{AttemptRef, ContactId, EnrollmentId};
use domain::message::{Channel, DeliveryStatus};

use super::calendar::allowed_within;
use super::hub::HandlerId;
use super::provider::ProviderCall;
use super::scenario::Scenario;
use crate::laws::broken_by;
use crate::memory::{EnrollmentWrite, Tables, Verb};

/// Longer than the send function lives, by more than the clocks differ.
pub(super) const LEASE_SECONDS: i64 = 90;
/// Functions live this long at most.
pub(super) const TIMEOUT_SECONDS: i64 = 60;
/// Whoever claims asks so often before it leaves a claim without an answer.
const CLAIM_TRIES: u32 = 3;
/// WhatsApp's customer service window.
const REPLY_WINDOW: i64 = 24 * 3600;
/// So long a run waits for its last text's report.
const CLOSING_SECONDS: i64 = 3600;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise's number in ARCHITECTURE.md, or a word.
    pub promise: &'static str,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}: {}", self.promise, self.text)
    }
}

/// An event about a contact that somebody has got an answer to.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub id: String,
    pub kind: ToldKind,
    /// When it happened, in true time.
    pub at: i64,
    /// About the contact's appointment, not about the contact as such.
    pub about_target: bool,
    /// What an opt-out is from; nothing is everything.
    pub channel: Option<Channel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToldKind {
    Reply,
    Goal,
    Unsubscribed,
}

#[derive(Debug, Default)]
struct Contact {
    told: Vec<Told>,
    suppressed: BTreeSet<Channel>,
    /// When the person wrote, in true time; known to the provider, perhaps not to the engine.
    wrote: Vec<i64>,
}

/// What was asked of a run, as far as it binds.
#[derive(Debug, Default)]
struct Orders {
    /// A pause was acknowledged, and nothing that ends it has been asked since.
    paused: bool,
    ended: bool,
    /// Requests under way that may end a pause.
    unpausing: u32,
    /// How many such requests have ever begun.
    unpauses: u64,
    /// A skip was asked for, perhaps of the last step's other way.
    skipped: bool,
    /// Versions that it was asked to move to.
    asked: BTreeSet<u32>,
    /// A move to it was acknowledged, and no other has been asked for since.
    bound: Option<u32>,
    /// Moves under way, and how many have ever begun.
    moving: u32,
    moves: u64,
}

#[derive(Debug, Clone)]
struct ClaimSeen {
    handler: HandlerId,
    at: i64,
    event: u64,
    version: u32,
    /// The sender's day that it says it uses, in days since the epoch.
    day: Option<i64>,
}

pub(super) struct Model {
    scenario: Arc<Scenario>,
    contacts: BTreeMap<ContactId, Contact>,
    orders: BTreeMap<EnrollmentId, Orders>,
    claims: BTreeMap<(EnrollmentId, u32), ClaimSeen>,
    /// Handlers that died.
    excused: BTreeSet<HandlerId>,
    /// How often a handler's claim was left without an answer.
    unanswered: BTreeMap<HandlerId, u32>,
    /// Slots of the sender's rate, in microseconds: the last one, and those that no call has used.
    last_slot: Option<i64>,
    slots: BTreeSet<i64>,
    /// Of the sender's messages, in days since the epoch.
    first_day: Option<i64>,
    pub violation: Option<Violation>,
}

impl Model {
    pub(super) fn new(scenario: Arc<Scenario>) -> Self {
        let contacts = scenario.contacts.iter().enumerate().map(|(index, id)| {
            let wrote = if index % 2 == 0 { vec![super::scenario::START - 3600] } else { Vec::new() };
            (*id, Contact { wrote, ..Contact::default() })
        });
        Self {
            contacts: contacts.collect(),
            scenario,
            orders: BTreeMap::new(),
            claims: BTreeMap::new(),
            excused: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            last_slot: None,
            slots: BTreeSet::new(),
            first_day: None,
            violation: None,
        }
    }

    pub(super) fn broken(&mut self, promise: &'static str, text: impl Into<String>) {
        self.violation.get_or_insert_with(|| Violation { promise, text: text.into() });
    }

    // What was asked and acknowledged.

    pub(super) fn wrote(&mut self, contact: ContactId, at: i64) {
        self.contacts.entry(contact).or_default().wrote.push(at);
    }

    pub(super) fn told(&mut self, contact: ContactId, told: Told) {
        let contact = self.contacts.entry(contact).or_default();
        if told.kind == ToldKind::Unsubscribed {
            let every = [Channel::Whatsapp, Channel::Email];
            contact.suppressed.extend(every.iter().filter(|c| told.channel.is_none_or(|of| of == **c)));
        }
        contact.told.push(told);
    }

    /// That a message came back for good was acknowledged.
    pub(super) fn suppressed(&mut self, contact: ContactId, channel: Channel) {
        self.contacts.entry(contact).or_default().suppressed.insert(channel);
    }

    pub(super) fn ended(&mut self, id: EnrollmentId) {
        self.orders.entry(id).or_default().ended = true;
    }

    /// A request begins that may end a pause.
    pub(super) fn unpausing(&mut self, id: EnrollmentId) {
        let orders = self.orders.entry(id).or_default();
        orders.paused = false;
        orders.unpausing += 1;
        orders.unpauses += 1;
    }

    /// It is over, one way or the other.
    pub(super) fn unpausing_over(&mut self, id: EnrollmentId) {
        let orders = self.orders.entry(id).or_default();
        orders.unpausing = orders.unpausing.saturating_sub(1);
    }

    /// A pause begins: what it must find again at its end to bind. `None`: another request is under
    /// way that may end the pause, and either may come last.
    pub(super) fn pausing(&mut self, id: EnrollmentId) -> Option<u64> {
        let orders = self.orders.entry(id).or_default();
        (orders.unpausing == 0).then_some(orders.unpauses)
    }

    pub(super) fn paused(&mut self, id: EnrollmentId, since: Option<u64>) {
        let orders = self.orders.entry(id).or_default();
        orders.paused |= since == Some(orders.unpauses);
    }

    pub(super) fn skipping(&mut self, id: EnrollmentId) {
        self.orders.entry(id).or_default().skipped = true;
    }

    /// A move begins: what it must find again at its end to bind. `None`: another is under way.
    pub(super) fn moving(&mut self, id: EnrollmentId, version: u32) -> Option<u64> {
        let orders = self.orders.entry(id).or_default();
        orders.asked.insert(version);
        orders.bound = None;
        orders.moving += 1;
        orders.moves += 1;
        (orders.moving == 1).then_some(orders.moves)
    }

    pub(super) fn moving_over(&mut self, id: EnrollmentId) {
        let orders = self.orders.entry(id).or_default();
        orders.moving = orders.moving.saturating_sub(1);
    }

    pub(super) fn moved(&mut self, id: EnrollmentId, version: u32, since: Option<u64>) {
        let orders = self.orders.entry(id).or_default();
        if since == Some(orders.moves) {
            orders.bound = Some(version);
        }
    }

    /// A handler died: what it had begun may be left as it is.
    pub(super) fn died(&mut self, handler: HandlerId) {
        self.excused.insert(handler);
    }

    /// Its claim may or may not have been written. After so many times in a row it may give up.
    pub(super) fn claim_unanswered(&mut self, handler: HandlerId) {
        let times = self.unanswered.entry(handler).or_default();
        *times += 1;
        if *times >= CLAIM_TRIES {
            self.excused.insert(handler);
        }
    }

    // What is stored.

    /// Every write of an enrollment. `when`: the event and the true time.
    pub(super) fn written(&mut self, write: &EnrollmentWrite, handler: HandlerId, when: (u64, i64), tables: &Tables) {
        let EnrollmentWrite { verb, before, after, .. } = write;
        let id = after.id;
        if let Some((promise, text)) = broken_by(write, tables) {
            self.broken(promise, format!("{id}: {text}"));
        }
        if let Some(before) = before {
            self.changed(before, after, when.1);
        }
        if *verb == Verb::Insert {
            let first = id.with_run(0);
            let triggered = |e: &Enrollment| after.trigger.is_some() && e.trigger == after.trigger;
            let same = |e: &Enrollment| triggered(e) || e.entered.id == after.entered.id;
            let mut others = tables.all_enrollments().filter(|(_, e)| e.id != id && e.id.with_run(0) == first);
            if others.any(|(_, e)| same(e)) {
                self.broken("once", format!("{id} was begun by what had begun another run"));
            }
        }
        if *verb == Verb::Claim
            && let Some(lease) = &after.lease
        {
            let day = lease.day.map(|day| i64::from(day.to_epoch_days()));
            let seen = ClaimSeen { handler, at: when.1, event: when.0, version: after.version, day };
            self.claims.insert((id, lease.generation), seen);
            self.claimed(after);
        }
    }

    fn changed(&mut self, before: &Enrollment, after: &Enrollment, now: i64) {
        let id = after.id;
        let orders = self.orders.entry(id).or_default();
        let (asked, bound) = (orders.asked.contains(&after.version), orders.bound);
        if before.version != after.version && !asked {
            self.broken("5", format!("{id} went to version {} unasked", after.version));
        }
        if before.state != after.state && after.state == Run::Finished(Outcome::Completed) {
            self.completed(after, bound, now);
        }
    }

    /// Every step is done with, on the version that was asked for last.
    fn completed(&mut self, e: &Enrollment, bound: Option<u32>, now: i64) {
        if bound.is_some_and(|version| version != e.version) {
            let text = format!("{} completed on version {}, moved to {bound:?}", e.id, e.version);
            return self.broken("5", text);
        }
        let last = self.scenario.sequence(e.id.sequence).and_then(|s| s.of(e.version).steps.last());
        let Some(last) = last else { return };
        let record = e.records.iter().find(|r| r.key == last.key);
        if record.is_none_or(|r| r.status <= StepStatus::Scheduled) {
            return self.broken("5", format!("{} completed before the last step of version {}", e.id, e.version));
        }
        // A text that may still be reported as failed, and then goes out as template.
        let had_template = |generation| {
            let claim = self.claims.get(&(e.id, generation));
            let planned = claim.and_then(|c| self.scenario.sequence(e.id.sequence).map(|s| s.of(c.version)));
            planned.and_then(|v| v.steps.iter().find(|s| s.key == last.key)).is_some_and(|s| s.template)
        };
        let open = record.filter(|r| r.status == StepStatus::Sent);
        let open = open.filter(|r| {
            let text = |a: &&Attempt| a.form == MessageForm::Text && a.channel == Channel::Whatsapp;
            r.attempts.last().filter(text).is_some_and(|a| had_template(a.generation))
        });
        let until = open.and_then(|r| r.sent_at).map(|sent| sent.0 + CLOSING_SECONDS - 2 * self.scenario.max_skew);
        let skipped = self.orders.get(&e.id).is_some_and(|o| o.skipped);
        if until.is_some_and(|until| now < until) && !skipped {
            self.broken("closing", format!("{} completed without waiting for what becomes of {}", e.id, last.key));
        }
    }

    /// A claim was written: nothing acknowledged before may stand against it.
    fn claimed(&mut self, e: &Enrollment) {
        let id = e.id;
        let orders = self.orders.entry(id).or_default();
        let (paused, ended, bound) = (orders.paused, orders.ended, orders.bound);
        if ended {
            return self.broken("2", format!("{id} was claimed after its end was acknowledged"));
        }
        if paused {
            return self.broken("2", format!("{id} was claimed after its pause was acknowledged"));
        }
        if bound.is_some_and(|version| version != e.version) {
            return self.broken("5", format!("{id} was claimed on version {}, moved to {bound:?}", e.version));
        }
        let Some(contact) = self.contacts.get(&id.contact) else { return };
        let by = e.lease.as_ref().map(|lease| lease.channel);
        if by.is_some_and(|channel| contact.suppressed.contains(&channel)) {
            return self.broken("3", format!("{id} was claimed by {by:?} after its suppression was acknowledged"));
        }
        let Some(spec) = self.scenario.sequence(id.sequence) else { return };
        let skew = self.scenario.max_skew;
        let against = contact.told.iter().find(|told| {
            let ends = match told.kind {
                ToldKind::Reply => spec.of(e.version).on_reply,
                ToldKind::Goal => spec.goal && !(told.about_target && !spec.dated && e.target.is_some()),
                ToldKind::Unsubscribed => true,
            };
            // Which of two came first is anybody's guess within what clocks differ.
            ends && told.at - 2 * skew > e.since.0 && e.trigger.as_ref() != Some(&told.id)
        });
        if let Some(told) = against {
            let text = format!("{id} was claimed after {:?} `{}` was acknowledged", told.kind, told.id);
            self.broken("2", text);
        }
    }

    // What the provider is asked.

    /// A call starts. `earlier`: every call before it.
    pub(super) fn call_starts(&mut self, call: &ProviderCall, earlier: &[ProviderCall], now: i64) {
        let AttemptRef { enrollment: id, generation } = call.attempt;
        let Some(claim) = self.claims.get(&(id, generation)).cloned() else {
            return self.broken("1", format!("{id}: {} is sent without a claim", call.key));
        };
        let same_step = earlier.iter().filter(|c| c.attempt.enrollment == id && c.key == call.key);
        for other in same_step {
            if !other.is_void(claim.event) {
                let text = format!("{id}: {} is sent again, the call of event {} stands", call.key, other.event);
                return self.broken("1", text);
            }
        }
        let mut on_channel =
            earlier.iter().filter(|c| c.attempt.enrollment == id && c.key == call.key && c.channel == call.channel);
        if let Some(other) = on_channel.find(|c| c.is_refused_for_good()) {
            let text = format!("{id}: {} is sent again by {:?}, refused in {}", call.key, call.channel, other.event);
            return self.broken("1", text);
        }
        if now > claim.at + LEASE_SECONDS + self.scenario.max_skew {
            return self.broken("3", format!("{id}: {} is sent when its lease has long expired", call.key));
        }
        let Some(spec) = self.scenario.sequence(id.sequence) else { return };
        if call.version != claim.version {
            let text = format!("{id}: {} is sent in version {}, not {}", call.key, call.version, claim.version);
            return self.broken("5", text);
        }
        let steps = &spec.of(call.version).steps;
        let index = |key: &str| steps.iter().position(|s| s.key == key);
        let Some(at) = index(&call.key) else {
            return self.broken("5", format!("{id}: there is no step {} in version {}", call.key, call.version));
        };
        let step = &steps[at];
        let reaches = call.channel != Channel::Email || self.scenario.has_email(id.contact);
        if !step.channels.contains(&call.channel) || !reaches {
            let text = format!("{id}: {} is sent by {:?}, which is not one of its ways", call.key, call.channel);
            return self.broken("5", text);
        }
        let mut of_run = earlier.iter().filter(|c| c.attempt.enrollment == id && !c.is_void(claim.event));
        if let Some(later) = of_run.find(|c| index(&c.key) > Some(at)) {
            return self.broken("5", format!("{id}: {} is sent behind {}", call.key, later.key));
        }
        // Time is looked at when the function begins; the call comes before its end.
        let life = if self.scenario.timeouts { TIMEOUT_SECONDS } else { LEASE_SECONDS };
        let skew = 2 * self.scenario.max_skew;
        if !allowed_within(step, self.scenario.quiet, now - life - skew, now + skew) {
            return self.broken("3", format!("{id}: {} is sent at a time that is not allowed", call.key));
        }
        let wrote = self.contacts.get(&id.contact).map(|c| c.wrote.as_slice()).unwrap_or_default();
        if call.text && !wrote.iter().any(|at| *at <= now && now - at < REPLY_WINDOW) {
            self.broken("3", format!("{id}: free text {} outside the 24 hours", call.key));
        }
        self.within_limits(call, &claim, earlier, now, life);
    }

    // When everything has settled.

    /// Faults have stopped and enough time has passed.
    pub(super) fn settled(&mut self, tables: &Tables, calls: &[ProviderCall]) {
        for (_, e) in tables.all_enrollments() {
            let done = matches!(e.state, Run::Finished(_) | Run::Paused | Run::Parked(_));
            if !done || e.lease.is_some() {
                let text = format!("{} is stuck: {:?} at step {}, wake {:?}", e.id, e.state, e.step, e.wake);
                self.broken("4", text);
            }
            self.reason_stands(e, tables);
            self.records_agree(e, calls);
        }
        for call in calls.iter().filter(|c| c.fate.accepted()) {
            let id = call.attempt.enrollment;
            let e = tables.all_enrollments().find(|(_, e)| e.id == id).map(|(_, e)| e);
            let Some(record) = e.and_then(|e| e.records.iter().find(|r| r.key == call.key)) else {
                self.broken("6", format!("{id}: nothing is known of {}, which was accepted", call.key));
                continue;
            };
            let delivered = call.acknowledged >= Some(DeliveryStatus::Delivered);
            if delivered && record.status <= StepStatus::Sent {
                let text = format!("{id}: {} was reported {:?}, is {:?}", call.key, call.acknowledged, record.status);
                self.broken("6", text);
            }
            if !call.told_failed && !record.possibly_sent() {
                self.broken("6", format!("{id}: {} was accepted, and is {:?}", call.key, record.status));
            }
        }
    }

    /// Whoever is held is held for a reason that is still there.
    fn reason_stands(&mut self, e: &Enrollment, tables: &Tables) {
        let Run::Parked(reason) = e.state else { return };
        let target = || tables.target_of(e).is_some_and(|t| t.attributes.contains_key("starts_at"));
        let gone = match reason {
            ParkReason::ModuleDisabled => tables.is_enabled(self.scenario.tenant),
            ParkReason::SenderSuspended => !self.waits_for_sender(e, tables),
            ParkReason::TargetDateMissing => target(),
            ParkReason::SenderMissing | ParkReason::NeverAllowed => true,
        };
        if gone {
            self.broken("4", format!("{} is held for {}, which is no longer so", e.id, reason.as_str()));
        }
    }

    /// Whether a sender of the step that is next is suspended.
    fn waits_for_sender(&self, e: &Enrollment, tables: &Tables) -> bool {
        let steps = self.scenario.sequence(e.id.sequence).map(|s| &s.of(e.version).steps);
        let step = steps.and_then(|steps| steps.get(e.step as usize));
        let channels = step.map(|s| s.channels.as_slice()).unwrap_or_default();
        channels.iter().filter_map(|c| self.scenario.sender_of(*c)).any(|sender| tables.is_suspended(sender))
    }

    fn records_agree(&mut self, e: &Enrollment, calls: &[ProviderCall]) {
        let id = e.id;
        for record in &e.records {
            for attempt in &record.attempts {
                let reference = AttemptRef { enrollment: id, generation: attempt.generation };
                let call = calls.iter().find(|c| c.attempt == reference);
                let accepted = call.is_some_and(|c| c.fate.accepted());
                let text = |word| format!("{id}: attempt {} of {} {word}", attempt.generation, record.key);
                match &attempt.result {
                    AttemptResult::Accepted(_) if !accepted => self.broken("6", text("counts as accepted and was not")),
                    AttemptResult::Refused(_) if accepted => {
                        self.broken("6", text("counts as refused and was accepted"))
                    }
                    AttemptResult::Failed(_) if !accepted => {
                        self.broken("6", text("counts as failed and was not accepted"))
                    }
                    AttemptResult::Unknown if call.is_none() => {
                        let claim = self.claims.get(&(id, attempt.generation));
                        // Whoever may outlive its lease may find that it has been counted already.
                        let excused = claim.is_some_and(|c| self.excused.contains(&c.handler));
                        if !excused && self.scenario.timeouts {
                            self.broken("drop", text("counts as sent, was never tried, and nobody died"));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
