//! Laws that hold whatever happens to a run, in any order.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;

use super::control::ResumeMode;
use super::plan::Plan;
use super::world::{START, World, accepted, refusal, update};
use super::*;
use crate::ids::AttemptRef;
use crate::message::{DeliveryStatus, Reaction, SendOutcome};

#[derive(Debug, Clone)]
enum Move {
    /// Time passes, then the timer fires.
    Timer(i64),
    Settle(SendOutcome),
    Status(u8, DeliveryStatus),
    Pause,
    Resume(bool),
    Skip,
    SendNow,
    Exit,
    Reply(bool),
}

fn moves() -> impl Strategy<Value = Move> {
    let statuses = prop_oneof![
        Just(DeliveryStatus::Sent),
        Just(DeliveryStatus::Failed),
        Just(DeliveryStatus::Delivered),
        Just(DeliveryStatus::Read)
    ];
    let reactions = prop_oneof![
        Just(Reaction::Transient),
        Just(Reaction::OutsideWindow),
        Just(Reaction::Recipient),
        Just(Reaction::Bounced),
        Just(Reaction::Sender)
    ];
    prop_oneof![
        6 => (0i64..900_000).prop_map(Move::Timer),
        4 => Just(Move::Settle(accepted())),
        1 => Just(Move::Settle(SendOutcome::Ambiguous)),
        2 => reactions.prop_map(|r| Move::Settle(SendOutcome::Refused(refusal(r)))),
        3 => (0u8..12, statuses).prop_map(|(g, s)| Move::Status(g, s)),
        1 => Just(Move::Pause),
        2 => any::<bool>().prop_map(Move::Resume),
        1 => Just(Move::Skip),
        1 => Just(Move::SendNow),
        1 => Just(Move::Exit),
        1 => any::<bool>().prop_map(Move::Reply),
    ]
}

proptest! {
    #[test]
    fn a_run_keeps_its_laws(script in prop::collection::vec(moves(), 1..60), open in any::<bool>(), limited in any::<bool>(), days in any::<bool>(), automatic in any::<bool>()) {
        let mut world = if automatic { World::automatic() } else { World::new() };
        if open {
            world.person.contact.last_inbound.insert(world.sender.id, START.plus_hours(-2));
        }
        world.sender.limits.per_minute = limited.then_some(6);
        world.sender.limits.per_day = days.then_some(2);
        if let Some(first) = world.senders.first_mut() {
            first.limits = world.sender.limits.clone();
        }
        // The sender's messages of each day that are given away, and those that may have been sent.
        let (mut given, mut sent): (BTreeMap<NaiveDate, u32>, BTreeMap<NaiveDate, u32>) = Default::default();
        let mut e = world.enrolled();
        let mut now = START;
        // Steps that a provider was asked for, and whether that is known not to have arrived.
        let mut open_sends: Vec<u32> = Vec::new();
        for step in script {
            let before = e.clone();
            let planning = world.planning();
            let mut holds = e.day;
            let next = match step {
                Move::Timer(passed) => {
                    now = now.plus_seconds(passed);
                    let mut first = world.plan(&e, now);
                    if let Plan::Day(wish) = first {
                        // The others have had theirs of some days.
                        let free = |n: i64| (passed / 7 + n) % 3 > 0;
                        let left = |day: &NaiveDate| given.get(day).copied().unwrap_or(0) < wish.allowance(*day, None);
                        let taken = wish.days.iter().zip(0..).find(|((day, _), n)| free(*n) && left(day));
                        let taken = taken.map(|((day, _), _)| *day);
                        taken.into_iter().for_each(|day| *given.entry(day).or_default() += 1);
                        first = match wish.with(taken, now) {
                            Ok(holding) => {
                                holds = holding.day;
                                world.plan(&holding, now)
                            }
                            Err(waits) => waits,
                        };
                        prop_assert!(!matches!(first, Plan::Day(_)), "it has one of today's");
                    }
                    let planned = match first {
                        Plan::Reserve(asked) => {
                            let slot = (passed % 5 > 0).then_some((now.0 + passed % 100) * 1_000_000);
                            asked.with(slot, now)
                        }
                        planned => planned,
                    };
                    match planned {
                        Plan::Reserve(_) | Plan::Day(_) => unreachable!("it was reserved"),
                        Plan::Send(planned) => {
                            prop_assert!(!open_sends.contains(&planned.step), "a second send of step {}", planned.step);
                            open_sends.push(planned.step);
                            Some(e.claimed(planned.lease("token".into(), now, 120)))
                        }
                        Plan::Change(next) => Some(*next),
                        Plan::NotBefore(at) => {
                            prop_assert!(at > now);
                            None
                        }
                        Plan::Stale => None,
                    }
                }
                Move::Settle(outcome) => {
                    let settled = super::settle::settle(&e, "token", &outcome, true, &planning, now);
                    if settled.is_some() && matches!(outcome, SendOutcome::Refused(_)) {
                        open_sends.retain(|s| *s != e.step);
                    }
                    settled
                }
                Move::Status(generation, status) => {
                    let attempt = AttemptRef { enrollment: e.id, generation: u32::from(generation) };
                    let reaction = if generation % 2 == 0 { Reaction::OutsideWindow } else { Reaction::Recipient };
                    let refusal = (status == DeliveryStatus::Failed).then(|| refusal(reaction));
                    let told = super::status::status(&e, attempt, &update(status, now, refusal), &planning, now);
                    if let Some(told) = &told && status == DeliveryStatus::Failed {
                        // A reported failure is the one thing that may open a step again.
                        open_sends.retain(|s| told.step != *s || told.state == State::Sending);
                    }
                    told
                }
                Move::Pause => e.paused(now),
                Move::Resume(keep) => {
                    let mode = if keep { ResumeMode::KeepSchedule } else { ResumeMode::RestartWait };
                    e.resumed(mode, &planning, now)
                }
                Move::Skip => e.skipped(&planning, now),
                Move::SendNow => e.sent_now(&planning, now),
                Move::Exit => e.finished(Outcome::Removed, None, now),
                Move::Reply(ends) => e.replied(now, ends.then_some(Outcome::Replied), now),
            };
            let Some(next) = next else { continue };
            if let (Some(lease), None) = (&before.lease, &next.lease) {
                let mut attempts = next.records.iter().flat_map(|r| &r.attempts);
                let failed = |a: &Attempt| matches!(a.result, AttemptResult::Failed(_));
                // A failure told before its lease ran out.
                if attempts.any(|a| a.generation == lease.generation && failed(a)) {
                    open_sends.retain(|s| *s != before.step);
                }
            }
            let mut holding = e.clone();
            holding.day = holds;
            if let Some(back) = holding.gives_back(&next, now) {
                let given = given.entry(back.day).or_default();
                prop_assert!(*given > 0, "a message of {} is given back that nobody had", back.day);
                *given -= 1;
            }
            match (&before.lease, &next.lease) {
                (None, Some(lease)) => {
                    prop_assert_eq!(lease.day.is_some(), days && lease.sender == world.sender.id);
                    let record = next.records.iter().find(|r| r.status == StepStatus::Scheduled);
                    let refused = record.into_iter().flat_map(|r| &r.failed).find(|(channel, _)| *channel == lease.channel);
                    prop_assert_eq!(refused, None, "a channel that has refused the step for good");
                    lease.day.into_iter().for_each(|day| *sent.entry(day).or_default() += 1);
                }
                (Some(lease), None) if lease.day.is_some() => {
                    let mut attempts = next.records.iter().flat_map(|r| &r.attempts);
                    let attempt = attempts.find(|a| a.generation == lease.generation).map(|a| &a.result);
                    if matches!(attempt, Some(AttemptResult::Refused(_))) {
                        *sent.entry(lease.day.unwrap()).or_default() -= 1;
                    }
                }
                _ => {}
            }
            for (day, sent) in &sent {
                prop_assert!(Some(sent) <= given.get(day), "{} messages of {}, {:?} given", sent, day, given.get(day));
            }
            e = next;
            prop_assert_eq!(e.rev, before.rev + 1, "every write bumps rev once");
            prop_assert!(e.generation >= before.generation);
            if (e.due, e.step) != (before.due, before.step) || e.state.coarse() != before.state.coarse() {
                prop_assert!(e.generation > before.generation, "what happens next changed under one generation");
            }
            if before.state.is_finished() {
                prop_assert_eq!(e.state, before.state, "finished never reverts");
            }
            // Exactly one future.
            let has_future = e.next_at().is_some();
            let expects = e.lease.is_some() || e.state == State::Waiting;
            prop_assert_eq!(has_future, expects, "{:?}", e.state);
            prop_assert_eq!(e.wake.is_some(), expects, "{:?}", e.state);
            prop_assert_eq!(e.state == State::Sending, e.lease.is_some() && !e.state.is_finished());
            for record in &e.records {
                let refused = |a: &&Attempt| matches!(a.result, AttemptResult::Refused(_));
                prop_assert!(record.attempts.iter().filter(refused).count() <= 3);
                prop_assert!(record.attempts.len() <= 3 + 2 * 3, "a text and a template a channel");
            }
            prop_assert!(e.happenings.len() <= 12);
        }
        // It survives being stored.
        let text = serde_json::to_string(&e.body).unwrap();
        prop_assert_eq!(serde_json::from_str::<super::types::Body>(&text).unwrap(), e.body.clone());
    }

    #[test]
    fn statuses_may_come_in_any_order(order in Just(vec![0usize, 1, 2, 2, 1, 0]).prop_shuffle()) {
        let world = World::new();
        let sent = world.sent(&world.enrolled(), START);
        let attempt = AttemptRef { enrollment: sent.id, generation: sent.records[0].attempts[0].generation };
        let all = [DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read];
        let mut e = sent;
        for i in order {
            let before = e.records[0].status;
            let at = START.plus_seconds(i as i64);
            if let Some(next) = super::status::status(&e, attempt, &update(all[i], at, None), &world.planning(), at) {
                e = next;
            }
            prop_assert!(e.records[0].status >= before, "a status moved back");
        }
        prop_assert_eq!(e.records[0].status, StepStatus::Read);
        prop_assert_eq!(e.records[0].delivered_at, Some(START.plus_seconds(1)));
        prop_assert_eq!(e.records[0].read_at, Some(START.plus_seconds(2)));
    }
}
