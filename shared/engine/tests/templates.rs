//! Message templates: written over their revision, kept by versions, and not taken from a draft.
#![allow(clippy::unwrap_used)]

use domain::account::Role;
use domain::ids::{ApiKeyId, Ids};
use domain::message::{InboundEvent, TemplateTold};
use domain::sequence::{MessageTemplate, Sequence};
use domain::time::Timestamp;
use engine::model::Caller;
use engine::ports::{Saved, Store as _};
use engine::sequences::{Running, SequenceRefused};
use engine::{Engine, Refused};
use futures::future::join_all;
use serde_json::json;
use testkit::memory::{MemoryPorts, MemoryStore, Shop};

fn template(text: &str) -> MessageTemplate {
    serde_json::from_value(json!({"name": "Lembrete", "text": text})).unwrap()
}

async fn shop() -> Shop<MemoryStore> {
    Shop::open(MemoryStore::default(), Timestamp(1_773_059_400)).await
}

fn code(refused: SequenceRefused) -> &'static str {
    match refused {
        SequenceRefused::Refused(Refused::Rule { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_many_edits_of_one_revision_one_wins() {
    let shop = shop().await;
    let engine: &Engine<MemoryPorts<MemoryStore>> = &shop.engine;
    let seed = || Ids::from_seed([4; 32]);
    let made = engine.create_template(shop.tenant, template("a"), &mut seed()).await.unwrap();
    // The same request again is the same template.
    assert_eq!(engine.create_template(shop.tenant, template("a"), &mut seed()).await.unwrap(), made);
    let texts = ["b", "c", "d", "e"];
    let edits = texts.iter().map(|text| engine.update_template(shop.tenant, made.id, 1, template(text)));
    let results = join_all(edits).await;
    let won: Vec<_> = results.iter().filter_map(|r| r.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(engine.store.template(shop.tenant, made.id).await.unwrap().as_ref(), Some(won[0]));
    for lost in results.into_iter().filter_map(Result::err) {
        assert_eq!(code(lost), "stale_revision");
    }
}

#[tokio::test]
async fn a_version_keeps_what_it_uses_and_a_draft_holds_on_to_it() {
    let shop = shop().await;
    let engine = &shop.engine;
    let mut ids = Ids::from_seed([5; 32]);
    let key = ApiKeyId::new(&mut ids);
    let caller = Caller { tenant: shop.tenant, role: Role::Manager, owner: "ana@example.com".into(), key };
    let made = engine.create_template(shop.tenant, template("{{ what }}!"), &mut ids).await.unwrap();
    let draft = |content: serde_json::Value| -> Sequence {
        serde_json::from_value(json!({"name": "x", "target": "contact", "steps": [{"key": "a", "channel": "whatsapp",
            "wait": {"value": 0, "unit": "minutes"}, "outside_window": "fail", "content": content}]}))
        .unwrap()
    };
    let uses = draft(json!({"type": "template", "template_id": made.id, "values": {"what": "Oi"}}));
    let sequence = engine.create_sequence(&caller, uses, &mut ids).await.unwrap();
    engine.publish(&caller, sequence.id, Running::Pinned, None, &mut engine.ids()).await.unwrap();
    engine.update_template(shop.tenant, made.id, 1, template("{{ other }}")).await.unwrap();
    let kept = engine.version(shop.tenant, sequence.id, 1).await.unwrap().unwrap();
    assert_eq!(kept.templates[&made.id.to_string()].text, "{{ what }}!");
    // The draft asks for what the template shows now.
    let refused = engine.publish(&caller, sequence.id, Running::Pinned, None, &mut engine.ids()).await.unwrap_err();
    let SequenceRefused::Problems(problems) = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].pointer, "/steps/0/content/values/other");

    let in_use = engine.delete_template(shop.tenant, made.id).await.unwrap_err();
    assert_eq!(code(in_use.into()), "template_in_use");
    let revision = engine.store.sequence(shop.tenant, sequence.id).await.unwrap().unwrap().revision;
    let without = draft(json!({"type": "text", "text": "Oi"}));
    engine.update_sequence(&caller, sequence.id, revision, without, None).await.unwrap();
    engine.delete_template(shop.tenant, made.id).await.unwrap();
    assert!(matches!(engine.delete_template(shop.tenant, made.id).await, Err(Refused::Unknown { .. })));
    assert_eq!(engine.version(shop.tenant, sequence.id, 1).await.unwrap().unwrap().templates.len(), 1);
}

/// A sender whose list has one template, approved as of the shop's opening.
async fn synced(shop: &Shop<MemoryStore>) {
    let mut sender = shop.engine.store.sender(shop.sender).await.unwrap().unwrap();
    let known = json!([{"name": "um", "language": "pt_BR", "status": "APPROVED", "as_of": 1_773_059_400},
        {"name": "dois", "language": "pt_BR", "status": "APPROVED", "as_of": 1_773_059_400}]);
    sender.templates = serde_json::from_value(known).unwrap();
    sender.rev += 1;
    assert_eq!(shop.engine.store.save_sender(shop.tenant, &sender).await.unwrap(), Saved::Yes);
}

fn told(name: &str, status: &str, at: i64) -> InboundEvent {
    let (name, status) = (name.to_owned(), Some(status.to_owned()));
    InboundEvent::Template(TemplateTold { name, language: "pt_BR".into(), status, category: None, at: Timestamp(at) })
}

#[tokio::test]
async fn a_template_that_was_paused_meanwhile_is_refused() {
    let shop = shop().await;
    let engine = &shop.engine;
    let publish = async || {
        let mut ids = Ids::from_seed([6; 32]);
        let key = ApiKeyId::new(&mut ids);
        let caller = Caller { tenant: shop.tenant, role: Role::Manager, owner: "ana@example.com".into(), key };
        let published = engine.publish(&caller, shop.sequence, Running::Pinned, None, &mut engine.ids()).await;
        published.map_err(|refused| match refused {
            SequenceRefused::Problems(problems) => problems.into_iter().map(|p| p.code).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        })
    };
    synced(&shop).await;
    publish().await.unwrap();
    let now = 1_773_059_400;
    engine.apply(shop.sender, vec![told("um", "PAUSED", now + 60)]).await.unwrap();
    assert_eq!(publish().await.unwrap_err(), ["template_not_approved"]);
    // What is told late of an earlier time, again, or of a template that nobody has read changes nothing.
    let standing = engine.store.sender(shop.sender).await.unwrap();
    let late =
        vec![told("um", "APPROVED", now + 30), told("um", "PAUSED", now + 60), told("new", "APPROVED", now + 90)];
    engine.apply(shop.sender, late).await.unwrap();
    assert_eq!(engine.store.sender(shop.sender).await.unwrap(), standing);
    engine.apply(shop.sender, vec![told("um", "APPROVED", now + 120)]).await.unwrap();
    publish().await.unwrap();
}

#[tokio::test]
async fn of_many_who_tell_of_templates_none_is_lost() {
    let shop = shop().await;
    synced(&shop).await;
    let at = 1_773_059_460;
    let all = ["um", "dois"].map(|name| shop.engine.apply(shop.sender, vec![told(name, "PAUSED", at)]));
    join_all(all).await.into_iter().for_each(|applied| assert!(applied.is_ok()));
    let sender = shop.engine.store.sender(shop.sender).await.unwrap().unwrap();
    let statuses: Vec<_> = sender.templates.unwrap().into_iter().map(|t| t.status).collect();
    assert_eq!(statuses, ["PAUSED", "PAUSED"]);
    // A sender that was never synced, and one that is gone, know of no template.
    let unsynced = self::shop().await;
    unsynced.engine.apply(unsynced.sender, vec![told("um", "PAUSED", at)]).await.unwrap();
    assert_eq!(unsynced.engine.store.sender(unsynced.sender).await.unwrap().unwrap().templates, None);
    unsynced.engine.store.delete_sender(unsynced.sender).await.unwrap();
    unsynced.engine.apply(unsynced.sender, vec![told("um", "PAUSED", at)]).await.unwrap();
}
