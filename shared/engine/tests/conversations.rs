//! What the helpdesk tells of its conversations, and what it never told.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use domain::contact::{Conversation, ConversationStatus, Person};
use domain::conversation::{ConversationEvent, Description, Heard, InConversation, Look};
use domain::enrollment::{Enrollment, Outcome, ParkReason, PlannedSend, State};
use domain::ids::{AttemptRef, ContactId};
use domain::message::{
    AttemptText, Channel, Identity, InboundEvent, InboundKind, InboundMessage, ProviderKind, Reaction, Recipient,
    Refusal,
};
use domain::sender::Sender;
use domain::time::Timestamp;
use engine::ports::Store as _;
use engine::send::{CallResult, Sent};
use serde_json::json;
use testkit::memory::{MemoryStore, Shop};

const NOW: Timestamp = Timestamp(1_773_059_400);
const ANA: u32 = 1;

async fn shop() -> Shop<MemoryStore> {
    Shop::open(MemoryStore::default(), NOW).await
}

/// Something in conversation 42, which Chatwoot says is Ana's.
fn told(at: Timestamp, what: InConversation) -> ConversationEvent {
    let of = vec![Identity::Phone(format!("+{}", Shop::<MemoryStore>::phone(ANA)))];
    ConversationEvent { conversation: "42".into(), of, at, what }
}

fn received(id: &str, at: Timestamp, text: &str) -> ConversationEvent {
    let message = InboundMessage {
        id: id.into(),
        from: Vec::new(),
        at,
        kind: InboundKind::Text,
        text: Some(text.into()),
        in_reply_to: None,
        name: None,
    };
    told(at, InConversation::Received(message))
}

fn by_agent(id: &str, at: Timestamp) -> ConversationEvent {
    told(at, InConversation::SentByAgent { id: id.into() })
}

fn described(status: ConversationStatus, is_change: bool, at: Timestamp) -> ConversationEvent {
    let attributes = BTreeMap::from([("labels".to_owned(), "vip".into())]);
    let channel = Some(Channel::Whatsapp);
    told(at, InConversation::Described(Description { status, is_change, channel, assignee: None, attributes }))
}

async fn tell(shop: &Shop<MemoryStore>, event: ConversationEvent) {
    shop.engine.apply(shop.sender, vec![InboundEvent::Conversation(event)]).await.unwrap();
}

async fn person(shop: &Shop<MemoryStore>, id: ContactId) -> Person {
    shop.engine.store.person(shop.tenant, id).await.unwrap().unwrap()
}

async fn conversation(shop: &Shop<MemoryStore>, e: &Enrollment) -> Option<Conversation> {
    person(shop, e.id.contact).await.conversation("42").cloned()
}

/// Ana's first step, planned to go into conversation 42.
async fn planned(shop: &Shop<MemoryStore>) -> (Enrollment, PlannedSend) {
    let e = shop.enroll(ANA).await;
    shop.now(NOW.plus_seconds(1));
    for timer in shop.engine.timers.fire(NOW.plus_seconds(1)) {
        shop.engine.step(&timer.due).await.unwrap();
    }
    let mut planned = shop.engine.queues.sends.lock().unwrap().pop().unwrap();
    planned.to = Recipient::Conversation("42".into());
    planned.heard = Some(Heard { since: e.since, is_resolved: false, marks: Vec::new(), earlier: Vec::new() });
    (e, planned)
}

#[tokio::test]
async fn a_conversation_is_known_people_s_only() {
    let shop = shop().await;
    let e = shop.enroll(ANA).await;
    let stranger = ConversationEvent {
        of: vec![Identity::Phone("+5511900000000".into())],
        ..described(ConversationStatus::Open, false, NOW)
    };
    tell(&shop, stranger).await;
    assert_eq!(conversation(&shop, &e).await, None);
    tell(&shop, described(ConversationStatus::Open, false, NOW)).await;
    let kept = conversation(&shop, &e).await.unwrap();
    assert_eq!((kept.sender_id, kept.channel), (Some(shop.sender), Some(Channel::Whatsapp)));
    assert_eq!(kept.attributes["labels"], "vip");
    // From now on by its number alone.
    let nameless = ConversationEvent { of: Vec::new(), ..received("m1", NOW.plus_seconds(5), "oi") };
    shop.now(NOW.plus_seconds(5));
    tell(&shop, nameless).await;
    assert_eq!(shop.stored(e.id).await.state, State::Finished(Outcome::Replied));
}

#[tokio::test]
async fn a_resolution_counts_once_and_at_its_own_time() {
    let shop = shop().await;
    tell(&shop, described(ConversationStatus::Open, false, NOW)).await;
    let contact = shop.customer(ANA).await;
    tell(&shop, described(ConversationStatus::Open, false, NOW)).await;
    let at = |seconds| NOW.plus_seconds(seconds);
    shop.now(at(60));
    tell(&shop, described(ConversationStatus::Resolved, true, at(50))).await;
    let marks = |person: &Person| {
        let of = person.conversation("42").unwrap();
        of.marks.iter().map(|m| (m.kind.clone(), m.at.0 - NOW.0)).collect::<Vec<_>>()
    };
    let resolved = |at| ("conversation.resolved".to_owned(), at);
    assert_eq!(marks(&person(&shop, contact).await), [resolved(50)]);
    // Told again, and as it stands: nothing new.
    let before = person(&shop, contact).await;
    tell(&shop, described(ConversationStatus::Resolved, true, at(50))).await;
    tell(&shop, described(ConversationStatus::Resolved, false, at(55))).await;
    assert_eq!(person(&shop, contact).await, before);
    // Late: it was open before.
    tell(&shop, described(ConversationStatus::Open, false, at(40))).await;
    assert_eq!(person(&shop, contact).await.conversation("42").unwrap().status, ConversationStatus::Resolved);
    tell(&shop, described(ConversationStatus::Open, true, at(58))).await;
    let now = person(&shop, contact).await;
    assert_eq!(now.conversation("42").unwrap().status, ConversationStatus::Open);
    assert_eq!(marks(&now), [("conversation.opened".to_owned(), 58), resolved(50)]);
}

#[tokio::test]
async fn stop_in_the_helpdesk_is_stop_on_what_it_goes_over() {
    let shop = shop().await;
    let e = shop.enroll(ANA).await;
    let sender = Sender::new(shop.sender, NOW, Channel::Conversation, ProviderKind::Chatwoot, json!({}));
    shop.engine.store.save_sender(shop.tenant, &Sender { rev: 2, ..sender }).await.unwrap();
    tell(&shop, described(ConversationStatus::Open, false, NOW)).await;
    tell(&shop, received("m1", NOW.plus_seconds(1), "PARAR")).await;
    assert!(shop.stored(e.id).await.state.is_finished());
    let both = [Channel::Whatsapp, Channel::Conversation].into();
    assert_eq!(person(&shop, e.id.contact).await.contact.suppressed, both);
    // Also when her addresses change.
    let identities =
        vec![Identity::Phone(format!("+{}", Shop::<MemoryStore>::phone(ANA))), Identity::Email("a@b.co".into())];
    shop.engine.apply(shop.sender, vec![InboundEvent::Identified { identities }]).await.unwrap();
    assert_eq!(person(&shop, e.id.contact).await.contact.suppressed, both);
}

#[tokio::test]
async fn what_a_contact_lacks_is_filled_in_and_nothing_else() {
    let shop = shop().await;
    let (ana, bia) = (shop.customer(ANA).await, shop.customer(2).await);
    let phone = |n| Identity::Phone(format!("+{}", Shop::<MemoryStore>::phone(n)));
    let identified = async |identities: Vec<Identity>| {
        shop.engine.apply(shop.sender, vec![InboundEvent::Identified { identities }]).await.unwrap();
    };
    identified(vec![phone(ANA), Identity::Email("ana@example.com".into()), Identity::External("crm-7".into())]).await;
    let profile = person(&shop, ana).await.contact.profile;
    assert_eq!((profile.email.as_deref(), profile.external_id.as_deref()), (Some("ana@example.com"), Some("crm-7")));
    // Ana's own email, and what she says already, stay hers.
    identified(vec![phone(2), Identity::Email("ana@example.com".into())]).await;
    identified(vec![phone(ANA), Identity::Email("other@example.com".into())]).await;
    assert_eq!(person(&shop, bia).await.contact.profile.email, None);
    assert_eq!(person(&shop, ana).await.contact.profile.email.as_deref(), Some("ana@example.com"));
    identified(vec![Identity::Email("nobody@example.com".into()), Identity::External("x".into())]).await;
}

#[tokio::test]
async fn a_reply_that_nobody_told_stops_the_send() {
    let shop = shop().await;
    let (e, planned) = planned(&shop).await;
    let at = NOW.plus_seconds(1);
    shop.engine.channels.shows(Ok(Look { events: vec![received("m1", at, "já paguei")], ..Look::QUIET }));
    assert_eq!(shop.engine.send(&planned).await, Ok(Sent::PlannedAgain));
    assert_eq!(shop.stored(e.id).await.state, State::Finished(Outcome::Replied));
    assert_eq!(shop.engine.send(&planned).await, Ok(Sent::Outdated));
    assert_eq!(shop.engine.channels.sent(), []);
}

#[tokio::test]
async fn news_that_end_nothing_are_applied_once_and_cost_no_try() {
    let shop = shop().await;
    let (e, mut planned) = planned(&shop).await;
    let at = NOW.plus_seconds(1);
    let look = || Look { events: vec![by_agent("m2", at)], ..Look::QUIET };
    shop.engine.channels.shows(Ok(look()));
    assert_eq!(shop.engine.send(&planned).await, Ok(Sent::PlannedAgain));
    let stood = shop.stored(e.id).await;
    assert_eq!((stood.state, stood.generation), (State::Waiting, planned.generation), "nothing was claimed");
    assert!(stood.records.iter().all(|r| r.tries == 0 && r.attempts.is_empty()));
    // What the next plan knows.
    let marks = person(&shop, e.id.contact).await;
    let known: Vec<_> = marks.marks().filter(|m| m.kind == "message.sent_by_agent").collect();
    assert_eq!(known.len(), 1);
    let mark = json!({"by_agent": true, "id": known[0].id, "at": known[0].at});
    planned.heard.as_mut().unwrap().marks.push(serde_json::from_value(mark).unwrap());
    shop.engine.channels.shows(Ok(look()));
    let sent = shop.engine.send(&planned).await;
    assert!(matches!(sent, Ok(Sent::Called { result: CallResult::Accepted, .. })), "{sent:?}");
    assert_eq!(shop.engine.channels.sent().len(), 1);
}

#[tokio::test]
async fn a_look_that_is_refused_is_the_send_s_refusal() {
    for (reaction, state, calls) in [
        (Reaction::Transient, State::Waiting, CallResult::Retried),
        (Reaction::Sender, State::Parked(ParkReason::SenderSuspended), CallResult::SenderSuspended),
        (Reaction::Recipient, State::Waiting, CallResult::Refused),
    ] {
        let shop = shop().await;
        let (e, planned) = planned(&shop).await;
        let refusal = Refusal { reaction, code: "http_0".into(), retry_after: None };
        shop.engine.channels.shows(Err(refusal));
        let sent = shop.engine.send(&planned).await;
        assert!(matches!(sent, Ok(Sent::Called { result, .. }) if result == calls), "{sent:?}");
        assert_eq!(shop.stored(e.id).await.state, state);
        assert_eq!(shop.engine.channels.sent(), []);
    }
}

#[tokio::test]
async fn what_an_earlier_try_left_there_is_not_posted_again() {
    let shop = shop().await;
    let (e, mut planned) = planned(&shop).await;
    let earlier = AttemptRef { enrollment: e.id, generation: 1 };
    planned.heard.as_mut().unwrap().earlier.push(AttemptText(earlier));
    shop.engine.channels.shows(Ok(Look { ours: vec![(earlier, "9010".into())], ..Look::QUIET }));
    let sent = shop.engine.send(&planned).await;
    assert!(matches!(sent, Ok(Sent::Called { result: CallResult::Accepted, .. })), "{sent:?}");
    assert_eq!(shop.engine.channels.sent(), []);
    let stored = shop.stored(e.id).await;
    assert_eq!(stored.records[0].attempts[0].provider_message_id.as_deref(), Some("9010"));
    assert_eq!(stored.records[0].attempts[0].conversation.as_deref(), Some("42"));
    // Its last message went into that conversation: resolving it ends the run.
    tell(&shop, described(ConversationStatus::Open, false, NOW)).await;
    shop.now(NOW.plus_seconds(60));
    let other = ConversationEvent {
        conversation: "43".into(),
        ..described(ConversationStatus::Resolved, true, NOW.plus_seconds(30))
    };
    tell(&shop, other).await;
    assert_eq!(shop.stored(e.id).await.state, State::Waiting);
    tell(&shop, described(ConversationStatus::Resolved, true, NOW.plus_seconds(50))).await;
    assert_eq!(shop.stored(e.id).await.state, State::Finished(Outcome::Resolved));
}
