//! Mercado Pago: a signed webhook that only names a payment, which is then read back.
//!
//! What is disputed about its signature is taken both ways: SDKs have signed `data.id` as it is written
//! and in lower case, and `ts` in seconds and in milliseconds. There is no window for `ts`: a repeat
//! comes with the old one, and a replay reads what is true now.

use domain::message::{Reaction, Refusal};
use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider};
use serde_json::Value;

use super::Unusable;
use super::fields::{Data, amount, currency, id, ids, instant, key, parse, text};
use crate::Webhook;
use crate::call::{self, MAX_ANSWER};
use crate::fields::is_path_id;
use crate::signatures::{lower_hex, signs};

/// Where Mercado Pago serves its API.
const DEFAULT_ORIGIN: &str = "https://api.mercadopago.com";

const SIGNATURE_HEADER: &str = "x-signature";
const REQUEST_HEADER: &str = "x-request-id";

/// `ts=…,v1=hex` over `id:…;request-id:…;ts:…;`, with the id of the *query*. The older IPN form
/// (`?topic=payment&id=…`) comes unsigned: it is let in without a signature, never with a wrong one,
/// since nothing of it is believed but that a payment is worth reading.
pub(super) fn verify(webhook: &Webhook<'_>, secrets: &[&str]) -> bool {
    if !webhook.headers.contains_key(SIGNATURE_HEADER) {
        return is_ipn(webhook);
    }
    let Some(header) = webhook.header(SIGNATURE_HEADER) else { return false };
    let part = |wanted: &str| {
        let mut all = header.split(',').filter_map(|part| part.trim().split_once('='));
        all.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let (Some(time), Some(signature)) = (part("ts"), part("v1").and_then(lower_hex)) else { return false };
    if !(1..=16).contains(&time.len()) || !time.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let request = webhook.header(REQUEST_HEADER).map(|id| format!("request-id:{id};")).unwrap_or_default();
    let ids = match webhook.query("data.id").or_else(|| webhook.query("id")) {
        Some(id) => vec![format!("id:{id};"), format!("id:{};", id.to_lowercase())],
        None => vec![String::new()],
    };
    let manifests: Vec<_> = ids.iter().map(|id| format!("{id}{request}ts:{time};")).collect();
    let signed = |secret: &&str| manifests.iter().any(|m| signs(secret.as_bytes(), &[m.as_bytes()], &signature));
    secrets.iter().any(signed)
}

fn is_ipn(webhook: &Webhook<'_>) -> bool {
    webhook.query("topic").is_some() && webhook.query("id").is_some() && webhook.query("data.id").is_none()
}

/// The payment to read back; other things than payments are not ours. What the query names counts:
/// the body is not signed.
pub(super) fn normalise(webhook: &Webhook<'_>) -> Result<Option<PaymentNotice>, Unusable> {
    let body = if is_ipn(webhook) { Value::Null } else { parse(webhook.raw)? };
    let kind = webhook.query("type").or_else(|| webhook.query("topic")).or_else(|| text(&body, "type"));
    if kind != Some("payment") {
        return Ok(None);
    }
    let named = webhook.query("data.id").or_else(|| webhook.query("id")).map(str::to_owned);
    let payment = named.or_else(|| id(body.get("data")?, "id"));
    Ok(payment.filter(|id| is_path_id(id)).map(|payment| PaymentNotice::ReadBack { payment }))
}

/// `GET /v1/payments/{id}`.
///
/// # Errors
/// The refusal. Reading changes nothing, so everything that may pass is `Transient`; `Sender` means that
/// the access token is not taken.
pub(super) async fn read_back(
    http: &reqwest::Client,
    base_url: Option<&str>,
    access_token: &str,
    payment: &str,
) -> Result<Option<ChargeEvent>, Refusal> {
    let refused = |reaction, code: &str| Refusal { reaction, code: code.to_owned(), retry_after: None };
    if !is_path_id(payment) {
        return Ok(None);
    }
    let origin = base_url.unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
    let request = http.get(format!("{origin}/v1/payments/{payment}")).bearer_auth(access_token);
    let answer = call::read(request, MAX_ANSWER).await?;
    match answer.status {
        200 => {}
        // None of this account: a test notification, or somebody else's.
        404 => return Ok(None),
        401 | 403 => return Err(refused(Reaction::Sender, "access_token")),
        429 => return Err(refused(Reaction::Throttled, "http_429")),
        status => return Err(refused(Reaction::Transient, &format!("http_{status}"))),
    }
    let raw = answer.body.ok_or_else(|| refused(Reaction::Transient, "unreadable"))?;
    let body = parse(&raw).map_err(|_| refused(Reaction::Transient, "unreadable"))?;
    // The answer must be about what was asked for.
    Ok(event(&raw, &body).filter(|event| event.kept_as.as_deref() == Some(payment)))
}

/// A payment as the API shows it. Each is one try to pay: it is rejected once, and approved once.
pub(super) fn event(raw: &[u8], payment: &Value) -> Option<ChargeEvent> {
    let charge = id(payment, "id")?;
    let status = text(payment, "status")?;
    let change = change(status, text(payment, "status_detail"))?;
    let currency = currency(payment, "currency_id");
    let data = Data {
        provider: PaymentProvider::Mercadopago,
        event: status,
        amount: amount(raw, &["transaction_amount"], currency.as_deref()),
        currency,
        method: text(payment, "payment_method_id").map(str::to_lowercase),
    };
    let when = ["date_approved", "date_last_updated", "date_created"];
    let due_date = text(payment, "date_of_expiration").and_then(|date| date.get(..10)).map(str::to_owned);
    let link = payment.get("transaction_details").and_then(|details| text(details, "external_resource_url"));
    let pix = payment.get("point_of_interaction").and_then(|point| text(point.get("transaction_data")?, "ticket_url"));
    Some(ChargeEvent {
        key: key(PaymentProvider::Mercadopago, change, None, &format!("{}:{charge}", change.as_str())),
        name: format!("payment.{status}"),
        change,
        at: when.iter().find_map(|name| instant(payment, name)),
        known_as: ids([id(payment, "external_reference"), Some(charge.clone())]),
        kept_as: Some(charge),
        payer: payer(payment.get("payer").unwrap_or(&Value::Null)),
        data: data.fields(),
        attributes: data.attributes(due_date, link.or(pix)),
    })
}

fn change(status: &str, detail: Option<&str>) -> Option<ChargeChange> {
    Some(match status {
        "pending" => ChargeChange::Created,
        "approved" => ChargeChange::Paid,
        "rejected" | "cancelled" => ChargeChange::Failed,
        "refunded" => ChargeChange::Refunded,
        // While it is argued about, and where it was won, the charge stays paid.
        "charged_back" if detail == Some("settled") => ChargeChange::Refunded,
        _ => return None,
    })
}

fn payer(payer: &Value) -> Payer {
    let phone = payer.get("phone").and_then(|phone| {
        let number = text(phone, "number")?;
        Some(format!("{}{number}", text(phone, "area_code").unwrap_or_default()))
    });
    Payer { email: text(payer, "email").map(str::to_owned), phone }
}
