//! Message templates.

use domain::ids::TemplateId;
use engine::model::StoredTemplate;
use engine::ports::{Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

fn template(w: &mut World, name: &str) -> StoredTemplate {
    let template = serde_json::from_value(json!({"name": name, "text": "Olá {{ amount }}",
        "channel_variants": {"sms": {"text": "x", "transliterate": true}}}))
    .unwrap();
    StoredTemplate { id: TemplateId::new(&mut w.ids), revision: 1, created_at: NOW, updated_at: NOW, template }
}

pub async fn a_template_is_saved_over_its_revision(store: &impl Store) {
    let mut w = World::new();
    let one = template(&mut w, "one");
    assert_eq!(store.template(w.tenant, one.id).await, Ok(None));
    assert_eq!(store.save_template(w.tenant, &one).await, Ok(Saved::Yes));
    let rival = |n: usize| StoredTemplate { revision: 2, updated_at: NOW.plus_seconds(n as i64), ..one.clone() };
    let rivals: Vec<StoredTemplate> = (1..=RACERS).map(rival).collect();
    let results = join_all(rivals.iter().map(|t| store.save_template(w.tenant, t))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Saved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &rivals[won[0]];
    for (_, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(Saved::No(Some(winner.clone()))));
    }
    assert_eq!(store.save_template(w.tenant, winner).await, Ok(Saved::Yes), "a lost answer");
    let two = template(&mut w, "two");
    store.save_template(w.tenant, &two).await.unwrap();
    let mut all = store.templates(w.tenant).await.unwrap();
    all.sort_by(|a, b| a.template.name.cmp(&b.template.name));
    assert_eq!(all, [winner.clone(), two.clone()]);
    // Another account's are not seen, nor taken.
    let other = World::new().tenant;
    assert_eq!(store.templates(other).await, Ok(vec![]));
    assert_eq!(store.template(other, two.id).await, Ok(None));
    assert_eq!(store.delete_template(other, two.id).await, Ok(false));
    assert_eq!(store.delete_template(w.tenant, two.id).await, Ok(true));
    assert_eq!(store.delete_template(w.tenant, two.id).await, Ok(false));
    // Nothing rises from the dead.
    let late = StoredTemplate { revision: 2, ..two.clone() };
    assert_eq!(store.save_template(w.tenant, &late).await, Ok(Saved::No(None)));
    assert_eq!(store.template(w.tenant, two.id).await, Ok(None));
}
