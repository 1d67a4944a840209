//! The templates of a WhatsApp Business Account.

use std::collections::BTreeSet;

use domain::message::{Reaction, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::{Config, Credentials};
use super::normalise::text;
use super::send::{TOTAL_TIMEOUT, read_bounded, refusal, retry_after};

/// Templates asked for in one call, and calls made: an account holds at most some thousands.
const PAGE: u32 = 100;
const MAX_PAGES: usize = 100;
/// A page carries each template's whole text.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A template as Meta lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTemplate {
    pub name: String,
    /// Meta's locale (`pt_BR`).
    pub language: String,
    /// `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, `DISABLED` …: Meta's word, upper-case.
    pub status: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`; Meta may change it.
    pub category: String,
    /// Distinct variables of the body text.
    pub body_parameters: u32,
}

/// All templates of the sender's account, over all pages.
///
/// # Errors
/// The refusal. Reading changes nothing, so what would be ambiguous for a send is `Transient` here.
pub async fn templates(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
) -> Result<Vec<KnownTemplate>, Refusal> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = page(http, config, credentials, after.as_deref()).await?;
        found.extend(page.get("data").and_then(Value::as_array).into_iter().flatten().filter_map(known));
        let paging = page.get("paging");
        // The last page has a cursor too, but no `next`. `next` itself is a URL with the token in
        // it, for another origin than a configured one: only the cursor is used.
        let more = paging.is_some_and(|paging| text(paging, "next").is_some());
        let cursor = paging.and_then(|paging| paging.get("cursors")).and_then(|cursors| text(cursors, "after"));
        match cursor {
            Some(cursor) if more && after.as_deref() != Some(cursor) => after = Some(cursor.into()),
            _ => return Ok(found),
        }
    }
    tracing::warn!(provider = "whatsapp_cloud", kept = found.len(), "template list cut off");
    Ok(found)
}

async fn page(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    after: Option<&str>,
) -> Result<Value, Refusal> {
    let transient = |code: &str| Refusal { reaction: Reaction::Transient, code: code.into(), retry_after: None };
    let mut request = http
        .get(config.url(&config.waba_id, "message_templates"))
        .timeout(TOTAL_TIMEOUT)
        .bearer_auth(&credentials.access_token)
        .query(&[("fields", "name,language,status,category,components"), ("limit", &PAGE.to_string())]);
    if let Some(after) = after {
        request = request.query(&[("after", after)]);
    }
    let mut response =
        request.send().await.map_err(|error| transient(if error.is_connect() { "connect" } else { "timeout" }))?;
    let status = response.status();
    let wait = retry_after(response.headers());
    let answer: Option<Value> =
        read_bounded(&mut response, MAX_PAGE_BYTES).await.and_then(|raw| serde_json::from_slice(&raw).ok());
    match answer {
        Some(answer) if status.is_success() => Ok(answer),
        None if status.is_success() => Err(transient("unreadable")),
        answer => Err(refusal(status.as_u16(), wait, answer.as_ref())),
    }
}

fn known(template: &Value) -> Option<KnownTemplate> {
    let field = |name: &str| text(template, name).map(String::from);
    let body = template
        .get("components")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|component| text(component, "type").is_some_and(|type_| type_.eq_ignore_ascii_case("body")))
        .and_then(|component| text(component, "text"))
        .unwrap_or_default();
    Some(KnownTemplate {
        name: field("name")?,
        language: field("language")?,
        status: field("status").unwrap_or_default().to_ascii_uppercase(),
        category: field("category").unwrap_or_default().to_ascii_uppercase(),
        body_parameters: count_variables(body),
    })
}

/// `{{1}}` or `{{first_name}}`, each once.
fn count_variables(text: &str) -> u32 {
    let names: BTreeSet<&str> =
        text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim())).collect();
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_counted_once() {
        for (text, count) in [
            ("", 0),
            ("Oi", 0),
            ("Oi {{1}}, valor {{2}}. {{1}}!", 2),
            ("Oi {{first_name}}, {{ amount }}", 2),
            ("{{ open", 0),
            ("}} {{1}} {{", 1),
        ] {
            assert_eq!(count_variables(text), count, "{text}");
        }
    }

    #[test]
    fn a_template_without_body_has_no_variables() {
        let template = known(&json!({"name": "a", "language": "pt_BR", "status": "approved"})).unwrap();
        assert_eq!((template.status.as_str(), template.body_parameters), ("APPROVED", 0));
        assert_eq!(known(&json!({"name": "a"})), None);
    }
}
