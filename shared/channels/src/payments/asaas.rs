//! Asaas: a token in a header, and the whole payment in the body.

use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider};
use domain::time::Timestamp;
use serde_json::Value;

use super::Unusable;
use super::fields::{Data, amount, id, ids, key, parse, text};
use crate::Webhook;
use crate::signatures::same_text;

const TOKEN_HEADER: &str = "asaas-access-token";
/// Amounts are always reais and carry no currency.
const CURRENCY: &str = "BRL";
/// Times carry no zone: they are Brasília's, which has had no daylight saving time since 2019.
const OFFSET: &str = "-03:00";

/// The token that was set in Asaas's panel; nothing is signed.
pub(super) fn verify(webhook: &Webhook<'_>, secrets: &[&str]) -> bool {
    let Some(token) = webhook.header(TOKEN_HEADER).filter(|token| !token.is_empty()) else { return false };
    secrets.iter().any(|secret| same_text(secret, token))
}

pub(super) fn normalise(raw: &[u8]) -> Result<Option<PaymentNotice>, Unusable> {
    let body = parse(raw)?;
    Ok(event(raw, &body).map(|event| PaymentNotice::Charge(Box::new(event))))
}

fn event(raw: &[u8], body: &Value) -> Option<ChargeEvent> {
    let name = text(body, "event")?;
    let change = change(name)?;
    let payment = body.get("payment")?;
    let charge = id(payment, "id")?;
    let data = Data {
        provider: PaymentProvider::Asaas,
        event: name,
        amount: amount(raw, &["payment", "value"], Some(CURRENCY)),
        currency: Some(CURRENCY.into()),
        method: text(payment, "billingType").filter(|method| *method != "UNDEFINED").map(str::to_lowercase),
    };
    let due_date = text(payment, "dueDate").filter(|date| date.len() <= 32).map(str::to_owned);
    Some(ChargeEvent {
        key: key(PaymentProvider::Asaas, change, Some(&charge), &id(body, "id")?),
        name: name.to_owned(),
        change,
        at: text(body, "dateCreated").and_then(instant),
        // Its own id first: the payments of an instalment plan or a subscription share one reference.
        known_as: ids([Some(charge.clone()), id(payment, "externalReference")]),
        kept_as: Some(charge),
        // The payment names a customer of theirs, neither an email nor a phone.
        payer: Payer::default(),
        data: data.fields(),
        attributes: data.attributes(due_date, text(payment, "invoiceUrl")),
    })
}

fn change(name: &str) -> Option<ChargeChange> {
    Some(match name {
        "PAYMENT_CREATED" => ChargeChange::Created,
        "PAYMENT_OVERDUE" => ChargeChange::Overdue,
        // A card is confirmed, and received a month later; Pix and boleto are received.
        "PAYMENT_CONFIRMED" | "PAYMENT_RECEIVED" => ChargeChange::Paid,
        "PAYMENT_CREDIT_CARD_CAPTURE_REFUSED" | "PAYMENT_REPROVED_BY_RISK_ANALYSIS" => ChargeChange::Failed,
        "PAYMENT_REFUNDED" => ChargeChange::Refunded,
        "PAYMENT_DELETED" => ChargeChange::Canceled,
        _ => return None,
    })
}

/// `2024-06-12 16:45:03`.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(' ')?;
    Timestamp::parse(&format!("{date}T{time}{OFFSET}"))
}
