//! Senders: the numbers and mailboxes that messages go out through.
//!
//! If it dies:
//! - `create_sender` after the secret: credentials without a sender, overwritten by the repeat, which
//!   makes the same id.
//! - `update_sender` after the secret: the new credentials already serve the old configuration, as
//!   the caller wanted; the repeat writes the rest.
//! - `delete_sender` after the sender: credentials of nobody; the repeat answers 404.

use domain::enrollment::ParkReason;
use domain::ids::{Ids, SenderId, TenantId};
use domain::message::{Channel, ProviderKind, Reaction, TemplateTold};
use domain::sender::{Sender, SenderLimits};
use serde_json::Value;

use crate::accounts::{Fault, Invalid, all_right, check_text};
use crate::credentials::{present, rotated};
use crate::ports::{Channels as _, PortError, Ports, Saved, Secrets as _, Store as _};
use crate::{Engine, MAX_RACES, Refused};

/// A sender to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSender {
    pub name: String,
    pub channel: Channel,
    pub provider: ProviderKind,
    pub config: Value,
    pub credentials: Value,
    pub limits: SenderLimits,
}

/// The parts of a sender that change; the others stay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SenderChange {
    pub name: Option<String>,
    pub config: Option<Value>,
    pub credentials: Option<Value>,
    pub limits: Option<SenderLimits>,
}

const NO_SENDER: Refused = Refused::Unknown { what: "sender", pointer: "" };

impl<P: Ports> Engine<P> {
    /// Calls nobody: whether the credentials are right shows the first send.
    pub async fn create_sender(&self, tenant: TenantId, new: NewSender, ids: &mut Ids) -> Result<Sender, Invalid> {
        let mut faults = Vec::new();
        check_text(&mut faults, "/name", &new.name);
        if !new.provider.channels().contains(&new.channel) {
            let channels: Vec<_> = new.provider.channels().iter().map(|c| c.as_str()).collect();
            let detail = format!("{} sends by {}", new.provider.as_str(), channels.join(" or "));
            faults.push(Fault::new("/channel", "wrong_channel", detail));
        }
        faults.extend(check_limits(&new.limits));
        faults.extend(self.check_provider(new.provider, &new.config, Some(&new.credentials)));
        all_right(faults)?;
        let id = SenderId::of(tenant, ids);
        let sender = Sender {
            id,
            rev: 1,
            created_at: self.now(),
            name: new.name,
            channel: new.channel,
            provider: new.provider,
            config: new.config,
            limits: new.limits,
            suspended: None,
            templates: None,
        };
        self.secrets.put_secret(tenant, &id.to_string(), &new.credentials).await?;
        let saved = match self.store.save_sender(tenant, &sender).await? {
            Saved::No(Some(ours)) if ours.id == id => ours,
            _ => sender,
        };
        self.forget(tenant);
        self.release(tenant, ParkReason::SenderMissing, saved.rev, ids).await?;
        Ok(saved)
    }

    pub async fn sender_of(&self, tenant: TenantId, id: SenderId) -> Result<Sender, Refused> {
        if id.tenant() != tenant {
            return Err(NO_SENDER);
        }
        self.store.sender(id).await?.ok_or(NO_SENDER)
    }

    /// Replaces the given parts. New configuration or credentials count as the fix of a suspended
    /// sender: what was parked for it goes on. Credentials that are replaced prove webhooks for another 24
    /// hours.
    pub async fn update_sender(
        &self,
        tenant: TenantId,
        id: SenderId,
        change: &SenderChange,
        ids: &mut Ids,
    ) -> Result<Sender, Invalid> {
        let mut faults = Vec::new();
        if let Some(name) = &change.name {
            check_text(&mut faults, "/name", name);
        }
        faults.extend(change.limits.iter().flat_map(check_limits));
        let sender = self.sender_of(tenant, id).await?;
        if change.config.is_some() || change.credentials.is_some() {
            let config = change.config.as_ref().unwrap_or(&sender.config);
            faults.extend(self.check_provider(sender.provider, config, change.credentials.as_ref()));
        }
        all_right(faults)?;
        if let Some(credentials) = &change.credentials {
            let old = self.secrets.secret(tenant, &id.to_string()).await?.unwrap_or_default();
            let next = rotated(&old, credentials, self.now());
            self.secrets.put_secret(tenant, &id.to_string(), &next).await?;
        }
        let fixed = change.config.is_some() || change.credentials.is_some();
        let saved = self
            .edit_sender(sender, &|sender| {
                if let Some(name) = &change.name {
                    sender.name.clone_from(name);
                }
                if let Some(config) = &change.config {
                    sender.config.clone_from(config);
                }
                if let Some(limits) = &change.limits {
                    sender.limits.clone_from(limits);
                }
                if fixed {
                    sender.suspended = None;
                }
            })
            .await?;
        if fixed {
            // Also when an earlier try died here: what is parked counts, not what changed.
            self.release(tenant, ParkReason::SenderSuspended, saved.rev, ids).await?;
        }
        Ok(saved)
    }

    /// 409 `sender_in_use` while the settings or a published version that may still enroll name it.
    pub async fn delete_sender(&self, tenant: TenantId, id: SenderId) -> Result<(), Refused> {
        self.sender_of(tenant, id).await?;
        let account = self.account(tenant).await?;
        if let Some((channel, _)) = account.settings.default_senders.iter().find(|(_, s)| **s == id) {
            let detail = format!("it is the account's default sender for {}", channel.as_str());
            return Err(Refused::rule("sender_in_use", detail));
        }
        for sequence in self.store.sequences(tenant).await?.iter().filter(|s| s.published > 0 && !s.archived) {
            let version = self.version(tenant, sequence.id, sequence.published).await?;
            if version.is_some_and(|v| v.sequence.steps.iter().any(|step| step.sender_id == Some(id))) {
                let detail = format!("version {} of sequence {} names it", sequence.published, sequence.id);
                return Err(Refused::rule("sender_in_use", detail));
            }
        }
        if !self.store.delete_sender(id).await? {
            return Err(NO_SENDER);
        }
        self.secrets.delete_secret(tenant, &id.to_string()).await?;
        self.forget(tenant);
        Ok(())
    }

    /// Reads the provider's list of templates and keeps it.
    pub async fn sync_templates(&self, tenant: TenantId, id: SenderId) -> Result<Sender, Refused> {
        let sender = self.sender_of(tenant, id).await?;
        if sender.channel != Channel::Whatsapp {
            return Err(Refused::rule("no_templates", "only WhatsApp senders have templates at their provider"));
        }
        let credentials = self.secrets.secret(tenant, &id.to_string()).await?.map(|stored| present(&stored));
        let credentials =
            credentials.ok_or_else(|| Refused::rule("no_credentials", "the sender has no credentials; PATCH it"))?;
        let asked = self.now();
        let mut templates = self.channels.templates(&sender, &credentials).await.map_err(|refusal| {
            let said = format!("the provider refused to list its templates ({})", refusal.code);
            match refusal.reaction {
                Reaction::Throttled | Reaction::Pair => PortError::Throttled(said).into(),
                Reaction::Transient => PortError::Transient(said).into(),
                _ => Refused::rule("provider_refused", said),
            }
        })?;
        templates.iter_mut().for_each(|known| known.as_of = Some(asked));
        self.edit_sender(sender, &|sender| sender.templates = Some(templates.clone())).await
    }

    /// The provider tells of a template: publishing judges by what it says now. One that was not in the list
    /// when that was last read is left to the next sync, which knows its parameters.
    pub(crate) async fn template_told(&self, id: SenderId, told: &TemplateTold) -> Result<(), Refused> {
        let take = |sender: &mut Sender| sender.templates.iter_mut().flatten().for_each(|known| known.take(told));
        let Some(sender) = self.store.sender(id).await? else { return Ok(()) };
        let mut after = sender.clone();
        take(&mut after);
        if after != sender {
            self.edit_sender(sender, &take).await?;
        }
        Ok(())
    }

    async fn edit_sender(&self, mut sender: Sender, edit: &(impl Fn(&mut Sender) + Sync)) -> Result<Sender, Refused> {
        let (id, tenant) = (sender.id, sender.id.tenant());
        for _ in 0..MAX_RACES {
            let mut after = sender.clone();
            edit(&mut after);
            after.rev = sender.rev + 1;
            match self.store.save_sender(tenant, &after).await? {
                Saved::Yes => {
                    self.forget(tenant);
                    return Ok(after);
                }
                Saved::No(Some(faster)) => sender = faster,
                Saved::No(None) => sender = self.sender_of(tenant, id).await?,
            }
        }
        Err(Refused::Busy)
    }

    fn check_provider(&self, provider: ProviderKind, config: &Value, credentials: Option<&Value>) -> Vec<Fault> {
        provider_faults(self.channels.check(provider, config, credentials))
    }
}

/// The port's codes are texts; the few that the contract knows are ours.
pub(crate) fn provider_faults(found: Vec<(String, String, String)>) -> Vec<Fault> {
    let code = |code: &str| match code {
        "required" | "missing_field" => "required",
        "unknown_field" => "unknown_field",
        "invalid_type" => "invalid_type",
        "invalid_url" => "invalid_url",
        _ => "invalid_value",
    };
    found.into_iter().map(|(pointer, c, detail)| Fault::new(pointer, code(&c), detail)).collect()
}

/// More than any provider takes of one sender.
const MAX_LIMIT: u32 = 10_000_000;
/// A number that grew faster would be blocked by its provider.
const MAX_GROWTH: f64 = 100.0;

fn check_limits(limits: &SenderLimits) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, limit) in [
        ("per_second", limits.per_second),
        ("per_minute", limits.per_minute),
        ("per_hour", limits.per_hour),
        ("per_day", limits.per_day),
        ("ramp_up/start_per_day", limits.ramp_up.as_ref().map(|r| r.start_per_day)),
    ] {
        if limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            let detail = format!("must be between 1 and {MAX_LIMIT}");
            faults.push(Fault::new(format!("/limits/{name}"), "out_of_range", detail));
        }
    }
    if limits.ramp_up.as_ref().is_some_and(|r| !(1.0..=MAX_GROWTH).contains(&r.growth)) {
        let detail = format!("must be between 1 and {MAX_GROWTH}");
        faults.push(Fault::new("/limits/ramp_up/growth", "out_of_range", detail));
    }
    faults
}

#[cfg(test)]
mod tests {
    use domain::sender::RampUp;

    use super::*;

    #[test]
    fn limits_let_something_through() {
        let limits = SenderLimits {
            per_second: Some(0),
            per_day: Some(5),
            ramp_up: Some(RampUp { start_per_day: 0, growth: 0.5 }),
            ..SenderLimits::default()
        };
        let found: Vec<_> = check_limits(&limits).into_iter().map(|f| f.pointer).collect();
        assert_eq!(found, ["/limits/per_second", "/limits/ramp_up/start_per_day", "/limits/ramp_up/growth"]);
        for (growth, valid) in [(1.0, true), (1.5, true), (0.99, false), (-2.0, false), (f64::NAN, false), (1e9, false)]
        {
            let ramp_up = Some(RampUp { start_per_day: 50, growth });
            let limits = SenderLimits { ramp_up, ..SenderLimits::default() };
            assert_eq!(check_limits(&limits).is_empty(), valid, "{growth}");
        }
        assert_eq!(check_limits(&SenderLimits::default()), []);
    }
}
