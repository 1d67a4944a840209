//! Whoever signs with Standard Webhooks (standardwebhooks.com, symmetric `v1`):
//! `{"type":"charge.paid","timestamp":"…Z","data":{"amount","currency","target":{"id"},"contact"?:{"email","phone"}, …}}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider};
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::fields::{Data, amount, currency, id, ids, instant, key, parse, text, usable_id};
use super::{MAX_SIGNATURES, Unusable};
use crate::signatures::signs;
use crate::webhook::{Webhook, is_fresh};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";
/// Of an event's own fields, which conditions may read.
const MAX_DATA: usize = 4 * 1024;

/// `v1,<base64>` over `id.timestamp.body`, one of several behind blanks. The key is what the secret
/// says in base64, not its text.
pub(super) fn verify(webhook: &Webhook<'_>, secrets: &[&str], now: Timestamp) -> bool {
    let headers = [ID, TIMESTAMP, SIGNATURE].map(|name| webhook.header(name));
    let [Some(id), Some(time), Some(signatures)] = headers else { return false };
    if !usable_id(id) || !is_fresh(time, now) {
        return false;
    }
    let of_scheme = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
    let signatures: Vec<_> = of_scheme.filter_map(|text| BASE64.decode(text).ok()).take(MAX_SIGNATURES).collect();
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", webhook.raw];
    let keys = secrets.iter().filter_map(|secret| signing_key(secret));
    keys.into_iter().any(|key| signatures.iter().any(|signature| signs(&key, &parts, signature)))
}

fn signing_key(secret: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret)).ok()
}

/// The specification asks for 24 to 64 bytes; not everybody keeps to it.
pub(super) fn is_secret(secret: &str) -> bool {
    signing_key(secret).is_some_and(|key| (16..=128).contains(&key.len()))
}

pub(super) fn normalise(webhook: &Webhook<'_>) -> Result<Option<PaymentNotice>, Unusable> {
    let body = parse(webhook.raw)?;
    let event = webhook.header(ID).and_then(|id| event(webhook.raw, &body, id));
    Ok(event.map(|event| PaymentNotice::Charge(Box::new(event))))
}

fn event(raw: &[u8], body: &Value, webhook_id: &str) -> Option<ChargeEvent> {
    let name = text(body, "type")?;
    let change = ChargeChange::of(name)?;
    let said = body.get("data")?;
    let charge = said.get("target").and_then(|target| id(target, "id"));
    let contact = said.get("contact").unwrap_or(&Value::Null);
    let currency = currency(said, "currency");
    let data = Data {
        provider: PaymentProvider::Standard,
        event: name,
        amount: amount(raw, &["data", "amount"], currency.as_deref()),
        currency,
        method: text(said, "method").map(str::to_owned),
    };
    let mut fields = own_fields(said);
    fields.extend(data.fields());
    Some(ChargeEvent {
        // A charge of theirs may be one that comes again each month: only the id of the webhook, which
        // stays the same when it is sent again, says what is the same.
        key: key(PaymentProvider::Standard, change, None, webhook_id),
        name: name.to_owned(),
        change,
        at: instant(body, "timestamp"),
        known_as: ids([charge.clone()]),
        kept_as: charge,
        payer: Payer {
            email: text(contact, "email").map(str::to_owned),
            phone: text(contact, "phone").map(str::to_owned),
        },
        data: fields,
        attributes: data.attributes(text(said, "due_date").map(str::to_owned), text(said, "link")),
    })
}

/// What else the event says, for conditions; none of it where it is long.
fn own_fields(said: &Value) -> Map<String, Value> {
    let mut fields = said.as_object().cloned().unwrap_or_default();
    ["target", "contact", "amount", "currency"].iter().for_each(|name| drop(fields.remove(*name)));
    if json!(fields).to_string().len() > MAX_DATA {
        fields.clear();
    }
    fields
}
