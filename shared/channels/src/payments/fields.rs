//! What all providers' bodies are read with. Foreign bytes: nothing here trusts a length, a type or
//! a number.

use std::collections::BTreeMap;

use domain::content::DecimalMark;
use domain::payment::{ChargeChange, PaymentProvider};
use domain::signal;
use domain::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Unusable;

/// Of an id, in characters: a target's id holds as many.
const MAX_ID: usize = 255;
const MAX_AMOUNT: usize = 64;
/// Of any other text that is kept.
const MAX_TEXT: usize = 2_048;

pub(super) fn parse(raw: &[u8]) -> Result<Value, Unusable> {
    serde_json::from_slice(raw).map_err(|_| Unusable::Malformed)
}

/// A field's text, unless it is blank or longer than anything that is kept.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let text = value.get(name)?.as_str()?.trim();
    (!text.is_empty() && text.len() <= MAX_TEXT).then_some(text)
}

/// A field's id: a text, a number, or an object that has one.
pub(super) fn id(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::Object(object) => as_id(object.get("id")?),
        other => as_id(other),
    }
}

fn as_id(value: &Value) -> Option<String> {
    let id = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        _ => return None,
    };
    usable_id(&id).then_some(id)
}

/// Whether an id can stand in a key.
pub(super) fn usable_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= MAX_ID && !id.chars().any(char::is_control)
}

/// Ids in their order, each once.
pub(super) fn ids(all: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in all.into_iter().flatten() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// What names a change: for what happens to a charge once the charge itself, so that two events which
/// tell of it are one; else the event.
pub(super) fn key(provider: PaymentProvider, change: ChargeChange, charge: Option<&str>, event: &str) -> String {
    let provider = provider.as_str();
    match charge.filter(|_| change.happens_once()) {
        Some(charge) => format!("{provider}:{}:{charge}", change.as_str()),
        None => format!("{provider}:{event}"),
    }
}

/// The number at this place exactly as it is written, never through a float; a text that is an
/// amount counts too, and stays as it is where only the account knows what it means (`1.299`).
pub(super) fn amount(raw: &[u8], path: &[&str], currency: Option<&str>) -> Option<String> {
    let mut at: &RawValue = serde_json::from_slice(raw).ok()?;
    for name in path {
        at = serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get()).ok()?.remove(*name)?;
    }
    let amount = match at.get().as_bytes().first()? {
        b'"' => {
            let text: String = serde_json::from_str(at.get()).ok()?;
            let said = json!(text);
            let by_point = signal::decimal(&said, Some(DecimalMark::Point))?;
            if signal::decimal(&said, Some(DecimalMark::Comma)) != Some(by_point) {
                return Some(text).filter(|text| text.len() <= MAX_AMOUNT);
            }
            by_point
        }
        _ => at.get().parse().or_else(|_| Decimal::from_scientific(at.get())).ok()?,
    };
    Some(written(amount, currency))
}

/// An amount in a currency's smallest unit.
pub(super) fn minor_units(units: i64, currency: Option<&str>) -> String {
    let scale = currency.map_or(2, decimals);
    written(Decimal::new(units, scale), currency)
}

/// At least as many decimals as the currency has, and never three: a condition would take the point
/// for one between thousands where an account writes a comma before its cents.
fn written(mut amount: Decimal, currency: Option<&str>) -> String {
    amount = amount.normalize();
    let decimals = currency.map_or(2, decimals);
    if amount.scale() < decimals {
        amount.rescale(decimals);
    }
    if amount.scale() == 3 {
        amount.rescale(4);
    }
    amount.to_string()
}

/// Decimals of an amount, as Stripe counts the smallest unit (ISK and UGX keep two there although
/// ISO 4217 gives them none).
fn decimals(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// An ISO 4217 code, upper-case.
pub(super) fn currency(value: &Value, name: &str) -> Option<String> {
    let code = text(value, name)?;
    (code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic())).then(|| code.to_ascii_uppercase())
}

/// What conditions may read of an event.
pub(super) struct Data<'a> {
    pub(super) provider: PaymentProvider,
    pub(super) event: &'a str,
    pub(super) amount: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) method: Option<String>,
}

impl Data<'_> {
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                data.insert(name.into(), json!(value));
            }
        };
        put("amount", self.amount.as_deref());
        put("currency", self.currency.as_deref());
        put("method", self.method.as_deref());
        put("provider", Some(self.provider.as_str()));
        put("provider_event", Some(self.event));
        data
    }

    /// What a charge that is kept begins with.
    pub(super) fn attributes(&self, due_date: Option<String>, link: Option<&str>) -> BTreeMap<String, Value> {
        let all = [
            ("amount", self.amount.as_deref()),
            ("currency", self.currency.as_deref()),
            ("due_date", due_date.as_deref()),
            ("link", link),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
    }
}

/// An instant in RFC 3339.
pub(super) fn instant(value: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(text(value, name)?)
}

/// Seconds since the epoch, within what a date can be written for.
pub(super) fn seconds(value: &Value, name: &str) -> Option<Timestamp> {
    let seconds = value.get(name)?.as_i64()?;
    (0..=253_402_300_799).contains(&seconds).then_some(Timestamp(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_every_currency() {
        for (units, currency, expected) in [
            (12_990, Some("BRL"), "129.90"),
            (5, Some("USD"), "0.05"),
            (-100, Some("USD"), "-1.00"),
            (1_500, Some("JPY"), "1500"),
            (12_345, Some("KWD"), "12.3450"),
            (12_990, None, "129.90"),
            (i64::MAX, Some("BRL"), "92233720368547758.07"),
        ] {
            assert_eq!(minor_units(units, currency), expected);
        }
        for (number, expected) in [
            ("129.9", "129.90"),
            ("129", "129.00"),
            ("0.1", "0.10"),
            ("1234567890123456.78", "1234567890123456.78"),
            ("1.005", "1.0050"),
            ("\"1.299\"", "1.299"),
            ("1e2", "100.00"),
            ("\"129,90\"", "129.90"),
        ] {
            let raw = format!("{{\"payment\":{{\"value\":{number}}}}}");
            assert_eq!(amount(raw.as_bytes(), &["payment", "value"], Some("BRL")).as_deref(), Some(expected));
        }
        for none in ["{}", "[]", "", "{\"a\":{}}", "{\"a\":null}", "{\"a\":\"x\"}", "{\"a\":1e999}"] {
            assert_eq!(amount(none.as_bytes(), &["a"], None), None, "{none}");
        }
    }

    #[test]
    fn ids_are_texts_numbers_or_objects() {
        let body = json!({"a": " in_1 ", "b": 17, "c": {"id": "pi_1"}, "d": "", "e": "a\u{1}", "f": [1], "g": 1.5,
            "h": "x".repeat(256)});
        let found = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|name| id(&body, name));
        let expected = [Some("in_1"), Some("17"), Some("pi_1"), None, None, None, None, None, None];
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)));
    }
}
