//! By which channel a step goes, why not by the others, and what follows when one refuses it.

use serde_json::json;

use super::choice::{Passed, PassedOver, candidates};
use super::compose::Not;
use super::status::status;
use super::world::*;
use super::*;
use crate::contact::{Conversation, ConversationStatus};
use crate::ids::SenderId;
use crate::message::{Channel, DeliveryStatus, Message, ProviderKind, Reaction, Recipient, StatusUpdate};
use crate::sender::{Sender, Suspension};
use crate::sequence::{OnFailure, Step, StepChannel};
use crate::time::Timestamp;

type Spoil = fn(&mut World);

fn sender(world: &mut World, channel: Channel) -> &mut Sender {
    world.senders.iter_mut().find(|s| s.channel == channel).unwrap()
}

fn step(world: &mut World) -> &mut Step {
    &mut world.sequence.steps[0]
}

fn same_conversation(world: &mut World) {
    step(world).channel = StepChannel::SameConversation;
}

/// A conversation of the contact in the helpdesk.
fn conversation<'w>(world: &'w mut World, id: &str, status: ConversationStatus) -> &'w mut Conversation {
    let sender_id = Some(sender(world, Channel::Conversation).id);
    let document = json!({"id": id, "rev": 1, "status": status, "sender_id": sender_id});
    world.person.conversations.push(serde_json::from_value(document).unwrap());
    world.person.conversations.last_mut().unwrap()
}

fn suspend(world: &mut World, channel: Channel) {
    sender(world, channel).suspended = Some(Suspension { code: "190".into(), at: START });
}

fn reached(world: &World) -> Result<(Channel, Recipient), Not> {
    let e = world.enrolled();
    let choice = world.context().choose(&e, &world.sequence.steps[0], START);
    choice.picked.map(|composed| (composed.channel, composed.to))
}

#[test]
fn the_first_channel_that_can_be_used_is_taken() {
    use Passed::*;
    use StepChannel::{Email, SameConversation, Sms, Whatsapp};
    let check = |spoil: Spoil, expected: Result<Channel, Not>, passed: &[(StepChannel, Passed)]| {
        let mut world = World::automatic();
        spoil(&mut world);
        let choice = world.context().choose(&world.enrolled(), &world.sequence.steps[0], START);
        let told: Vec<_> = choice.passed.iter().map(|PassedOver(channel, why)| (*channel, *why)).collect();
        assert_eq!((choice.picked.map(|c| c.channel), told.as_slice()), (expected, passed));
    };
    check(|_| {}, Ok(Channel::Whatsapp), &[]);
    let no_template: Spoil = |w| step(w).fallback_template = None;
    check(no_template, Ok(Channel::Email), &[(Whatsapp, OutsideWindow)]);
    let open: Spoil = |w| {
        step(w).fallback_template = None;
        w.person.contact.last_inbound.insert(w.sender.id, START.plus_hours(-1));
    };
    check(open, Ok(Channel::Whatsapp), &[]);
    let opted_out: Spoil = |w| {
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(opted_out, Ok(Channel::Email), &[(Whatsapp, Suppressed)]);
    check(|w| suspend(w, Channel::Whatsapp), Ok(Channel::Email), &[(Whatsapp, SenderSuspended)]);
    let no_sender: Spoil = |w| w.senders.retain(|s| s.channel != Channel::Whatsapp);
    check(no_sender, Ok(Channel::Email), &[(Whatsapp, SenderMissing)]);
    let two: Spoil = |w| {
        let another =
            Sender { id: SenderId::of(w.tenant, &mut crate::ids::Ids::from_seed([9; 32])), ..w.sender.clone() };
        w.senders.push(another);
    };
    check(two, Ok(Channel::Email), &[(Whatsapp, SenderMissing)]);
    let default: Spoil = |w| {
        let another =
            Sender { id: SenderId::of(w.tenant, &mut crate::ids::Ids::from_seed([9; 32])), ..w.sender.clone() };
        w.settings.default_senders.insert(Channel::Whatsapp, another.id);
        w.senders.push(another);
    };
    check(default, Ok(Channel::Whatsapp), &[]);
    let only_email: Spoil = |w| {
        w.person.contact.profile.phone = None;
        w.person.contact.bsuids = vec!["BR.1".into()];
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(only_email, Ok(Channel::Email), &[(Whatsapp, Suppressed)]);
    let only_sms: Spoil = |w| {
        w.person.contact.suppressed.insert(Channel::Whatsapp);
        w.person.contact.profile.email = None;
    };
    check(only_sms, Ok(Channel::Sms), &[(Whatsapp, Suppressed), (Email, NoAddress)]);
    let no_subject: Spoil = |w| {
        w.person.contact.suppressed.insert(Channel::Whatsapp);
        step(w).content.email = None;
    };
    check(no_subject, Ok(Channel::Sms), &[(Whatsapp, Suppressed), (Email, MessageRejected)]);
    let strict: Spoil = |w| {
        w.sequence.strict_variables = true;
        step(w).content.text = Some("Olá {{ contact.last_name }}".into());
        step(w).content.sms = Some(serde_json::from_value(json!({"text": "Olá"})).unwrap());
        w.person.contact.last_inbound.insert(w.sender.id, START.plus_hours(-1));
    };
    check(strict, Ok(Channel::Sms), &[(Whatsapp, BlankVariable), (Email, BlankVariable)]);
    let template: Spoil = |w| {
        let document = json!({"type": "whatsapp_template", "name": "um", "language": "pt_BR"});
        step(w).content = serde_json::from_value(document).unwrap();
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(template, Err(Not::Skip(StepReason::Suppressed)), &[(Whatsapp, Suppressed), (Email, NoForm), (Sms, NoForm)]);
    let bot: Spoil = |w| {
        step(w).content = serde_json::from_value(json!({"type": "bot", "bot_id": "7"})).unwrap();
    };
    check(bot, Err(Not::Fail(StepReason::MessageRejected)), &[(Whatsapp, NoForm), (Email, NoForm), (Sms, NoForm)]);
    let default_order: Spoil = |w| step(w).channel_order.clear();
    check(default_order, Ok(Channel::Whatsapp), &[(SameConversation, NoConversation)]);
    // Whoever wrote by SMS yesterday is answered there.
    let by_sms: Spoil = |w| {
        step(w).channel_order.clear();
        let sms = sender(w, Channel::Sms).id;
        w.person.contact.last_inbound.insert(w.sender.id, START.plus_days(-3));
        w.person.contact.last_inbound.insert(sms, START.plus_days(-1));
    };
    check(by_sms, Ok(Channel::Sms), &[]);
    // A step's sender is for its own channel.
    let named: Spoil = |w| {
        step(w).sender_id = Some(sender(w, Channel::Email).id);
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(named, Ok(Channel::Email), &[(Whatsapp, Suppressed)]);
}

#[test]
fn where_nothing_goes_the_most_telling_reason_counts() {
    let check = |spoil: Spoil, expected: Not| {
        let mut world = World::automatic();
        world.person.contact.suppressed.extend([Channel::Whatsapp, Channel::Email, Channel::Sms]);
        spoil(&mut world);
        assert_eq!(reached(&world), Err(expected));
    };
    check(|_| {}, Not::Skip(StepReason::Suppressed));
    check(|w| w.person.contact.profile.email = None, Not::Skip(StepReason::Suppressed));
    // Once that one is mended it goes.
    check(|w| suspend(w, Channel::Email), Not::Park(ParkReason::SenderSuspended));
    let closed: Spoil = |w| {
        w.person.contact.suppressed.remove(&Channel::Whatsapp);
        step(w).fallback_template = None;
    };
    check(closed, Not::Fail(StepReason::OutsideWindowNoTemplate));
    let nowhere: Spoil = |w| {
        w.person.contact.suppressed.clear();
        w.person.contact.profile = crate::contact::Profile::default();
    };
    check(nowhere, Not::Skip(StepReason::NoAddress));
    check(|w| w.senders.retain(|s| s.channel == Channel::Conversation), Not::Park(ParkReason::SenderMissing));
    let no_sms: Spoil = |w| {
        w.senders.retain(|s| s.channel != Channel::Sms);
        w.person.contact.suppressed.clear();
        w.person.contact.profile = crate::contact::Profile::default();
    };
    check(no_sms, Not::Skip(StepReason::NoAddress));
}

#[test]
fn a_single_channel_has_its_own_reasons() {
    let check = |channel, spoil: Spoil, expected: Result<Channel, Not>| {
        let mut world = World::automatic();
        step(&mut world).channel = channel;
        spoil(&mut world);
        assert_eq!(reached(&world).map(|(channel, _)| channel), expected);
    };
    check(StepChannel::Sms, |_| {}, Ok(Channel::Sms));
    check(StepChannel::Sms, |w| suspend(w, Channel::Sms), Err(Not::Park(ParkReason::SenderSuspended)));
    check(StepChannel::Email, |w| w.person.contact.profile.email = None, Err(Not::Skip(StepReason::NoAddress)));
    check(StepChannel::Email, |w| w.senders.truncate(1), Err(Not::Park(ParkReason::SenderMissing)));
    let others: Spoil = |w| step(w).sender_id = Some(sender(w, Channel::Email).id);
    check(StepChannel::Sms, others, Err(Not::Park(ParkReason::SenderMissing)));
    check(StepChannel::SameConversation, |_| {}, Err(Not::Skip(StepReason::NoAddress)));
}

#[test]
fn the_same_conversation() {
    let check = |spoil: Spoil, expected: Result<(Channel, Recipient), Not>| {
        let mut world = World::automatic();
        same_conversation(&mut world);
        spoil(&mut world);
        assert_eq!(reached(&world), expected);
    };
    let into = |id: &str| Ok((Channel::Conversation, Recipient::Conversation(id.into())));
    let phone = || Recipient::Phone("5511987654321".into());
    let open: Spoil = |w| {
        conversation(w, "7", ConversationStatus::Open);
    };
    check(open, into("7"));
    // The latest open one; a helpdesk counts them.
    let several: Spoil = |w| {
        conversation(w, "9", ConversationStatus::Open);
        conversation(w, "10", ConversationStatus::Open);
        conversation(w, "11", ConversationStatus::Resolved);
        conversation(w, "12", ConversationStatus::Pending);
    };
    check(several, into("10"));
    // Before the channel of the last exchange.
    let written: Spoil = |w| {
        conversation(w, "9", ConversationStatus::Open);
        w.person.contact.last_inbound.insert(w.sender.id, START);
    };
    check(written, into("9"));
    let unnamed: Spoil = |w| conversation(w, "9", ConversationStatus::Open).sender_id = None;
    check(unnamed, into("9"));
    let last: Spoil = |w| {
        w.person.contact.last_inbound.insert(w.sender.id, START);
    };
    check(last, Ok((Channel::Whatsapp, phone())));
    // What is suppressed beneath it is suppressed in it.
    let beneath: Spoil = |w| {
        conversation(w, "9", ConversationStatus::Open).channel = Some(Channel::Whatsapp);
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(beneath, Err(Not::Skip(StepReason::Suppressed)));
    let other: Spoil = |w| {
        conversation(w, "9", ConversationStatus::Open).channel = Some(Channel::Email);
        w.person.contact.suppressed.insert(Channel::Whatsapp);
    };
    check(other, into("9"));
    // Of a number of the account's own, not of the helpdesk's.
    let direct: Spoil = |w| {
        let sms = sender(w, Channel::Sms).id;
        conversation(w, "9", ConversationStatus::Open).sender_id = Some(sms);
    };
    check(direct, Ok((Channel::Sms, phone())));
    check(
        |w| {
            conversation(w, "9", ConversationStatus::Open);
            step(w).sender_id = Some(w.sender.id);
        },
        Ok((Channel::Whatsapp, phone())),
    );
}

#[test]
fn a_run_about_a_conversation_stays_in_it() {
    let mut world = World::automatic();
    same_conversation(&mut world);
    conversation(&mut world, "9", ConversationStatus::Resolved);
    conversation(&mut world, "10", ConversationStatus::Open);
    let mut e = world.enrolled();
    e.body.conversation = Some("9".into());
    assert_eq!(world.planned(&e, START).to, Recipient::Conversation("9".into()));
    e.body.conversation = Some("unknown".into());
    assert_eq!(world.planned(&e, START).to, Recipient::Conversation("10".into()));
}

#[test]
fn outside_the_window() {
    let gateway = |window: &str| {
        let mut world = World::new();
        world.sender.provider = ProviderKind::Http;
        world.sender.config = json!({"url": "https://gateway.example.com", "window": window});
        world
    };
    let says = |world: &World| world.planned(&world.enrolled(), START).message;
    // Without a template the step fails with exactly that reason, and the cadence goes on.
    let mut world = World::new();
    step(&mut world).fallback_template = None;
    let failed = world.changed(&world.enrolled(), START);
    let record = &failed.records[0];
    assert_eq!((record.status, record.reason), (StepStatus::Failed, Some(StepReason::OutsideWindowNoTemplate)));
    assert_eq!((failed.state, failed.step), (State::Waiting, 1));
    assert_eq!(world.planned(&failed, START.plus_days(3)).form, MessageForm::FallbackTemplate, "the next one has one");
    // With it, it goes out.
    let world = World::new();
    assert!(matches!(says(&world), Message::WhatsappTemplate(_)));
    // WhatsApp Web has no window: free text goes out, template or not.
    let mut world = gateway("none");
    assert_eq!(says(&world), Message::Text { text: "one for Ana".into() });
    step(&mut world).fallback_template = None;
    assert_eq!(says(&world), Message::Text { text: "one for Ana".into() });
    // A gateway that says it has one is held to it.
    let mut world = gateway("24h");
    assert!(matches!(says(&world), Message::WhatsappTemplate(_)));
    world.person.contact.last_inbound.insert(world.sender.id, START.plus_hours(-1));
    assert_eq!(says(&world), Message::Text { text: "one for Ana".into() });
}

/// The helpdesk knows its own window: it is asked with the text first.
#[test]
fn a_conversation_outside_the_window_takes_a_template_where_it_is_on_whatsapp() {
    for (channel, form) in [(Some(Channel::Whatsapp), Some(MessageForm::FallbackTemplate)), (Some(Channel::Sms), None)]
    {
        let mut world = World::automatic();
        same_conversation(&mut world);
        conversation(&mut world, "9", ConversationStatus::Open).channel = channel;
        let e = world.enrolled();
        assert_eq!(world.planned(&e, START).form, MessageForm::Text);
        let refused = world.settled(&world.claimed(&e, START), &refused(Reaction::OutsideWindow), START);
        match form {
            Some(form) => {
                let planned = world.planned(&refused, START);
                assert_eq!((planned.form, planned.to), (form, Recipient::Conversation("9".into())));
            }
            None => assert_eq!(refused.records[0].reason, Some(StepReason::OutsideWindowNoTemplate)),
        }
    }
}

/// Refuses the current step's send at once.
fn refuse(world: &World, e: &Enrollment, reaction: Reaction, now: Timestamp) -> Enrollment {
    world.settled(&world.claimed(e, now), &refused(reaction), now)
}

fn fails_later(world: &World, e: &Enrollment, reaction: Reaction, now: Timestamp) -> Enrollment {
    let update = StatusUpdate { ..update(DeliveryStatus::Failed, now, Some(refusal(reaction))) };
    status(e, attempt_of(e, 0), &update, &world.planning(), now).unwrap()
}

#[test]
fn a_refusal_for_good_goes_on_to_the_next_channel_once() {
    for reaction in
        [Reaction::Recipient, Reaction::Message, Reaction::Template, Reaction::Sender, Reaction::OutsideWindow]
    {
        let world = World::automatic();
        let e = refuse(&world, &world.enrolled(), reaction, START);
        assert_eq!((e.state, e.step, e.due, e.wake), (State::Waiting, 0, Some(START), Some(START)), "{reaction:?}");
        assert_eq!((e.records[0].tries, e.records[0].status), (0, StepStatus::Scheduled));
        let planned = world.planned(&e, START);
        assert_eq!(planned.channel, Channel::Email, "{reaction:?}");
        let e = refuse(&world, &e, reaction, START);
        assert_eq!(world.planned(&e, START).channel, Channel::Sms);
        let e = refuse(&world, &e, reaction, START);
        if reaction == Reaction::Sender {
            assert_eq!(e.state, State::Parked(ParkReason::SenderSuspended), "there is no other way");
        } else {
            assert_eq!((e.step, e.records[0].status), (1, StepStatus::Failed), "{reaction:?}");
            assert_eq!(world.planned(&e, START.plus_days(3)).channel, Channel::Whatsapp, "the next step is another");
        }
    }
}

#[test]
fn what_passes_is_tried_again_on_its_channel() {
    let world = World::automatic();
    let mut e = world.enrolled();
    let mut now = START;
    for _ in 0..5 {
        e = refuse(&world, &e, Reaction::Transient, now);
        now = e.due.unwrap();
        assert_eq!(world.planned(&e, now).channel, Channel::Whatsapp);
    }
    // After a day of it the next channel has its turn, with tries of its own.
    let e = refuse(&world, &e, Reaction::Transient, START.plus_days(1).plus_hours(1));
    assert_eq!((e.due, e.records[0].tries), (Some(START.plus_days(1).plus_hours(1)), 0));
    assert_eq!(world.planned(&e, e.due.unwrap()).channel, Channel::Email);
}

#[test]
fn the_next_channel_keeps_the_hours() {
    let mut world = World::automatic();
    world.settings.quiet_hours = serde_json::from_value(json!([{"from": "12:01", "to": "20:00"}])).unwrap();
    world.calendar = world.settings.calendar(None);
    let late = START.plus_minutes(2);
    let e = world.settled(&world.claimed(&world.enrolled(), START), &refused(Reaction::Recipient), late);
    assert_eq!(world.changed(&e, late).due, Some(START.plus_hours(8)));
}

#[test]
fn a_later_failure_opens_the_step_for_the_next_channel() {
    let world = World::automatic();
    let sent = world.sent(&world.enrolled(), START);
    let now = START.plus_minutes(3);
    for e in [sent.clone(), sent.paused(START).unwrap()] {
        let open = fails_later(&world, &e, Reaction::Recipient, now);
        assert_eq!((open.state, open.step, open.due), (e.state, 0, Some(now)));
        assert!(open.generation > e.generation);
    }
    let open = fails_later(&world, &sent, Reaction::Recipient, now);
    let by_email = world.sent(&open, now);
    assert_eq!((by_email.step, by_email.records[0].attempts[1].channel), (1, Channel::Email));
    // Once it was delivered, or the next step is claimed, it stays as it is.
    let delivered = world.status(&sent, attempt_of(&sent, 0), DeliveryStatus::Delivered, now).unwrap();
    let update = update(DeliveryStatus::Failed, now, Some(refusal(Reaction::Recipient)));
    assert_eq!(status(&delivered, attempt_of(&sent, 0), &update, &world.planning(), now), None);
    let next = world.claimed(&sent, START.plus_days(3));
    let told = fails_later(&world, &next, Reaction::Recipient, START.plus_days(3));
    assert_eq!((told.state, told.step, told.records[0].status), (State::Sending, 1, StepStatus::Failed));
}

#[test]
fn behind_the_last_step_the_run_waits_while_another_channel_is_left() {
    let mut world = World::automatic();
    world.sequence.steps.truncate(1);
    let sent = world.sent(&world.enrolled(), START);
    let closes = START.plus_hours(1);
    assert_eq!((sent.state, sent.wake), (State::Waiting, Some(closes)));
    assert_eq!(world.changed(&sent, closes).outcome(), Some(Outcome::Completed));
    let open = fails_later(&world, &sent, Reaction::Recipient, START.plus_minutes(59));
    assert_eq!(world.planned(&open, START.plus_minutes(59)).channel, Channel::Email);
    // By the last channel there is nothing to wait for.
    world.sequence.steps[0].channel_order = vec![StepChannel::Whatsapp];
    assert_eq!(world.sent(&world.enrolled(), START).outcome(), Some(Outcome::Completed));
    world.sequence.steps[0].channel_order = vec![StepChannel::Whatsapp, StepChannel::Email];
    world.person.contact.profile.email = None;
    assert_eq!(world.sent(&world.enrolled(), START).outcome(), Some(Outcome::Completed), "email would not go");
}

#[test]
fn a_first_message_that_arrived_after_all_stops_the_other_channel() {
    let world = World::automatic();
    let sent = world.sent(&world.enrolled(), START);
    let first = attempt_of(&sent, 0);
    let open = fails_later(&world, &sent, Reaction::Recipient, START);
    let closed = world.status(&open, first, DeliveryStatus::Delivered, START).unwrap();
    assert_eq!((closed.step, closed.records[0].status), (1, StepStatus::Delivered));
    let planned = world.planned(&open, START);
    assert!(!closed.may_claim(planned.generation, planned.step));
    // In flight already: whatever comes of it, the step has reached the person.
    let sending = world.claimed(&open, START);
    let delivered = world.status(&sending, first, DeliveryStatus::Delivered, START).unwrap();
    let settled = world.settled(&delivered, &refused(Reaction::Recipient), START);
    assert_eq!((settled.step, settled.records[0].status), (1, StepStatus::Delivered));
}

#[test]
fn a_hard_bounce_ends_a_run_that_has_nothing_but_email() {
    let check = |spoil: Spoil, later: bool, expected: Option<Outcome>| {
        let mut world = World::automatic();
        for step in &mut world.sequence.steps {
            step.channel = StepChannel::Email;
        }
        spoil(&mut world);
        let mut e = world.enrolled();
        e = match later {
            false => refuse(&world, &e, Reaction::Bounced, START),
            true => fails_later(&world, &world.sent(&e, START), Reaction::Bounced, START),
        };
        assert_eq!(e.records[0].reason, expected.map(|_| StepReason::RecipientUnreachable), "later: {later}");
        assert_eq!(e.outcome(), expected, "later: {later}");
    };
    for later in [false, true] {
        check(|_| {}, later, Some(Outcome::Bounced));
        check(|w| step(w).on_failure = OnFailure::Stop, later, Some(Outcome::Bounced));
        let with_sms: Spoil = |w| {
            step(w).channel = StepChannel::Automatic;
            step(w).channel_order = vec![StepChannel::Email, StepChannel::Sms];
        };
        check(with_sms, later, None);
    }
    // A later step goes by WhatsApp: it has its turn.
    let mut world = World::automatic();
    step(&mut world).channel = StepChannel::Email;
    let e = refuse(&world, &world.enrolled(), Reaction::Bounced, START);
    assert_eq!((e.state, e.step, e.records[0].status), (State::Waiting, 1, StepStatus::Failed));
}

#[test]
fn an_opt_out_at_the_provider_is_no_reason_for_another_channel() {
    let world = World::automatic();
    let e = refuse(&world, &world.enrolled(), Reaction::OptedOut, START);
    assert_eq!(e.outcome(), Some(Outcome::Unsubscribed));
    let sent = world.sent(&world.enrolled(), START);
    let told = fails_later(&world, &sent, Reaction::OptedOut, START);
    assert_eq!((told.step, told.records[0].status), (1, StepStatus::Failed));
}

#[test]
fn the_timeline_says_why_not_by_the_others() {
    let mut world = World::automatic();
    world.person.contact.suppressed.insert(Channel::Whatsapp);
    let e = refuse(&world, &world.enrolled(), Reaction::Recipient, START);
    let e = world.sent(&e, START);
    let told: Vec<_> = e.timeline(&world.sequence).into_iter().map(|t| (t.code, t.detail)).collect();
    let sent = "sent by sms as text (not by whatsapp: the contact opted out of this channel; not by email: the provider \
                cannot reach this address)";
    assert!(told.contains(&("sent", sent.into())), "{told:#?}");
    let next = "refused for good by email (131000), on to another channel";
    assert!(told.contains(&("next_channel", next.into())), "{told:#?}");
    world.person.contact.suppressed.extend([Channel::Email, Channel::Sms]);
    let skipped = world.changed(&world.enrolled(), START);
    let told: Vec<_> = skipped.timeline(&world.sequence).into_iter().map(|t| t.detail).collect();
    let detail = "skipped: the contact opted out of this channel (not by whatsapp: the contact opted out of this channel; \
                  not by email: the contact opted out of this channel; not by sms: the contact opted out of this channel)";
    assert!(told.contains(&detail.to_owned()), "{told:#?}");
    let text = serde_json::to_string(&skipped.body).unwrap();
    assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), skipped.body);
    assert!(text.contains(r#""po":[["whatsapp","suppressed"],["email","suppressed"],["sms","suppressed"]]"#), "{text}");
}

#[test]
fn the_explanation_names_the_channel() {
    let mut world = World::automatic();
    world.person.contact.suppressed.insert(Channel::Whatsapp);
    let e = world.enrolled();
    let (channel, why) = super::explain::channel(&e, &world.context(), START).unwrap();
    let words = "email is the first channel of the order that can be used; not by whatsapp: the contact opted out of this \
                 channel";
    assert_eq!((channel, why.as_str()), (Channel::Email, words));
    world.person.contact.profile.email = None;
    world.person.contact.suppressed.insert(Channel::Sms);
    assert_eq!(super::explain::channel(&e, &world.context(), START), None);
    let told = world.explain(&e, START);
    assert!(told[0].detail.contains("not by email: the contact has no address on this channel"), "{told:?}");
}

#[test]
fn every_step_has_a_candidate() {
    let world = World::automatic();
    for channel in ["whatsapp", "email", "sms", "same_conversation", "automatic"] {
        let mut step = world.sequence.steps[0].clone();
        step.channel = serde_json::from_value(json!(channel)).unwrap();
        step.channel_order.clear();
        assert!(!candidates(&step).contains(&StepChannel::Automatic));
        assert!(!candidates(&step).is_empty());
    }
}
