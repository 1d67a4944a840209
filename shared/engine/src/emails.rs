//! What comes back of emails: answers, addresses that do not exist, and clicks on "unsubscribe".
//!
//! If it dies: what it had written, the repeat finds. An answer's mark is keyed by the provider's id, a
//! suppression by its address, and an opt-out is the same whenever it happens.

use domain::account::Settings;
use domain::ids::{ContactId, SenderId, TenantId};
use domain::message::{AttemptText, Channel, EmailAnswer};
use domain::time::Timestamp;

use crate::contacts::SuppressionScope;
use crate::ports::{PortResult, Store as _};
use crate::tokens::Unsubscribes;
use crate::{Engine, Ports, Refused};

/// What an unsubscribe page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscription {
    pub channel: Channel,
    /// Who sends, as people know it; may be empty.
    pub account: String,
    /// The contact's, else the account's; may be empty.
    pub language: String,
}

impl<P: Ports> Engine<P> {
    /// Somebody answered: known by what was given to them, else by where they write from.
    pub(crate) async fn answered(
        &self,
        tenant: TenantId,
        sender: SenderId,
        answer: &EmailAnswer,
    ) -> Result<(), Refused> {
        let token = answer.token.as_deref().and_then(|token| self.config.tokens.replies(tenant, token));
        let given = token.or(self.known(tenant, answer.answers).await?);
        let contact = match given {
            Some(contact) => Some(contact),
            None => self.who(tenant, &answer.message.from).await?,
        };
        let Some(contact) = contact else { return Ok(()) };
        // Only what names them proves that they asked for it; a program never does.
        if answer.unsubscribes && token.is_some() {
            let at = answer.message.at.min(self.now());
            return self.opt_out_of_sender(tenant, sender, contact, &answer.message.id, at).await;
        }
        self.received(tenant, sender, contact, &answer.message, None).await
    }

    /// An address that does not exist gets nothing more, from whichever sender.
    pub(crate) async fn bounced(
        &self,
        tenant: TenantId,
        address: &str,
        reference: Option<AttemptText>,
    ) -> Result<(), Refused> {
        // Told of another account's message: topics are shared.
        if reference.is_some() && self.known(tenant, reference).await?.is_none() {
            return Ok(());
        }
        self.suppress(tenant, SuppressionScope::One(Channel::Email), address, "bounce").await.map(drop)
    }

    /// The contact that an attempt was for, where there is one.
    async fn known(&self, tenant: TenantId, attempt: Option<AttemptText>) -> PortResult<Option<ContactId>> {
        let Some(attempt) = attempt else { return Ok(None) };
        let contact = attempt.0.enrollment.contact;
        Ok(self.store.contact(tenant, contact).await?.map(|contact| contact.id))
    }

    /// What a link leads to; `None` for one that is not ours. Changes nothing.
    pub async fn unsubscription(&self, token: &str) -> PortResult<Option<Unsubscription>> {
        let Some(Unsubscribes { tenant, contact, channel }) = self.config.tokens.unsubscribes(token) else {
            return Ok(None);
        };
        let Some(account) = self.store.account(tenant).await? else { return Ok(None) };
        let contact = self.store.contact(tenant, contact).await?;
        let language = contact.and_then(|contact| contact.profile.language);
        let Settings { name, .. } = &account.settings;
        let language = language.unwrap_or_else(|| account.settings.language().to_owned());
        Ok(Some(Unsubscription { channel, account: name.clone(), language }))
    }

    /// The contact gets nothing more on that channel, and its runs end; `None` for a link that is not ours.
    /// Once more is the same.
    pub async fn unsubscribe(&self, token: &str) -> Result<Option<Unsubscription>, Refused> {
        let Some(unsubscription) = self.unsubscription(token).await? else { return Ok(None) };
        let Some(Unsubscribes { tenant, contact, channel }) = self.config.tokens.unsubscribes(token) else {
            return Ok(None);
        };
        let at: Timestamp = self.now();
        match self.opt_out(tenant, contact, channel, &format!("link:{}", at.0), at).await {
            // Nobody is left to write to.
            Ok(_) | Err(Refused::Unknown { .. }) => Ok(Some(unsubscription)),
            Err(refused) => Err(refused),
        }
    }
}
