//! What callers say of a person, checked and brought to its one form.

use std::collections::BTreeMap;

use domain::contact::{Profile, canonical_phone, is_bsuid};
use domain::region::is_country;
use domain::time::Zone;
use serde_json::Value;

use crate::accounts::{Fault, MAX_TEXT, check_length, check_user, is_email};

const MAX_ATTRIBUTES: usize = 200;
const MAX_ATTRIBUTE_BYTES: usize = 16 * 1024;

/// The profile in canonical form, or everything that is wrong with it. Blank texts count as left
/// out; one identity must remain.
pub fn check_profile(mut profile: Profile, default_country: Option<&str>) -> Result<Profile, Vec<Fault>> {
    let mut faults = Vec::new();
    for text in texts(&mut profile) {
        *text = text.take().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    }
    if let Some(email) = &mut profile.email {
        *email = email.to_lowercase();
        if !is_email(email) {
            faults.push(Fault::new("/email", "invalid_email", "is not an email address"));
        }
    }
    if let Some(phone) = &mut profile.phone {
        match canonical_phone(phone, default_country) {
            Some(canonical) => *phone = canonical,
            None => faults.push(Fault::new("/phone", "invalid_phone", invalid_phone(default_country))),
        }
    }
    if let Some(id) = &mut profile.whatsapp_id {
        *id = id.trim_start_matches('+').to_owned();
        if !is_whatsapp_id(id) {
            let detail = "is neither a number's digits nor a business-scoped id such as `BR.123`";
            faults.push(Fault::new("/whatsapp_id", "invalid_whatsapp_id", detail));
        }
    }
    if profile.timezone.as_ref().is_some_and(|z| z.parse::<Zone>().is_err()) {
        faults.push(Fault::new("/timezone", "invalid_timezone", "is not an IANA time zone"));
    }
    if let Some(country) = &mut profile.country {
        *country = country.to_ascii_uppercase();
        if !is_country(country) {
            faults.push(Fault::new("/country", "invalid_country", "is not an ISO 3166 code such as `BR`"));
        }
    }
    if profile.language.as_ref().is_some_and(|l| !is_language(l)) {
        faults.push(Fault::new("/language", "invalid_language", "is not a language such as `pt_BR`"));
    }
    for (pointer, text) in [
        ("/external_id", &profile.external_id),
        ("/first_name", &profile.first_name),
        ("/last_name", &profile.last_name),
    ] {
        check_length(&mut faults, pointer, text.as_deref().unwrap_or_default(), MAX_TEXT);
    }
    faults.extend(profile.assignee.iter().flat_map(|u| check_user(u, "/assignee")));
    faults.extend(check_attributes(&profile.attributes));
    if faults.is_empty() && profile.identities().is_empty() {
        let detail = "one of external_id, email, phone and whatsapp_id is required";
        faults.push(Fault::new("", "required", detail));
    }
    if faults.is_empty() { Ok(profile) } else { Err(faults) }
}

/// Attributes are single values with a name, not documents.
pub fn check_attributes(attributes: &BTreeMap<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut bytes = 0;
    for (name, value) in attributes {
        let pointer = format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.trim().is_empty() || name.chars().count() > MAX_TEXT {
            faults.push(Fault::new(&pointer, "invalid_name", "is not a usable name"));
        }
        if value.is_object() || value.is_array() {
            faults.push(Fault::new(&pointer, "invalid_type", "must be a text, a number, a boolean or null"));
        }
        bytes += name.len() + value.as_str().map_or(8, str::len);
    }
    if attributes.len() > MAX_ATTRIBUTES || bytes > MAX_ATTRIBUTE_BYTES {
        let detail = format!("must be at most {MAX_ATTRIBUTES} with {MAX_ATTRIBUTE_BYTES} bytes together");
        faults.push(Fault::new("/attributes", "too_long", detail));
    }
    faults
}

fn texts(profile: &mut Profile) -> [&mut Option<String>; 9] {
    [
        &mut profile.external_id,
        &mut profile.first_name,
        &mut profile.last_name,
        &mut profile.email,
        &mut profile.phone,
        &mut profile.whatsapp_id,
        &mut profile.timezone,
        &mut profile.country,
        &mut profile.language,
    ]
}

fn invalid_phone(default_country: Option<&str>) -> String {
    match default_country {
        Some(country) => format!("is no phone number, neither international nor of {country}"),
        None => "is no international phone number (the account has no default_country)".into(),
    }
}

fn is_whatsapp_id(id: &str) -> bool {
    if is_bsuid(id) {
        return id.len() <= 128 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    }
    (5..=17).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit())
}

/// `pt`, `pt_BR`, `pt-BR`, `zh_Hant_TW`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split(['_', '-']);
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use domain::account::User;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_gets_its_one_form() {
        let said = Profile {
            first_name: Some(" Ana ".into()),
            last_name: Some("".into()),
            email: Some("Ana@Example.com".into()),
            phone: Some("(11) 98765-4321".into()),
            whatsapp_id: Some("+5511987654321".into()),
            country: Some("br".into()),
            language: Some("pt_BR".into()),
            timezone: Some("America/Sao_Paulo".into()),
            ..Profile::default()
        };
        let checked = check_profile(said, Some("BR")).expect("is fine");
        assert_eq!(checked.first_name.as_deref(), Some("Ana"));
        assert_eq!(checked.last_name, None);
        assert_eq!(checked.email.as_deref(), Some("ana@example.com"));
        assert_eq!(checked.phone.as_deref(), Some("+5511987654321"));
        assert_eq!(checked.whatsapp_id.as_deref(), Some("5511987654321"));
        assert_eq!(checked.country.as_deref(), Some("BR"));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let said = Profile {
            external_id: Some("x".repeat(256)),
            email: Some("nobody".into()),
            phone: Some("123".into()),
            whatsapp_id: Some("abc".into()),
            timezone: Some("Mars/Olympus".into()),
            country: Some("XX".into()),
            language: Some("portuguese!".into()),
            assignee: Some(User { name: String::new(), email: "x".into() }),
            attributes: BTreeMap::from([("a/b".into(), json!([1]))]),
            ..Profile::default()
        };
        let found: Vec<_> =
            check_profile(said, None).expect_err("is wrong").into_iter().map(|f| (f.pointer, f.code)).collect();
        let expected = [
            ("/email", "invalid_email"),
            ("/phone", "invalid_phone"),
            ("/whatsapp_id", "invalid_whatsapp_id"),
            ("/timezone", "invalid_timezone"),
            ("/country", "invalid_country"),
            ("/language", "invalid_language"),
            ("/external_id", "too_long"),
            ("/assignee/name", "required"),
            ("/assignee/email", "invalid_email"),
            ("/attributes/a~1b", "invalid_type"),
        ];
        assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c)));
    }

    #[test]
    fn somebody_without_an_identity_is_nobody() {
        let said = Profile { first_name: Some("Ana".into()), email: Some(" ".into()), ..Profile::default() };
        let faults = check_profile(said, None).expect_err("is wrong");
        assert_eq!(faults.iter().map(|f| (f.pointer.as_str(), f.code)).collect::<Vec<_>>(), [("", "required")]);
    }

    #[test]
    fn a_national_number_needs_the_accounts_country() {
        let said = || Profile { phone: Some("(11) 98765-4321".into()), ..Profile::default() };
        assert!(check_profile(said(), None).is_err());
        assert!(check_profile(said(), Some("BR")).is_ok());
    }
}
