//! What a request must be for SES to take it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// SES writes these itself.
const BARRED: [&str; 13] = [
    "bcc",
    "cc",
    "content-disposition",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];
const MAX_HEADERS: usize = 15;
const MAX_RECIPIENTS: usize = 50;
const MAX_TAGS: usize = 50;

/// An error as SES answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SesError {
    code: String,
    message: String,
}

impl SesError {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new("BadRequestException", message)
    }

    pub(super) fn unverified(region: &str, address: &str) -> Self {
        let region = region.to_uppercase();
        let said = "Email address is not verified. The following identities failed the check in region";
        Self::new("MessageRejected", format!("{said} {region}: {address}"))
    }
}

impl IntoResponse for SesError {
    fn into_response(self) -> Response {
        let status = match self.code.as_str() {
            "TooManyRequestsException" => StatusCode::TOO_MANY_REQUESTS,
            "NotFoundException" => StatusCode::NOT_FOUND,
            "AccessDeniedException"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "InvalidSignatureException" => StatusCode::FORBIDDEN,
            "InternalFailure" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, [("x-amzn-errortype", self.code)], Json(json!({"message": self.message}))).into_response()
    }
}

/// A send that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Send {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) text: String,
    pub(super) configuration_set: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

impl Send {
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn read(body: &Value) -> Result<Send, SesError> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let from = text("/FromEmailAddress").ok_or_else(|| SesError::bad("Missing required field FromEmailAddress"))?;
    let (to, cc) = (addresses(body, "/Destination/ToAddresses")?, addresses(body, "/Destination/CcAddresses")?);
    let replies = addresses(body, "/ReplyToAddresses")?;
    if to.is_empty() || to.len() + cc.len() > MAX_RECIPIENTS {
        return Err(SesError::bad("Recipient count must be from 1 to 50"));
    }
    for address in [from].into_iter().chain(to.iter().chain(&cc).chain(&replies).map(String::as_str)) {
        check_mailbox(address)?;
    }
    let simple = body.pointer("/Content/Simple").ok_or_else(|| SesError::bad("Content must have one of Simple"))?;
    let data = |name: &str| simple.pointer(&format!("{name}/Data")).and_then(Value::as_str);
    data("/Subject").ok_or_else(|| SesError::bad("Missing required field Subject"))?;
    let text_part = data("/Body/Text").or_else(|| data("/Body/Html"));
    let said = text_part.ok_or_else(|| SesError::bad("Missing required field Body"))?;
    check_headers(simple.get("Headers"))?;
    Ok(Send {
        from: from.to_owned(),
        to,
        cc,
        text: said.to_owned(),
        configuration_set: text("/ConfigurationSetName").map(str::to_owned),
        tags: tags(body.get("EmailTags"))?,
    })
}

fn addresses(body: &Value, pointer: &str) -> Result<Vec<String>, SesError> {
    let Some(list) = body.pointer(pointer).filter(|list| !list.is_null()) else { return Ok(Vec::new()) };
    let all: Option<Vec<String>> = list
        .as_array()
        .map(|list| list.iter().map(|address| address.as_str().unwrap_or_default().to_owned()).collect());
    all.ok_or_else(|| SesError::bad(format!("{pointer} must be a list")))
}

fn check_mailbox(text: &str) -> Result<(), SesError> {
    let wrong = || SesError::bad(format!("Illegal address: {text:?}"));
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) || text.len() > 320 {
        return Err(wrong());
    }
    let address = bare(text);
    let (local, domain) = address.split_once('@').ok_or_else(|| SesError::bad("Missing final '@domain'"))?;
    let plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', '<', '>', ',', ';', ':', '"']);
    let labels = domain
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    let whole = !text.ends_with('>') || text.matches('<').count() == 1;
    if plain(local) && local.len() <= 64 && labels && domain.contains('.') && whole { Ok(()) } else { Err(wrong()) }
}

/// The address of a mailbox.
pub(super) fn bare(text: &str) -> &str {
    text.rsplit_once('<').map_or(text, |(_, address)| address.trim_end_matches('>'))
}

fn check_headers(headers: Option<&Value>) -> Result<(), SesError> {
    let all = headers.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.len() > MAX_HEADERS {
        return Err(SesError::bad("Too many headers"));
    }
    let mut seen = Vec::new();
    for header in all {
        let of = |field: &str| header.get(field).and_then(Value::as_str).unwrap_or_default();
        let (name, value) = (of("Name"), of("Value"));
        let named = (1..=126).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let printable = (1..=995).contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !named || !printable || name.len() + value.len() > 996 {
            return Err(SesError::bad(format!("Invalid header {name:?}")));
        }
        let name = name.to_lowercase();
        if BARRED.contains(&name.as_str()) || seen.contains(&name) {
            return Err(SesError::bad(format!("Header {name} is not allowed, or is given twice")));
        }
        seen.push(name);
    }
    Ok(())
}

fn tags(tags: Option<&Value>) -> Result<Vec<(String, String)>, SesError> {
    let all = tags.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |text: &str| {
        (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let mut read = Vec::new();
    for tag in all {
        let of = |field: &str| tag.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, value) = (of("Name"), of("Value"));
        if !word(&name) || !word(&value) || read.iter().any(|(known, _)| *known == name) || read.len() == MAX_TAGS {
            return Err(SesError::new("BadRequestException", format!("Invalid tag {name:?}")));
        }
        read.push((name, value));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn good() -> Value {
        json!({
            "FromEmailAddress": "\"Loja\" <loja@example.com>",
            "Destination": {"ToAddresses": ["ana@example.com"]},
            "Content": {"Simple": {"Subject": {"Data": "Oi"}, "Body": {"Text": {"Data": "Oi"}},
                "Headers": [{"Name": "References", "Value": "<a@b.c>"}]}},
            "EmailTags": [{"Name": "a", "Value": "b"}],
        })
    }

    #[test]
    fn what_ses_refuses_is_refused() {
        assert_eq!(read(&good()).unwrap().tag("a"), Some("b"));
        for (pointer, value) in [
            ("/FromEmailAddress", json!("Açaí <loja@example.com>")),
            ("/FromEmailAddress", Value::Null),
            ("/Destination/ToAddresses", json!([])),
            ("/Destination/ToAddresses", json!(["ana"])),
            ("/Destination/ToAddresses", json!(["ana@exa mple.com"])),
            ("/Destination/ToAddresses", json!(vec!["ana@example.com"; 51])),
            ("/Content/Simple/Subject", Value::Null),
            ("/Content/Simple/Body", json!({})),
            ("/Content", json!({"Raw": {"Data": ""}})),
            ("/Content/Simple/Headers/0/Name", json!("Message-ID")),
            ("/Content/Simple/Headers/0/Name", json!("a:b")),
            ("/Content/Simple/Headers/0/Value", json!("é")),
            ("/Content/Simple/Headers/0/Value", json!("x".repeat(996))),
            ("/Content/Simple/Headers", json!([{"Name": "X-A", "Value": "1"}, {"Name": "x-a", "Value": "2"}])),
            ("/EmailTags/0/Value", json!("a.b")),
            ("/EmailTags/0/Name", json!("")),
        ] {
            let mut body = good();
            *body.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(&body).is_err(), "{pointer} {value}");
        }
    }
}
