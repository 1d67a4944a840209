//! Credentials of senders and payment sources: read rarely, replaced without a deployment, and for a day
//! the old beside the new.
//!
//! Stored, they are what the account gave, with those before them in `previous`. Calls are made with the
//! present ones; webhooks are proven by all that are in force, because what is under way is signed with the
//! old ones, and the two sides are never changed in one moment.

use std::sync::Arc;

use domain::ids::{SenderId, TenantId};
use domain::message::{Reaction, Refusal, SendOutcome};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::Engine;
use crate::ports::{PortResult, Ports, Secrets as _};

/// How long credentials still prove webhooks after they were replaced.
const ROTATION_HOURS: i64 = 24;
/// Of those before the present ones: who changes two fields one after the other loses neither.
const MAX_PREVIOUS: usize = 2;

const PREVIOUS: &str = "previous";
const UNTIL: &str = "until";

/// What calls are made with.
pub fn present(stored: &Value) -> Value {
    without(stored, PREVIOUS)
}

/// What proves a webhook: the present credentials, and those before them for their day.
pub fn in_force(stored: &Value, now: Timestamp) -> Vec<Value> {
    let former = previous(stored, now);
    std::iter::once(present(stored)).chain(former.iter().map(|former| without(former, UNTIL))).collect()
}

/// New credentials over the stored ones. The same again changes nothing about those before them, so that a
/// repeated request does not end their time.
pub(crate) fn rotated(stored: &Value, new: &Value, now: Timestamp) -> Value {
    let mut former = previous(stored, now);
    let mut replaced = present(stored);
    if replaced != *new && replaced.is_object() {
        replaced[UNTIL] = json!(now.plus_hours(ROTATION_HOURS).0);
        former.insert(0, replaced);
        former.truncate(MAX_PREVIOUS);
    }
    let mut next = new.clone();
    if let Some(fields) = next.as_object_mut().filter(|_| !former.is_empty()) {
        fields.insert(PREVIOUS.into(), json!(former));
    }
    next
}

/// Earlier versions kept one, not a list.
fn previous(stored: &Value, now: Timestamp) -> Vec<Value> {
    let all = match &stored[PREVIOUS] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let is_in_force = |former: &Value| former[UNTIL].as_i64().is_some_and(|until| now < Timestamp(until));
    all.into_iter().filter(is_in_force).collect()
}

fn without(credentials: &Value, name: &str) -> Value {
    let mut credentials = credentials.clone();
    if let Some(fields) = credentials.as_object_mut() {
        fields.remove(name);
    }
    credentials
}

impl<P: Ports> Engine<P> {
    /// What calls are made with; as old as [`Engine::stored_credentials`].
    pub async fn credentials(&self, tenant: TenantId, name: &str) -> PortResult<Option<Arc<Value>>> {
        let stored = self.stored_credentials(tenant, name).await?;
        Ok(stored.map(|stored| if stored[PREVIOUS].is_null() { stored } else { Arc::new(present(&stored)) }))
    }

    /// A refusal that blames the sender blames nobody when its credentials were replaced since they were
    /// read, or when nobody can say: then the step is tried again, with the new ones. Credentials that are
    /// still the stored ones are blamed.
    pub(crate) async fn blame(
        &self,
        tenant: TenantId,
        sender: SenderId,
        used: &Value,
        outcome: SendOutcome,
    ) -> SendOutcome {
        let blamed = matches!(&outcome, SendOutcome::Refused(refusal) if refusal.reaction == Reaction::Sender);
        if !blamed || !self.config.cache_settings {
            return outcome;
        }
        match self.secrets.secret(tenant, &sender.to_string()).await {
            Ok(Some(stored)) if present(&stored) != *used => {
                tracing::info!(%sender, "credentials were replaced: read again");
                self.forget(tenant);
                SendOutcome::Refused(Refusal::passing("credentials_replaced"))
            }
            Ok(_) => outcome,
            Err(error) => {
                tracing::warn!(%sender, %error, "credentials could not be read again");
                SendOutcome::Refused(Refusal::passing("credentials_unread"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_772_452_800);

    #[test]
    fn replaced_credentials_prove_webhooks_for_a_day() {
        let (one, two, three) = (json!({"secret": "one"}), json!({"secret": "two"}), json!({"secret": "three"}));
        assert_eq!(in_force(&one, NOW), std::slice::from_ref(&one));
        assert_eq!(rotated(&Value::Null, &one, NOW), one);
        let stored = rotated(&one, &two, NOW);
        assert_eq!(present(&stored), two);
        assert_eq!(in_force(&stored, NOW.plus_hours(23)), [two.clone(), one.clone()]);
        assert_eq!(in_force(&stored, NOW.plus_hours(24)), std::slice::from_ref(&two));
        let again = rotated(&stored, &two, NOW.plus_hours(5));
        assert_eq!(again, stored, "the same again gives the old ones no longer time");
        let stored = rotated(&stored, &three, NOW.plus_hours(1));
        assert_eq!(in_force(&stored, NOW.plus_hours(2)), [three.clone(), two.clone(), one.clone()]);
        assert_eq!(in_force(&stored, NOW.plus_hours(24)), [three.clone(), two.clone()]);
        let stored = rotated(&stored, &one, NOW.plus_hours(2));
        assert_eq!(in_force(&stored, NOW.plus_hours(2)), [one.clone(), three, two.clone()], "two before the present");
        // As earlier versions stored it.
        let old = json!({"secret": "two", "previous": {"secret": "one", "until": NOW.plus_hours(1).0}});
        assert_eq!((present(&old), in_force(&old, NOW)), (two.clone(), vec![two, one]));
        assert_eq!(in_force(&Value::Null, NOW), [Value::Null]);
    }
}
