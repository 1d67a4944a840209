//! Whoever signs with Standard Webhooks:
//! `{"type":"charge.paid","timestamp":"…Z","data":{"amount","currency","target":{"id"},"contact"?:{"email","phone"}, …}}`.

use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider};
use serde_json::{Map, Value, json};

use super::Unusable;
use super::fields::{Data, amount, currency, id, ids, instant, key, parse, text};
use crate::standard_webhooks::ID;
use crate::webhook::Webhook;

/// Of an event's own fields, which conditions may read.
const MAX_DATA: usize = 4 * 1024;

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
