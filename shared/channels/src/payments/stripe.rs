//! Stripe: snapshot events of invoices, payment intents, charges, Checkout sessions and disputes.
//!
//! An event's body follows the version that its endpoint is set to, so fields are looked for in their
//! old and new places: since 2025 an invoice names its payment intents in `payments` instead of
//! `payment_intent`, and a payment intent its invoice in `payment_details.order_reference`.

use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider};
use domain::time::Timestamp;
use serde_json::Value;

use super::fields::{Data, currency, id, ids, key, minor_units, parse, seconds, text};
use super::{MAX_SIGNATURES, Unusable};
use crate::signatures::{lower_hex, signs};
use crate::webhook::{Webhook, is_fresh};

const SIGNATURE_HEADER: &str = "stripe-signature";

/// `t=…,v1=hex[,v1=…]` over `t.body`, under the endpoint's whole secret with its `whsec_`; other
/// schemes (`v0`) prove nothing.
pub(super) fn verify(webhook: &Webhook<'_>, secrets: &[&str], now: Timestamp) -> bool {
    let Some(header) = webhook.header(SIGNATURE_HEADER) else { return false };
    let mut time = None;
    let mut signatures = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" if time.is_some() => return false,
            "t" => time = Some(value),
            "v1" => signatures.extend(lower_hex(value)),
            _ => {}
        }
    }
    signatures.truncate(MAX_SIGNATURES);
    let Some(time) = time.filter(|time| is_fresh(time, now)) else { return false };
    let parts = [time.as_bytes(), b".", webhook.raw];
    let signed = |secret: &&str| signatures.iter().any(|signature| signs(secret.as_bytes(), &parts, signature));
    secrets.iter().any(signed)
}

pub(super) fn normalise(raw: &[u8]) -> Result<Option<PaymentNotice>, Unusable> {
    let body = parse(raw)?;
    if text(&body, "object").is_some_and(|object| object.starts_with("v2.")) {
        return Err(Unusable::Thin);
    }
    Ok(event(&body).map(|event| PaymentNotice::Charge(Box::new(event))))
}

fn event(body: &Value) -> Option<ChargeEvent> {
    let (event, name) = (id(body, "id")?, text(body, "type")?);
    let object = body.get("data")?.get("object")?;
    let (change, units) = change(name, object)?;
    let names = Names::of(name, object);
    let kept_as = names.charge();
    let currency = currency(object, "currency");
    let data = Data {
        provider: PaymentProvider::Stripe,
        event: name,
        amount: units.map(|units| minor_units(units, currency.as_deref())),
        currency,
        method: method(object),
    };
    let metadata = object.get("metadata").and_then(|metadata| id(metadata, "charge_id"));
    let own = [names.invoice, names.intent, names.charge, names.session];
    let listed = names.intents.into_iter().map(Some);
    let due_date = seconds(object, "due_date").map(|at| at.to_string()[..10].to_owned());
    Some(ChargeEvent {
        key: key(PaymentProvider::Stripe, change, kept_as.as_deref(), &event),
        name: name.to_owned(),
        change,
        at: seconds(body, "created"),
        known_as: ids([id(object, "client_reference_id"), metadata].into_iter().chain(own).chain(listed)),
        kept_as,
        payer: payer(object),
        data: data.fields(),
        attributes: data.attributes(due_date, text(object, "hosted_invoice_url")),
    })
}

/// What an event means for its charge, and the amount that it is about, in minor units.
fn change(name: &str, object: &Value) -> Option<(ChargeChange, Option<i64>)> {
    let units = |name: &str| object.get(name).and_then(Value::as_i64);
    let is = |name: &str, expected: bool| object.get(name).and_then(Value::as_bool) == Some(expected);
    let named = |name: &str| id(object, name).is_some();
    let owed = || units("amount_remaining").or_else(|| units("amount_due"));
    Some(match name {
        "invoice.finalized" => (ChargeChange::Created, units("amount_due")),
        "invoice.overdue" => (ChargeChange::Overdue, owed()),
        // Both tell of one payment. An invoice that is paid in parts is paid with the last of them.
        "invoice.paid" | "invoice.payment_succeeded" if text(object, "status").is_none_or(|s| s == "paid") => {
            (ChargeChange::Paid, units("amount_paid"))
        }
        "invoice.payment_failed" => (ChargeChange::Failed, owed()),
        "invoice.voided" | "invoice.marked_uncollectible" => (ChargeChange::Canceled, units("amount_due")),
        "payment_intent.succeeded" => (ChargeChange::Paid, units("amount_received")),
        // The invoice tells it itself.
        "payment_intent.payment_failed" if invoice_of_intent(object).is_none() => {
            (ChargeChange::Failed, units("amount"))
        }
        // Authorised only: the money comes when it is captured.
        "charge.succeeded" | "charge.captured" if !is("captured", false) => {
            (ChargeChange::Paid, units("amount_captured").or_else(|| units("amount")))
        }
        "charge.failed" if !named("payment_intent") => (ChargeChange::Failed, units("amount")),
        // In part it stays paid.
        "charge.refunded" if is("refunded", true) => (ChargeChange::Refunded, units("amount_refunded")),
        "charge.dispute.closed" if text(object, "status") == Some("lost") => (ChargeChange::Refunded, units("amount")),
        // Boleto and Pix: the session is complete before the money has come.
        "checkout.session.completed"
            if text(object, "mode") != Some("setup")
                && matches!(text(object, "payment_status"), Some("paid" | "no_payment_required")) =>
        {
            (ChargeChange::Paid, units("amount_total"))
        }
        "checkout.session.async_payment_succeeded" => (ChargeChange::Paid, units("amount_total")),
        "checkout.session.async_payment_failed" | "checkout.session.expired" => {
            (ChargeChange::Failed, units("amount_total"))
        }
        _ => return None,
    })
}

/// The ids that an event has for its charge.
#[derive(Debug, Default)]
struct Names {
    invoice: Option<String>,
    intent: Option<String>,
    charge: Option<String>,
    session: Option<String>,
    /// All payment intents of an invoice.
    intents: Vec<String>,
}

impl Names {
    fn of(event: &str, object: &Value) -> Self {
        let (own, intent) = (id(object, "id"), id(object, "payment_intent"));
        let invoice = id(object, "invoice");
        match event.split('.').next() {
            Some("invoice") => {
                let charge = id(object, "charge");
                Self { invoice: own, intent, charge, intents: intents(object), ..Self::default() }
            }
            Some("payment_intent") => Self {
                invoice: invoice_of_intent(object),
                intent: own,
                charge: id(object, "latest_charge"),
                ..Self::default()
            },
            Some("checkout") => Self { invoice, intent, session: own, ..Self::default() },
            // A dispute names its charge; a charge is one.
            _ => Self { invoice, intent, charge: id(object, "charge").or(own), ..Self::default() },
        }
    }

    /// The one id that every event about the same charge leads to.
    fn charge(&self) -> Option<String> {
        [&self.invoice, &self.intent, &self.charge, &self.session].into_iter().flatten().next().cloned()
    }
}

fn intents(invoice: &Value) -> Vec<String> {
    let list = invoice.get("payments").and_then(|payments| payments.get("data")).and_then(Value::as_array);
    let intent = |payment: &Value| id(payment.get("payment")?, "payment_intent");
    list.into_iter().flatten().take(10).filter_map(intent).collect()
}

fn invoice_of_intent(intent: &Value) -> Option<String> {
    let order = || intent.get("payment_details").and_then(|details| id(details, "order_reference"));
    id(intent, "invoice").or_else(|| order().filter(|order| order.starts_with("in_")))
}

fn payer(object: &Value) -> Payer {
    let details = ["customer_details", "billing_details"].map(|name| object.get(name).unwrap_or(&Value::Null));
    let of = |names: &[&str], detail: &str| {
        let own = names.iter().find_map(|name| text(object, name));
        own.or_else(|| details.iter().find_map(|details| text(details, detail))).map(str::to_owned)
    };
    Payer { email: of(&["customer_email", "receipt_email"], "email"), phone: of(&["customer_phone"], "phone") }
}

/// How it was paid, where the event says one way.
fn method(object: &Value) -> Option<String> {
    let details = object.get("payment_method_details").and_then(|details| text(details, "type"));
    let only = || match object.get("payment_method_types")?.as_array()?.as_slice() {
        [Value::String(only)] if only.len() <= 64 => Some(only.clone()),
        _ => None,
    };
    details.map(str::to_owned).or_else(only)
}
