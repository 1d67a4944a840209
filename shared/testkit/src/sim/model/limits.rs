//! Nothing over a limit: rates, days, contacts, countries.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::LimitPeriod;
use domain::message::Channel;
use domain::time::NaiveDate;

use super::super::calendar::local_day;
use super::super::provider::ProviderCall;
use super::{ClaimSeen, Model};
use crate::memory::Tables;

const HOUR_MICROS: i64 = 3_600_000_000;

impl Model {
    /// A call starts. `life`: how long its function may have been at work.
    pub(super) fn within_limits(
        &mut self,
        call: &ProviderCall,
        claim: &ClaimSeen,
        earlier: &[ProviderCall],
        now: i64,
        life: i64,
    ) {
        // The limits are the WhatsApp sender's.
        let limited = call.channel == Channel::Whatsapp;
        if limited && self.scenario.limits.per_hour.is_some() {
            self.takes_a_slot(call, now, life);
        }
        if limited && self.scenario.limits.count_days() {
            self.within_the_day(call, claim, earlier, life);
        }
        self.within_the_contacts_limits(call, claim, earlier);
        self.within_the_cap(call, claim, earlier);
    }

    /// Not more steps of a run than its sequence has for the contact's country. Failed ones do not count,
    /// and whether a late delivery was known when this one was planned nobody can tell.
    fn within_the_cap(&mut self, call: &ProviderCall, claim: &ClaimSeen, earlier: &[ProviderCall]) {
        let id = call.attempt.enrollment;
        let most = self.scenario.sequence(id.sequence).and_then(|spec| spec.most_steps());
        let others = earlier.iter().filter(|c| c.attempt.enrollment == id && c.key != call.key);
        let gone: BTreeSet<_> = others.filter(|c| !c.told_failed && !c.is_void(claim.event)).map(|c| &c.key).collect();
        if most.is_some_and(|most| gone.len() >= most) {
            self.broken("3", format!("{id}: {} is sent though {} steps have gone out", call.key, gone.len()));
        }
    }

    /// A slot of the sender's rate was given away.
    pub(in super::super) fn slot(&mut self, slot: i64) {
        let spacing = self.scenario.limits.per_hour.map_or(0, |n| HOUR_MICROS / i64::from(n));
        if self.last_slot.is_some_and(|last| slot < last + spacing) {
            self.broken("3", format!("slot {slot} is too near to {:?}", self.last_slot));
        }
        self.last_slot = Some(slot);
        self.slots.insert(slot);
    }

    /// Each call has a slot of its own, and starts near it: not before it but for what clocks differ
    /// and the second that it lies in, and at most 30 seconds and the function's life after it.
    /// Usable slots are spans of one length: whoever comes first takes the first.
    fn takes_a_slot(&mut self, call: &ProviderCall, now: i64, life: i64) {
        let skew = self.scenario.max_skew;
        let from = (now - life - 30 - skew) * 1_000_000;
        let to = (now + 1 + skew) * 1_000_000;
        match self.slots.range(from..=to).next().copied() {
            Some(slot) => drop(self.slots.remove(&slot)),
            None => self.broken("3", format!("{}: {} is sent without a slot", call.attempt.enrollment, call.key)),
        }
    }

    /// The day that is stored as the sender's first: the one on which a message was first asked for.
    pub(in super::super) fn first_day(&mut self, day: i64, now: i64) {
        let skew = self.scenario.max_skew;
        let today = local_day(now - skew)..=local_day(now + skew);
        match self.first_day {
            Some(first) if first != day => self.broken("3", format!("the sender's first day was {first}, is {day}")),
            None if !today.contains(&day) => {
                self.broken("3", format!("the sender's first day is {day}, which is not today"))
            }
            first => self.first_day = first.or(Some(day)),
        }
    }

    /// A message of a day that the sender has left, sent on that day.
    fn within_the_day(&mut self, call: &ProviderCall, claim: &ClaimSeen, earlier: &[ProviderCall], life: i64) {
        let (key, skew) = (&call.key, self.scenario.max_skew);
        let id = call.attempt.enrollment;
        let Some(day) = claim.day else {
            return self.broken("3", format!("{id}: {key} is sent with no message of the day"));
        };
        // As with its hours: the day is looked at when the function begins, and claimed before its end.
        if !(local_day(claim.at - life - skew)..=local_day(claim.at + skew)).contains(&day) {
            return self.broken("3", format!("{id}: {key} is sent with another day's message"));
        }
        let days = (day - self.first_day.unwrap_or(day)).max(0) as f64;
        let ramp = self.scenario.limits.ramp_up.as_ref();
        let grown = ramp.map(|r| (f64::from(r.start_per_day) * r.growth.powf(days) + 1e-9) as usize);
        let per_day = self.scenario.limits.per_day.map(|n| n as usize);
        let most = grown.into_iter().chain(per_day).min().unwrap_or(usize::MAX);
        let of_day = |c: &&ProviderCall| {
            c.fate.accepted()
                && self.claims.get(&(c.attempt.enrollment, c.attempt.generation)).is_some_and(|c| c.day == Some(day))
        };
        let sent = earlier.iter().chain([call]).filter(of_day).count();
        if sent > most {
            self.broken("3", format!("{id}: {key} is message {sent} of a day that has {most}"));
        }
    }

    /// What is held of the sender's days, in flight or sent is no more than what was given away: nothing
    /// has been given back twice, or after it was used.
    pub(in super::super) fn books_balance(&mut self, tables: &Tables, calls: &[ProviderCall]) {
        let mut used: BTreeMap<NaiveDate, u32> = BTreeMap::new();
        let mut in_flight = BTreeSet::new();
        for (_, e) in tables.all_enrollments() {
            let day = match &e.lease {
                Some(lease) => {
                    in_flight.insert((e.id, lease.generation));
                    lease.day
                }
                None => e.day.map(|slot| slot.day),
            };
            day.into_iter().for_each(|day| *used.entry(day).or_default() += 1);
        }
        for call in calls.iter().filter(|c| c.fate.accepted()) {
            let attempt = (call.attempt.enrollment, call.attempt.generation);
            let day = self.claims.get(&attempt).and_then(|claim| claim.day).filter(|_| !in_flight.contains(&attempt));
            let day = day.and_then(|days| NaiveDate::from_epoch_days(days.try_into().ok()?));
            day.into_iter().for_each(|day| *used.entry(day).or_default() += 1);
        }
        for (day, used) in used {
            let taken = tables.taken(self.scenario.sender, day);
            if used > taken {
                self.broken("3", format!("{used} messages of {day} are sent or held, and {taken} are given away"));
            }
        }
    }

    /// No more steps than may reach a contact, as far as it is certain on which day each was sent.
    fn within_the_contacts_limits(&mut self, call: &ProviderCall, claim: &ClaimSeen, earlier: &[ProviderCall]) {
        let skew = self.scenario.max_skew;
        let certain = |at: i64| Some(local_day(at - skew)).filter(|day| *day == local_day(at + skew));
        let Some(today) = certain(claim.at).filter(|_| call.fate.accepted()) else { return };
        let contact = call.attempt.enrollment.contact;
        let sent = |since: i64| {
            let of_contact =
                earlier.iter().chain([call]).filter(|c| c.fate.accepted() && c.attempt.enrollment.contact == contact);
            let on = |c: &ProviderCall| {
                let claim = self.claims.get(&(c.attempt.enrollment, c.attempt.generation));
                claim.and_then(|claim| certain(claim.at)).filter(|day| (since..=today).contains(day))
            };
            let steps: BTreeSet<_> =
                of_contact.filter(|c| on(c).is_some()).map(|c| (c.attempt.enrollment, &c.key)).collect();
            steps.len()
        };
        for limit in self.scenario.contact_limits.clone() {
            let since = match limit.per {
                LimitPeriod::Day => today,
                // Day 0 was a Thursday.
                LimitPeriod::Week => today - (today + 3).rem_euclid(7),
            };
            let sent = sent(since);
            if sent > limit.max as usize {
                return self.broken(
                    "3",
                    format!("{sent} steps have reached {contact} in a {:?} for {}", limit.per, limit.max),
                );
            }
        }
    }
}
