//! Accounts, their settings and keys: who may call, and under which rules.
//!
//! If it dies:
//! - `create_account` after the account: the repeat (same seed) finds its own account and writes the
//!   same key again. Without a repeat, an account nobody has a key of.
//! - `edit_settings` after the write: the settings hold, but what was parked while the module was off
//!   stays so. The repeat changes nothing and therefore releases it again.
//! - `create_key` after the write: the repeat makes the same secret and writes the same key.

use domain::account::{Account, ApiKey, Role, Settings, User};
use domain::enrollment::ParkReason;
use domain::ids::{ApiKeyId, Ids, TenantId};
use domain::region::is_country;
use domain::time::{AllowedHours, ClockTime, Zone, country_supported};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sha2::{Digest as _, Sha256};

use crate::model::Caller;
use crate::ports::{Inserted, PortResult, Ports, Saved, Store as _};
use crate::{Engine, MAX_RACES, PortError, Refused};

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901, from the object that was checked.
    pub pointer: String,
    pub code: &'static str,
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }

    pub fn required(pointer: impl Into<String>) -> Self {
        Self::new(pointer, "required", "is required")
    }
}

/// A request that is refused for its fields, all of them at once, or by a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Invalid {
    Faults(Vec<Fault>),
    Refused(Refused),
}

impl<T: Into<Refused>> From<T> for Invalid {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

/// `Err` when anything was found.
pub(crate) fn all_right(faults: Vec<Fault>) -> Result<(), Invalid> {
    if faults.is_empty() { Ok(()) } else { Err(Invalid::Faults(faults)) }
}

/// A key with its secret, which is shown once and never stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    pub key: ApiKey,
    pub secret: String,
}

const SECRET_PREFIX: &str = "rk_";

/// What is stored of a secret.
pub fn secret_hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl<P: Ports> Engine<P> {
    /// Whose key this is; `None` for a secret that nobody has.
    pub async fn authenticate(&self, secret: &str) -> PortResult<Option<Caller>> {
        let key = self.store.key_by_hash(&secret_hash(secret)).await?;
        Ok(key.map(|key| Caller { tenant: key.tenant, role: key.role, owner: key.owner(), key: key.id }))
    }

    /// A new account with its first key, an admin's (`POST /v1/accounts`).
    pub async fn create_account(
        &self,
        settings: Settings,
        user: Option<User>,
        ids: &mut Ids,
    ) -> Result<(Account, NewKey), Invalid> {
        let id = TenantId::new(ids);
        let mut faults = check_settings(&settings);
        faults.extend(user.iter().flat_map(|u| check_user(u, "/user")));
        faults.extend(self.check_references(id, &Settings::default(), &settings).await?);
        all_right(faults)?;
        let mut account = Account { id, rev: 1, created_at: self.now(), settings };
        if let Inserted::Exists(ours) = self.store.create_account(&account).await? {
            // The id is random: only an earlier try of this very request can have made it.
            account = ours;
        }
        let key = self.create_key(id, "operator".into(), Role::Admin, user, ids).await?;
        Ok((account, key))
    }

    /// Changes settings on the revision that was read, again when somebody was faster. `edit` sees
    /// the stored settings and gives the new ones.
    pub async fn edit_settings(
        &self,
        tenant: TenantId,
        edit: &(impl Fn(&Settings) -> Result<Settings, Invalid> + Sync),
        ids: &mut Ids,
    ) -> Result<Account, Invalid> {
        let mut account = self.stored_account(tenant).await?;
        for _ in 0..MAX_RACES {
            let settings = edit(&account.settings)?;
            let mut faults = check_settings(&settings);
            faults.extend(self.check_references(tenant, &account.settings, &settings).await?);
            all_right(faults)?;
            // A repeat of the edit that switched it on looks like no change at all.
            let switched_on = settings.enabled && (!account.settings.enabled || settings == account.settings);
            let next = Account { rev: account.rev + 1, settings, ..account.clone() };
            match self.store.save_account(&next).await? {
                Saved::Yes => {
                    self.forget(tenant);
                    if switched_on {
                        self.release(tenant, ParkReason::ModuleDisabled, next.rev, ids).await?;
                    }
                    return Ok(next);
                }
                Saved::No(Some(faster)) => account = faster,
                Saved::No(None) => account = self.stored_account(tenant).await?,
            }
        }
        Err(Refused::Busy.into())
    }

    /// A key whose secret comes from the request's ids, so that a repeat shows the same one.
    pub async fn create_key(
        &self,
        tenant: TenantId,
        name: String,
        role: Role,
        user: Option<User>,
        ids: &mut Ids,
    ) -> Result<NewKey, Invalid> {
        let mut faults = Vec::new();
        check_text(&mut faults, "/name", &name);
        faults.extend(user.iter().flat_map(|u| check_user(u, "/user")));
        all_right(faults)?;
        let id = ApiKeyId::new(ids);
        let secret = format!("{SECRET_PREFIX}{}", B64.encode(ids.bytes::<32>()));
        let key = ApiKey { id, tenant, name, role, user, created_at: self.now() };
        self.store.put_key(&key, &secret_hash(&secret)).await?;
        Ok(NewKey { key, secret })
    }

    pub async fn delete_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<(), Refused> {
        match self.store.delete_key(tenant, id).await? {
            true => Ok(()),
            false => Err(Refused::Unknown { what: "API key", pointer: "" }),
        }
    }

    async fn stored_account(&self, tenant: TenantId) -> Result<Account, PortError> {
        self.store.account(tenant).await?.ok_or_else(|| PortError::Poison("a key without its account".into()))
    }

    /// What the new settings name must exist. What they named before is left alone, so that one
    /// dead reference does not block every other change.
    async fn check_references(&self, tenant: TenantId, before: &Settings, after: &Settings) -> PortResult<Vec<Fault>> {
        let mut faults = Vec::new();
        for (channel, id) in &after.default_senders {
            if before.default_senders.get(channel) == Some(id) {
                continue;
            }
            let pointer = format!("/default_senders/{}", channel.as_str());
            let sender = if id.tenant() == tenant { self.store.sender(*id).await? } else { None };
            match sender {
                None => faults.push(Fault::new(pointer, "unknown_reference", format!("there is no sender {id}"))),
                Some(sender) if sender.channel != *channel => faults.push(Fault::new(
                    pointer,
                    "wrong_channel",
                    format!("{id} sends by {}, not by {}", sender.channel.as_str(), channel.as_str()),
                )),
                Some(_) => {}
            }
        }
        if let Some(id) = after.test_contact_id.filter(|_| after.test_contact_id != before.test_contact_id)
            && self.store.contact(tenant, id).await?.is_none()
        {
            faults.push(Fault::new("/test_contact_id", "unknown_reference", format!("there is no contact {id}")));
        }
        Ok(faults)
    }
}

/// Longest name, word or address that is kept.
pub(crate) const MAX_TEXT: usize = 255;

pub(crate) fn check_text(faults: &mut Vec<Fault>, pointer: &str, text: &str) {
    if text.trim().is_empty() {
        faults.push(Fault::new(pointer, "required", "must not be blank"));
    }
    check_length(faults, pointer, text, MAX_TEXT);
}

pub(crate) fn check_length(faults: &mut Vec<Fault>, pointer: &str, text: &str, max: usize) {
    if text.chars().count() > max {
        faults.push(Fault::new(pointer, "too_long", format!("must have at most {max} characters")));
    }
}

pub(crate) fn check_user(user: &User, at: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_text(&mut faults, &format!("{at}/name"), &user.name);
    if !is_email(&user.email) {
        faults.push(Fault::new(format!("{at}/email"), "invalid_email", "is not an email address"));
    }
    faults
}

/// One `@` with something before it and a dotted domain after it. Whether it exists only sending tells.
pub(crate) fn is_email(text: &str) -> bool {
    let plain = text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    plain
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.contains('.')
                && domain.split('.').all(|label| !label.is_empty())
        })
}

/// What counts with a contact is kept in its item, and nobody wants more messages than that.
const MAX_CONTACT_LIMIT: u32 = 1_000;

/// Every rule that the settings alone decide.
pub fn check_settings(settings: &Settings) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_length(&mut faults, "/name", &settings.name, MAX_TEXT);
    if settings.timezone.parse::<Zone>().is_err() {
        faults.push(Fault::new("/timezone", "invalid_timezone", "is not an IANA time zone"));
    }
    check_list(&mut faults, "/quiet_hours", settings.quiet_hours.len());
    for (i, hours) in settings.quiet_hours.iter().enumerate() {
        check_hours(&mut faults, &format!("/quiet_hours/{i}"), hours);
    }
    if settings.business_days.is_empty() {
        faults.push(Fault::new("/business_days", "required", "must name at least one day"));
    }
    check_list(&mut faults, "/holidays/countries", settings.holidays.countries.len());
    for (i, country) in settings.holidays.countries.iter().enumerate() {
        if !country_supported(country) {
            let pointer = format!("/holidays/countries/{i}");
            faults.push(Fault::new(pointer, "unsupported_country", format!("no holidays are known for `{country}`")));
        }
    }
    check_list(&mut faults, "/holidays/dates", settings.holidays.dates.len());
    if settings.spread_minutes > 24 * 60 {
        faults.push(Fault::new("/spread_minutes", "out_of_range", "must be at most 1440"));
    }
    check_list(&mut faults, "/contact_limits", settings.contact_limits.len());
    for (i, limit) in settings.contact_limits.iter().enumerate() {
        if !(1..=MAX_CONTACT_LIMIT).contains(&limit.max) {
            let detail = format!("must be between 1 and {MAX_CONTACT_LIMIT}");
            faults.push(Fault::new(format!("/contact_limits/{i}/max"), "out_of_range", detail));
        }
        if settings.contact_limits[..i].iter().any(|other| other.per == limit.per) {
            faults.push(Fault::new(format!("/contact_limits/{i}/per"), "duplicate", "has a limit already"));
        }
    }
    if settings.default_country.as_deref().is_some_and(|c| !is_country(c)) {
        faults.push(Fault::new("/default_country", "invalid_country", "is not an ISO 3166 code such as `BR`"));
    }
    check_list(&mut faults, "/opt_out_words", settings.opt_out_words.len());
    for (i, word) in settings.opt_out_words.iter().enumerate() {
        check_text(&mut faults, &format!("/opt_out_words/{i}"), word);
    }
    if let Some(url) = &settings.ai.base_url
        && !is_https_origin(url)
    {
        faults.push(Fault::new("/ai/base_url", "invalid_url", "must be an https origin such as `https://example.com`"));
    }
    for (name, text, max) in [
        ("model", &settings.ai.model, MAX_TEXT),
        ("instructions", &settings.ai.instructions, 4_000),
        ("language", &settings.ai.language, 35),
    ] {
        check_length(&mut faults, &format!("/ai/{name}"), text.as_deref().unwrap_or_default(), max);
    }
    faults
}

fn check_list(faults: &mut Vec<Fault>, pointer: &str, len: usize) {
    const MAX: usize = 366;
    if len > MAX {
        faults.push(Fault::new(pointer, "too_many", format!("must have at most {MAX} entries")));
    }
}

fn check_hours(faults: &mut Vec<Fault>, at: &str, hours: &AllowedHours) {
    if hours.from == hours.to {
        faults.push(Fault::new(format!("{at}/to"), "empty_window", "must differ from `from`"));
    }
    if hours.from == ClockTime::END_OF_DAY {
        faults.push(Fault::new(format!("{at}/from"), "invalid_value", "must be before 24:00"));
    }
    if hours.days.as_ref().is_some_and(Vec::is_empty) {
        faults.push(Fault::new(format!("{at}/days"), "required", "must name a day, or be left out for every day"));
    }
}

/// `https://`, a public-looking host, perhaps a port, and nothing else. What the name resolves to
/// is checked again by whoever calls it.
fn is_https_origin(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.trim_end_matches('/');
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    let numeric = name.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit()));
    host.chars().all(allowed) && name.contains('.') && !numeric && !name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use domain::account::{Ai, ContactLimit, Holidays, LimitPeriod};

    use super::*;

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        let hours = |from: &str, to: &str, days| AllowedHours {
            days,
            from: ClockTime::parse(from).expect("a time"),
            to: ClockTime::parse(to).expect("a time"),
        };
        let settings = Settings {
            timezone: "Mars/Olympus".into(),
            quiet_hours: vec![hours("20:00", "08:00", None), hours("09:00", "09:00", Some(vec![]))],
            business_days: vec![],
            holidays: Holidays { countries: vec!["XX".into()], dates: vec![] },
            spread_minutes: 2_000,
            contact_limits: [0, 1, 1_001].map(|max| ContactLimit { max, per: LimitPeriod::Day }).to_vec(),
            default_country: Some("BRA".into()),
            opt_out_words: vec!["stop".into(), " ".into()],
            ai: Ai { base_url: Some("http://10.0.0.1".into()), ..Ai::default() },
            ..Settings::default()
        };
        let found: Vec<_> = check_settings(&settings).into_iter().map(|f| (f.pointer, f.code)).collect();
        let expected = [
            ("/timezone", "invalid_timezone"),
            ("/quiet_hours/1/to", "empty_window"),
            ("/quiet_hours/1/days", "required"),
            ("/business_days", "required"),
            ("/holidays/countries/0", "unsupported_country"),
            ("/spread_minutes", "out_of_range"),
            ("/contact_limits/0/max", "out_of_range"),
            ("/contact_limits/1/per", "duplicate"),
            ("/contact_limits/2/max", "out_of_range"),
            ("/contact_limits/2/per", "duplicate"),
            ("/default_country", "invalid_country"),
            ("/opt_out_words/1", "required"),
            ("/ai/base_url", "invalid_url"),
        ];
        assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c)));
        assert_eq!(check_settings(&Settings::default()), []);
    }

    #[test]
    fn emails() {
        for good in ["a@b.co", "ana.maria+x@mail.example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "@b.co", "a@b", "a@@b.co", "a b@c.co", "a@b..co", "a@.co"] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn origins() {
        for good in ["https://api.example.com", "https://api.example.com:8443/"] {
            assert!(is_https_origin(good), "{good}");
        }
        for bad in ["http://a.com", "https://localhost", "https://127.0.0.1", "https://a.com/v1", "https://u:p@a.com"] {
            assert!(!is_https_origin(bad), "{bad}");
        }
    }
}
