//! An account's settings: the zone, the hours, the holidays, and who may do what.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::content::DecimalMark;
use crate::ids::{ApiKeyId, ContactId, SenderId, TenantId};
use crate::message::Channel;
use crate::time::{AllowedHours, Calendar, Timestamp, Weekday, Zone};

#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub id: TenantId,
    /// Bumped by every write; the condition of the next one.
    pub rev: u64,
    pub created_at: Timestamp,
    pub settings: Settings,
}

/// `GET|PATCH /v1/account`, and the stored document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub name: String,
    /// The module is opt-in: while false nothing sends.
    pub enabled: bool,
    /// IANA name.
    pub timezone: String,
    pub use_contact_timezone: bool,
    pub quiet_hours: Vec<AllowedHours>,
    pub business_days: Vec<Weekday>,
    pub holidays: Holidays,
    pub send_on_holidays: bool,
    pub spread_minutes: u32,
    pub contact_limits: Vec<ContactLimit>,
    /// ISO 3166 code: how phones without a country code are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    pub opt_out_words: Vec<String>,
    pub ai: Ai,
    pub default_senders: BTreeMap<Channel, SenderId>,
    pub test_contact_id: Option<ContactId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: false,
            timezone: "UTC".into(),
            use_contact_timezone: false,
            quiet_hours: Vec::new(),
            business_days: Weekday::WORKING.to_vec(),
            holidays: Holidays::default(),
            send_on_holidays: true,
            spread_minutes: 0,
            contact_limits: Vec::new(),
            default_country: None,
            opt_out_words: OPT_OUT_WORDS.iter().map(|w| (*w).into()).collect(),
            ai: Ai::default(),
            default_senders: BTreeMap::new(),
            test_contact_id: None,
        }
    }
}

/// Words that, alone in a message, opt out: Portuguese, English and Spanish.
pub const OPT_OUT_WORDS: [&str; 9] =
    ["stop", "sair", "parar", "pare", "cancelar", "descadastrar", "baja", "unsubscribe", "remover"];

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Holidays {
    /// ISO 3166 codes whose nationwide public holidays count.
    pub countries: Vec<String>,
    /// The account's own dates.
    #[schema(value_type = Vec<String>)]
    pub dates: Vec<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactLimit {
    pub max: u32,
    pub per: LimitPeriod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitPeriod {
    Day,
    Week,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ai {
    pub provider: AiProvider,
    pub model: Option<String>,
    pub base_url: Option<String>,
    pub instructions: Option<String>,
    pub language: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AiProvider {
    #[default]
    None,
    Bedrock,
    Openai,
}

impl Settings {
    /// The calendar in force for a contact: the account's zone, or the contact's own where the
    /// account says so and it is known (TIME.md section 1).
    pub fn calendar(&self, contact_timezone: Option<&str>) -> Calendar {
        let own = contact_timezone.filter(|_| self.use_contact_timezone).and_then(|z| z.parse::<Zone>().ok());
        Calendar {
            zone: own.unwrap_or_else(|| self.zone()),
            quiet_hours: self.quiet_hours.clone(),
            business_days: self.business_days.clone(),
            holiday_countries: self.holidays.countries.clone(),
            holiday_dates: self.holidays.dates.iter().copied().collect(),
            send_on_holidays: self.send_on_holidays,
            spread_minutes: self.spread_minutes,
        }
    }

    /// The account's zone. The API refuses unknown names, so UTC here means UTC.
    pub fn zone(&self) -> Zone {
        self.timezone.parse().unwrap_or(Zone::UTC)
    }

    /// The language of the account's country, as far as it is one that Ritmo writes; else empty.
    pub fn language(&self) -> &'static str {
        match self.default_country.as_deref().unwrap_or_default() {
            "BR" => "pt_BR",
            "PT" | "AO" | "MZ" | "CV" => "pt_PT",
            "ES" | "MX" | "AR" | "CL" | "CO" | "PE" | "UY" | "PY" | "BO" | "EC" | "VE" | "CR" | "PA" | "GT" | "SV"
            | "HN" | "NI" | "DO" | "CU" | "PR" => "es",
            "US" | "GB" | "CA" | "AU" | "NZ" | "IE" => "en_US",
            _ => "",
        }
    }

    /// How amounts are written in the account's country, where it is known.
    pub fn decimal_mark(&self) -> Option<DecimalMark> {
        self.default_country.as_deref().and_then(DecimalMark::of_country)
    }

    /// Whether a message's whole text is an opt-out word (trimmed; case, accents and end
    /// punctuation ignored).
    pub fn is_opt_out(&self, text: &str) -> bool {
        let word = plain(text);
        !word.is_empty() && self.opt_out_words.iter().any(|w| plain(w) == word)
    }
}

/// Trimmed, lower-case, without accents and end punctuation.
fn plain(text: &str) -> String {
    let folded: String = text
        .trim()
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
            'ú' | 'ù' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            c => c,
        })
        .collect();
    folded.trim_end_matches(['.', '!', '?', '…', ',', ';']).trim_end().to_owned()
}

/// What a key may do. The order is the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Agent,
    Manager,
    Admin,
}

/// A key's user: owns what the key creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub name: String,
    pub email: String,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub tenant: TenantId,
    pub name: String,
    pub role: Role,
    pub user: Option<User>,
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Who owns what this key creates: its user's email, else the key.
    pub fn owner(&self) -> String {
        self.user.as_ref().map_or_else(|| self.id.to_string(), |u| u.email.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_word_is_the_whole_text() {
        let settings = Settings::default();
        for text in ["STOP", " sair. ", "Parar!", "BAJA", "Cancelar…"] {
            assert!(settings.is_opt_out(text), "{text}");
        }
        for text in ["", "   ", "não quero parar", "stop it", "."] {
            assert!(!settings.is_opt_out(text), "{text}");
        }
    }

    #[test]
    fn the_contacts_zone_counts_only_where_the_account_says_so() {
        let mut settings = Settings { timezone: "America/Sao_Paulo".into(), ..Settings::default() };
        assert_eq!(settings.calendar(Some("Asia/Tokyo")).zone.name(), "America/Sao_Paulo");
        settings.use_contact_timezone = true;
        assert_eq!(settings.calendar(Some("Asia/Tokyo")).zone.name(), "Asia/Tokyo");
        assert_eq!(settings.calendar(Some("Mars/Olympus")).zone.name(), "America/Sao_Paulo");
        assert_eq!(settings.calendar(None).zone.name(), "America/Sao_Paulo");
    }
}
