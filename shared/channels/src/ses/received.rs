//! Mail that SES has received for us (a receipt rule with an SNS action), as an answer of somebody's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::message::{AttemptText, EmailAnswer, Identity, InboundEvent, InboundKind, InboundMessage};
use domain::time::Timestamp;
use mail_parser::{Message, MessageParser, MimeHeaders as _};
use serde_json::Value;

use super::address::is_address;
use super::config::Config;
use super::events::own_id;
use super::quoted::new_part;
use crate::foreign::{MAX_NAME, MAX_TEXT, cut, id, instant, list, text};

/// Recipients of a message that are looked at.
const MAX_RECIPIENTS: usize = 100;
/// A token is 48 characters.
const MAX_TOKEN: usize = 64;
const MAX_MESSAGE_ID: usize = 512;

/// The answer; `None` for what is for another domain, and for what SES takes for a virus or for spam.
pub(super) fn answer(told: &Value, config: &Config, now: Timestamp) -> Option<InboundEvent> {
    let (mail, receipt) = (told.get("mail")?, told.get("receipt")?);
    let failed = |name: &str| receipt.pointer(&format!("/{name}/status")).and_then(Value::as_str) == Some("FAIL");
    if failed("virusVerdict") || failed("spamVerdict") {
        return None;
    }
    let locals = locals(mail, receipt, config.inbound_domain.as_deref()?);
    if locals.is_empty() {
        return None;
    }
    let token = |tag: &str| locals.iter().find_map(|local| local.strip_prefix(tag)).map(|token| cut(token, MAX_TOKEN));
    let unsubscribes = token("u+");
    let raw = content(told, receipt);
    let parsed = raw.as_deref().and_then(|raw| MessageParser::default().parse(raw));
    let mail = Mail { mail, parsed: parsed.as_ref() };
    let ids = ["In-Reply-To", "References"].map(|name| mail.header(name).unwrap_or_default());
    // Anybody can write any address. Where the domain's own rule says that it was not them, only what we
    // have given them counts.
    let from = mail.from().filter(|_| !failed("dmarcVerdict"));
    let name = mail.parsed.and_then(|m| m.from()?.first()?.name()).map(|name| cut(name, MAX_NAME));
    let words = mail.parsed.and_then(|message| message.body_text(0)).map(|words| cut(new_part(&words), MAX_TEXT));
    let in_reply_to = ids[0].split(['<', '>']).map(str::trim).find(|id| !id.is_empty());
    Some(InboundEvent::Email(EmailAnswer {
        message: InboundMessage {
            id: id(mail.mail, "messageId")?,
            from: from.map(Identity::Email).into_iter().collect(),
            at: instant(receipt, "timestamp").or_else(|| instant(mail.mail, "timestamp")).unwrap_or(now),
            kind: if mail.is_automatic() { InboundKind::AutoReply } else { InboundKind::Text },
            text: words.filter(|words| !words.is_empty()),
            in_reply_to: in_reply_to.map(|id| cut(id, MAX_MESSAGE_ID)),
            name,
        },
        unsubscribes: unsubscribes.is_some(),
        token: unsubscribes.or_else(|| token("r+")),
        // Among References, as a rule: In-Reply-To is the id that SES has put in its place.
        answers: ids.iter().find_map(|ids| own_id(ids)).map(AttemptText),
    }))
}

/// What stands before the @ of the recipients of our domain, in small letters.
fn locals(mail: &Value, receipt: &Value, domain: &str) -> Vec<String> {
    let recipients = list(receipt, "recipients").chain(list(mail, "destination")).filter_map(Value::as_str);
    let local = |recipient: &str| {
        let (local, of) = recipient.trim().rsplit_once('@')?;
        (is_address(recipient.trim()) && of.eq_ignore_ascii_case(domain)).then(|| local.to_lowercase())
    };
    recipients.take(MAX_RECIPIENTS).filter_map(local).collect()
}

/// The message itself, unless it was too large to come along.
fn content(told: &Value, receipt: &Value) -> Option<Vec<u8>> {
    let content = text(told, "content")?;
    match receipt.pointer("/action/encoding").and_then(Value::as_str) {
        Some("BASE64") => STANDARD.decode(content.replace(['\r', '\n'], "")).ok(),
        _ => Some(content.as_bytes().to_vec()),
    }
}

/// What SES says of a message, and the message.
struct Mail<'a> {
    mail: &'a Value,
    parsed: Option<&'a Message<'a>>,
}

impl Mail<'_> {
    /// The first header of that name, unfolded.
    fn header(&self, name: &str) -> Option<String> {
        let of_ses = || {
            let named = |h: &&Value| text(h, "name").is_some_and(|n| n.eq_ignore_ascii_case(name));
            text(list(self.mail, "headers").find(named)?, "value")
        };
        let of_message = || Some(self.parsed?.headers_raw().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1);
        Some(of_message().or_else(of_ses)?.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The one writer.
    fn from(&self) -> Option<String> {
        let parsed = || {
            let mut all = self.parsed?.from()?.iter();
            let only = all.next()?.address()?.to_owned();
            all.next().is_none().then_some(only)
        };
        let common = || {
            let first = self.mail.pointer("/commonHeaders/from/0")?.as_str()?;
            Some(first.rsplit_once('<').map_or(first, |(_, address)| address.trim_end_matches('>')).to_owned())
        };
        let address = parsed().or_else(common)?;
        is_address(&address).then(|| address.to_lowercase())
    }

    /// Whether a program has written it (RFC 3834, and what came before): out of office, a list's, a report
    /// of delivery or reading.
    fn is_automatic(&self) -> bool {
        let word = |name: &str| self.header(name).map(|value| value.to_ascii_lowercase());
        let first = |value: String| value.split([';', ' ']).next().unwrap_or_default().to_owned();
        let submitted = word("Auto-Submitted").map(first).is_some_and(|value| value != "no");
        let precedence = word("Precedence").map(first);
        let bulk = precedence.is_some_and(|p| ["bulk", "auto_reply", "list", "junk"].contains(&p.as_str()));
        let marked = ["X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress"];
        let marked = marked.iter().any(|name| word(name).is_some_and(|value| value != "no" && value != "none"));
        let nobody = |source: &str| source.is_empty() || source == "<>";
        let returns = word("Return-Path").is_some_and(|path| nobody(&path))
            || self.mail.get("source").and_then(Value::as_str).is_some_and(nobody);
        let daemon =
            self.from().is_some_and(|from| from.starts_with("mailer-daemon@") || from.starts_with("postmaster@"));
        let report = self.parsed.and_then(|m| m.content_type()).is_some_and(|of| {
            of.ctype().eq_ignore_ascii_case("multipart")
                && of.subtype().is_some_and(|s| s.eq_ignore_ascii_case("report"))
        });
        submitted || bulk || marked || returns || daemon || report
    }
}
