//! The templates of a WhatsApp Business Account.

use domain::message::Refusal;
use domain::sender::{KnownButton, KnownTemplate, TemplateParts};
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
use serde_json::Value;

use super::config::{Config, Credentials};
use super::send::refusal;
use crate::call;
use crate::foreign::text;

/// Templates asked for in one call, and calls made: an account holds at most some thousands.
const PAGE: u32 = 100;
const MAX_PAGES: usize = 100;
/// A page carries each template's whole text.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

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
    let mut request =
        http.get(config.url(&config.waba_id, "message_templates")).bearer_auth(&credentials.access_token).query(&[
            ("fields", "name,language,status,category,parameter_format,components"),
            ("limit", &PAGE.to_string()),
        ]);
    if let Some(after) = after {
        request = request.query(&[("after", after)]);
    }
    let answer = call::read(request, MAX_PAGE_BYTES).await?;
    if !answer.is_success() {
        return Err(refusal(&answer));
    }
    answer.json().ok_or_else(|| Refusal::passing("unreadable"))
}

fn known(template: &Value) -> Option<KnownTemplate> {
    let field = |name: &str| text(template, name).map(String::from);
    let word = |name: &str| field(name).unwrap_or_default().to_ascii_uppercase();
    let components = template.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let component =
        |type_: &str| components.iter().find(|c| text(c, "type").is_some_and(|t| t.eq_ignore_ascii_case(type_)));
    let named = word("parameter_format") == "NAMED";
    let body = variables(component("body").and_then(|body| text(body, "text")).unwrap_or_default());
    let header = component("header");
    let header_type = header.and_then(self::header);
    let header_name = header.filter(|_| named && header_type == Some(TemplateHeaderType::Text));
    let header_name = header_name.and_then(|h| variables(text(h, "text")?).first().map(|name| (*name).to_owned()));
    Some(KnownTemplate {
        name: field("name")?,
        language: field("language")?,
        status: word("status"),
        category: Some(word("category")).filter(|category| !category.is_empty()),
        body_parameters: u32::try_from(body.len()).unwrap_or(u32::MAX),
        parts: Some(TemplateParts {
            body_names: if named { body.iter().map(|name| (*name).to_owned()).collect() } else { Vec::new() },
            header: header_type,
            header_name,
            buttons: component("buttons").map(buttons).unwrap_or_default(),
        }),
        as_of: None,
    })
}

/// The parameter that a send gives for a header.
fn header(component: &Value) -> Option<TemplateHeaderType> {
    let has_variable = || text(component, "text").is_some_and(|t| !variables(t).is_empty());
    match text(component, "format").unwrap_or("TEXT").to_ascii_uppercase().as_str() {
        "TEXT" if has_variable() => Some(TemplateHeaderType::Text),
        "IMAGE" => Some(TemplateHeaderType::Image),
        "VIDEO" => Some(TemplateHeaderType::Video),
        "DOCUMENT" => Some(TemplateHeaderType::Document),
        _ => None,
    }
}

fn buttons(component: &Value) -> Vec<KnownButton> {
    let all = component.get("buttons").and_then(Value::as_array).into_iter().flatten();
    let takes = |button: &Value| match text(button, "type")?.to_ascii_uppercase().as_str() {
        "URL" if !variables(text(button, "url")?).is_empty() => Some(TemplateButtonType::Url),
        "QUICK_REPLY" => Some(TemplateButtonType::QuickReply),
        "COPY_CODE" => Some(TemplateButtonType::CopyCode),
        _ => None,
    };
    // A template has ten buttons at most.
    (0_u8..10).zip(all).filter_map(|(index, b)| Some(KnownButton { index, sub_type: takes(b)? })).collect()
}

/// `{{1}}` or `{{first_name}}`, each once, in the order in which they stand.
fn variables(text: &str) -> Vec<&str> {
    let names = text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    names.fold(Vec::new(), |mut each, name| {
        if !each.contains(&name) {
            each.push(name);
        }
        each
    })
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
            assert_eq!(variables(text).len(), count, "{text}");
        }
    }

    #[test]
    fn what_a_send_must_say_is_read() {
        let read = known(&json!({"name": "fatura", "language": "pt_BR", "status": "APPROVED", "category": "utility",
            "parameter_format": "NAMED", "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Fatura de {{first_name}}"},
                {"type": "BODY", "text": "{{first_name}}, R$ {{amount}}. {{first_name}}!"},
                {"type": "FOOTER", "text": "Loja"},
                {"type": "BUTTONS", "buttons": [
                    {"type": "PHONE_NUMBER", "text": "Ligar", "phone_number": "+551130000000"},
                    {"type": "URL", "text": "Site", "url": "https://example.com"},
                    {"type": "URL", "text": "Pagar", "url": "https://example.com/{{1}}"},
                    {"type": "QUICK_REPLY", "text": "Já paguei"},
                    {"type": "COPY_CODE", "example": "PIX10"}]}]}))
        .unwrap();
        let button = |index, sub_type| KnownButton { index, sub_type };
        assert_eq!(read.category.as_deref(), Some("UTILITY"));
        assert_eq!(read.body_parameters, 2);
        assert_eq!(
            read.parts.unwrap(),
            TemplateParts {
                body_names: vec!["first_name".into(), "amount".into()],
                header: Some(TemplateHeaderType::Text),
                header_name: Some("first_name".into()),
                buttons: vec![
                    button(2, TemplateButtonType::Url),
                    button(3, TemplateButtonType::QuickReply),
                    button(4, TemplateButtonType::CopyCode),
                ],
            }
        );
        let header = |header: Value| {
            let template = json!({"name": "a", "language": "en", "components": [header]});
            known(&template).unwrap().parts.unwrap().header
        };
        assert_eq!(header(json!({"type": "HEADER", "format": "TEXT", "text": "Olá"})), None);
        assert_eq!(header(json!({"type": "header", "format": "image"})), Some(TemplateHeaderType::Image));
        assert_eq!(header(json!({"type": "HEADER", "format": "LOCATION"})), None);
    }

    #[test]
    fn a_template_without_body_has_no_variables() {
        let template = known(&json!({"name": "a", "language": "pt_BR", "status": "approved"})).unwrap();
        assert_eq!((template.status.as_str(), template.body_parameters), ("APPROVED", 0));
        assert_eq!(known(&json!({"name": "a"})), None);
    }
}
