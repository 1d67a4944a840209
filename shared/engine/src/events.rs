//! What happened to a contact: leaves its mark, ends what it ends, enrolls what it triggers.
//!
//! The mark comes first: an enrollment that is being written while the event is applied, and that
//! is therefore not found here, finds the mark when it is planned. Dies after the mark or between
//! two enrollments: the caller has no answer and repeats; every effect is harmless when repeated.

use std::borrow::Cow;
use std::collections::BTreeSet;

use domain::contact::{Contact, Person, TargetRef};
use domain::enrollment::{Source, SourceType};
use domain::guard;
use domain::ids::{ContactId, EnrollmentId, TenantId};
use domain::message::{Channel, Identity};
use domain::signal::{MESSAGE_RECEIVED, Signal, UNSUBSCRIBED, ends, holds};
use domain::time::Timestamp;

use crate::contacts::OPT_OUT;
use crate::enroll::EnrollRequest;
use crate::ports::{ContactSaved, Saved, Store as _};
use crate::{Engine, MAX_RACES, Ports, Refused};

/// What an event did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    pub exited: Vec<EnrollmentId>,
    pub enrolled: Vec<EnrollmentId>,
}

impl<P: Ports> Engine<P> {
    /// Leaves the mark, ends what it ends, enrolls what it triggers (`POST /v1/events`). A target
    /// that the event names should exist already: its mark then lies on it.
    pub async fn signal(&self, tenant: TenantId, contact: ContactId, signal: &Signal) -> Result<Effect, Refused> {
        let mut signal = Cow::Borrowed(signal);
        if signal.needs_decimal_mark() {
            signal.to_mut().decimal_mark = self.account(tenant).await?.settings.decimal_mark();
        }
        let signal = &*signal;
        if signal.kind == UNSUBSCRIBED {
            let channel = signal.data.get("channel").and_then(|c| serde_json::from_value(c.clone()).ok());
            self.suppress_contact(tenant, contact, channel, "unsubscribed", signal.at).await?;
        }
        let exited = self.mark_and_end(tenant, contact, signal).await?;
        let enrolled = self.trigger(tenant, contact, signal).await?;
        Ok(Effect { exited, enrolled })
    }

    /// The mark, then every enrollment that the signal ends.
    pub(crate) async fn mark_and_end(
        &self,
        tenant: TenantId,
        contact: ContactId,
        signal: &Signal,
    ) -> Result<Vec<EnrollmentId>, Refused> {
        if guard!(MarkFirst, true) {
            self.mark(tenant, contact, signal).await?;
        }
        let unknown = Refused::Unknown { what: "contact", pointer: "/contact_id" };
        let person = self.store.person(tenant, contact).await?.ok_or(unknown)?;
        self.end_by(tenant, person, signal).await
    }

    /// Applies a signal whose mark is written to every enrollment of the person.
    pub(crate) async fn end_by(
        &self,
        tenant: TenantId,
        person: Person,
        signal: &Signal,
    ) -> Result<Vec<EnrollmentId>, Refused> {
        let mut exited = Vec::new();
        for enrollment in person.enrollments {
            let id = enrollment.id;
            if enrollment.state.is_finished() && signal.kind != MESSAGE_RECEIVED {
                continue;
            }
            let now = self.now();
            let mut ended = false;
            let (_, changed) = self
                .on_its_version(tenant, enrollment, |e, sequence| {
                    let outcome = ends(&sequence.exit, e, signal).filter(|_| !e.state.is_finished());
                    ended = outcome.is_some();
                    if signal.kind == MESSAGE_RECEIVED {
                        return e.replied(signal.at, outcome, now);
                    }
                    e.finished(outcome?, Some(signal.kind.clone()), now)
                })
                .await?;
            // A finished one may still have noted the reply: that is no exit.
            if changed && ended {
                exited.push(id);
            }
        }
        Ok(exited)
    }

    async fn mark(&self, tenant: TenantId, contact: ContactId, signal: &Signal) -> Result<(), Refused> {
        let unknown = Refused::Unknown { what: "contact", pointer: "/contact_id" };
        let mut person = self.store.person(tenant, contact).await?.ok_or(unknown.clone())?;
        for _ in 0..MAX_RACES {
            let saved = if let Some(target) = signal.target.as_ref().and_then(|t| person.target(t)) {
                let mut target = target.clone();
                if !target.marks.add(signal) {
                    return Ok(());
                }
                target.rev += 1;
                self.store.save_target(tenant, contact, &target).await? == Saved::Yes
            } else if let Some(found) = signal.conversation.as_deref().and_then(|c| person.conversation(c)) {
                let mut conversation = found.clone();
                if !conversation.marks.add(signal) {
                    return Ok(());
                }
                conversation.rev += 1;
                self.store.save_conversation(tenant, contact, &conversation).await? == Saved::Yes
            } else {
                let mut contact = person.contact.clone();
                if !contact.marks.add(signal) {
                    return Ok(());
                }
                contact.rev += 1;
                self.store.save_contact(tenant, &contact, &[], &[]).await? == ContactSaved::Yes
            };
            if saved {
                return Ok(());
            }
            person = self.store.person(tenant, contact).await?.ok_or(unknown.clone())?;
        }
        Err(Refused::Busy)
    }

    /// Enrolls into every published sequence that this event triggers.
    async fn trigger(
        &self,
        tenant: TenantId,
        contact: ContactId,
        signal: &Signal,
    ) -> Result<Vec<EnrollmentId>, Refused> {
        let mut enrolled = Vec::new();
        for sequence in self.store.sequences(tenant).await? {
            if sequence.archived || sequence.published == 0 {
                continue;
            }
            let Some(version) = self.version(tenant, sequence.id, sequence.published).await? else { continue };
            let triggers = &version.sequence.entry.triggers;
            let wanted =
                |t: &domain::sequence::Trigger| t.event.as_ref() == Some(&signal.kind) && holds(&t.conditions, signal);
            if !triggers.iter().any(wanted) {
                continue;
            }
            let request = EnrollRequest {
                // A repeat is known by the trigger.
                entry: u64::from_be_bytes(self.ids().bytes()),
                sequence: sequence.id,
                contact,
                conversation: signal.conversation.clone(),
                target: signal.target.clone(),
                start_at: None,
                source: Source { type_: SourceType::Event, name: Some(signal.kind.clone()) },
                by: signal.kind.clone(),
                since: signal.at,
                trigger: Some(signal.id.clone()),
            };
            match self.enroll(tenant, &request).await {
                Ok(done) if !done.duplicate => enrolled.push(done.enrollment.id),
                // Already in it, or its entry rule says no: neither is the event's fault.
                Ok(_) | Err(Refused::Rule { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(enrolled)
    }

    /// Suppresses a contact's addresses on a channel (or all): the list first, then the contact.
    pub(crate) async fn suppress_contact(
        &self,
        tenant: TenantId,
        id: ContactId,
        channel: Option<Channel>,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), Refused> {
        for _ in 0..MAX_RACES {
            let unknown = Refused::Unknown { what: "contact", pointer: "/contact_id" };
            let mut contact = self.store.contact(tenant, id).await?.ok_or(unknown)?;
            let addresses = addresses(&contact, channel);
            for (channel, address) in &addresses {
                self.list(tenant, *channel, address, reason, at).await?;
            }
            let before = contact.suppressed.clone();
            contact.suppressed.extend(addresses.iter().map(|(c, _)| *c).collect::<BTreeSet<_>>());
            contact.suppressed.extend(channel);
            if contact.suppressed != before {
                contact.rev += 1;
                if self.store.save_contact(tenant, &contact, &[], &[]).await? != ContactSaved::Yes {
                    continue;
                }
            }
            // Runs that the opt-out does not end (they began after it happened) may have a send
            // planned on the contact as it was.
            return if guard!(SuppressionReplans, true) { self.replan(tenant, id).await } else { Ok(()) };
        }
        Err(Refused::Busy)
    }

    /// The contact opted out of a channel: suppressed there, and every enrollment ends.
    pub(crate) async fn opt_out(
        &self,
        tenant: TenantId,
        contact: ContactId,
        channel: Channel,
        id: &str,
        at: Timestamp,
    ) -> Result<Vec<EnrollmentId>, Refused> {
        self.suppress_contact(tenant, contact, Some(channel), OPT_OUT, at).await?;
        let signal = Signal {
            id: format!("opt_out:{id}"),
            kind: UNSUBSCRIBED.into(),
            at,
            target: None,
            conversation: None,
            data: serde_json::Map::new(),
            decimal_mark: None,
        };
        self.mark_and_end(tenant, contact, &signal).await
    }

    /// A target's dates changed: what waits for them is planned again, what was parked without
    /// them goes on.
    pub async fn target_changed(
        &self,
        tenant: TenantId,
        contact: ContactId,
        target: &TargetRef,
    ) -> Result<(), Refused> {
        let Some(person) = self.store.person(tenant, contact).await? else { return Ok(()) };
        for enrollment in person.enrollments.iter().filter(|e| e.target.as_ref() == Some(target)) {
            self.with_planning(tenant, &person, enrollment.clone(), |e, planning, now| e.target_moved(planning, now))
                .await?;
        }
        Ok(())
    }
}

/// The addresses that a contact has on a channel, in the suppression list's form.
fn addresses(contact: &Contact, channel: Option<Channel>) -> Vec<(Channel, String)> {
    let mut all = Vec::new();
    for identity in contact.identities() {
        match identity {
            Identity::Phone(phone) => {
                all.push((Channel::Whatsapp, phone.clone()));
                all.push((Channel::Sms, phone));
            }
            Identity::Bsuid(id) => all.push((Channel::Whatsapp, id)),
            Identity::Email(email) => all.push((Channel::Email, email)),
            Identity::WaId(digits) => all.push((Channel::Whatsapp, domain::contact::phone_of_wa_id(&digits))),
            Identity::External(_) => {}
        }
    }
    all.retain(|(c, _)| channel.is_none_or(|wanted| wanted == *c));
    all.sort();
    all.dedup();
    all
}
