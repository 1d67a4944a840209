//! Numbers as people write them, and amounts as people read them.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// What stands before the decimals where an account writes amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMark {
    Comma,
    Point,
}

impl DecimalMark {
    /// By a country's ISO 3166 code (Unicode CLDR); none for one that is not listed.
    pub fn of_country(code: &str) -> Option<Self> {
        match code {
            "BR" | "PT" | "AO" | "MZ" | "CV" | "ES" | "AR" | "CL" | "CO" | "UY" | "PY" | "BO" | "EC" | "VE" | "CR"
            | "CU" | "DE" | "AT" | "FR" | "IT" | "NL" | "BE" | "LU" | "PL" | "SE" | "NO" | "DK" | "FI" | "GR"
            | "RO" | "CZ" | "HU" | "TR" => Some(Self::Comma),
            "US" | "GB" | "IE" | "CA" | "AU" | "NZ" | "MX" | "PE" | "GT" | "SV" | "HN" | "NI" | "DO" | "PA" | "PR"
            | "JP" | "CN" | "KR" | "IN" | "IL" | "PH" | "SG" | "HK" | "TH" | "NG" | "KE" => Some(Self::Point),
            _ => None,
        }
    }
}

/// Reads `129,90`, `1.299,90`, `1,299.90`, `1299.90`, `R$ 1.299,90` and `-5`: the one reading of amounts,
/// in texts and in conditions.
///
/// Of two different marks the last is the decimal one, and one that stands once is, too. Only one that
/// stands once with one to three digits before it and exactly three after it can be either: it is the
/// decimal one where it is the account's (`1.299` is 1.299 in the United States), else it groups
/// thousands (`1.299` is 1299 in Brazil, and where nobody knows). None for anything else.
pub fn read_number(text: &str, account: Option<DecimalMark>) -> Option<Decimal> {
    // The longest amount with its currency; anything longer is prose.
    if text.len() > 48 {
        return None;
    }
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let before: String = text[..start].chars().filter(|c| !is_space(*c)).collect();
    let unsigned = before.replacen(['-', '+'], "", 1);
    // A word or a unit (`item 3`, `10h`) makes it something else than a number.
    if !is_currency(&unsigned) || !is_currency(text[end..].trim_matches(is_space)) {
        return None;
    }
    let digits: String = text[start..end].chars().filter(|c| !is_space(*c)).collect();
    let number: Decimal = with_decimal_point(digits, account)?.parse().ok()?;
    Some(if before.contains('-') { -number } else { number })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{a0}' | '\u{202f}')
}

fn is_currency(text: &str) -> bool {
    const SYMBOLS: [&str; 11] = ["", "R$", "$", "US$", "$U", "€", "£", "¥", "₲", "S/", "Bs"];
    SYMBOLS.contains(&text) || (text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()))
}

/// `1.299,90` → `1299.90`.
fn with_decimal_point(digits: String, account: Option<DecimalMark>) -> Option<String> {
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',') {
        return None;
    }
    let Some(at) = digits.rfind(['.', ',']) else { return Some(digits) };
    let mark = if digits[at..].starts_with('.') { '.' } else { ',' };
    let other = if mark == '.' { ',' } else { '.' };
    let once = digits.matches(mark).count() == 1;
    let ours = account == Some(if mark == '.' { DecimalMark::Point } else { DecimalMark::Comma });
    if once && (ours || digits.contains(other) || !is_grouped(&digits, mark)) {
        let (whole, fraction) = digits.split_at(at);
        let grouped = !whole.contains(other) || is_grouped(whole, other);
        return grouped.then(|| format!("{}.{}", whole.replace(other, ""), &fraction[1..]));
    }
    (is_grouped(&digits, mark)).then(|| digits.replace(mark, ""))
}

/// One to three digits that do not begin with zero, then groups of exactly three.
fn is_grouped(digits: &str, mark: char) -> bool {
    let mut groups = digits.split(mark);
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len()) && !first.starts_with('0') && groups.all(|g| g.len() == 3)
}

/// How an amount is written: where its symbol stands and which marks it uses.
struct Style {
    prefix: &'static str,
    suffix: &'static str,
    group: char,
    decimal: char,
    digits: u32,
}

const fn style(prefix: &'static str, suffix: &'static str, group: char, decimal: char, digits: u32) -> Style {
    Style { prefix, suffix, group, decimal, digits }
}

fn style_of(currency: &str) -> Option<Style> {
    Some(match currency {
        "BRL" => style("R$ ", "", '.', ',', 2),
        "USD" => style("$", "", ',', '.', 2),
        "EUR" => style("", " €", '.', ',', 2),
        "GBP" => style("£", "", ',', '.', 2),
        "MXN" => style("$", "", ',', '.', 2),
        "ARS" => style("$ ", "", '.', ',', 2),
        "CLP" => style("$", "", '.', ',', 0),
        "COP" => style("$ ", "", '.', ',', 0),
        "PEN" => style("S/ ", "", ',', '.', 2),
        "UYU" => style("$U ", "", '.', ',', 2),
        "PYG" => style("₲ ", "", '.', ',', 0),
        "BOB" => style("Bs ", "", '.', ',', 2),
        "JPY" => style("¥", "", ',', '.', 0),
        _ => return None,
    })
}

/// The currency of a language's region (`pt_BR` → BRL); none where the region does not tell.
fn currency_of(language: &str) -> Option<&'static str> {
    let region = language.split(['_', '-']).nth(1)?.to_ascii_uppercase();
    Some(match region.as_str() {
        "BR" => "BRL",
        "US" => "USD",
        "GB" => "GBP",
        "MX" => "MXN",
        "AR" => "ARS",
        "CL" => "CLP",
        "CO" => "COP",
        "PE" => "PEN",
        "UY" => "UYU",
        "PY" => "PYG",
        "BO" => "BOB",
        "JP" => "JPY",
        "PT" | "ES" | "FR" | "DE" | "IT" | "NL" | "BE" | "AT" | "IE" => "EUR",
        _ => return None,
    })
}

/// Writes an amount: `1299.9` with `BRL` → `R$ 1.299,90`. Without a currency the language's region
/// gives it; without either, the amount stands alone with the language's marks.
pub(crate) fn money(amount: Decimal, currency: Option<&str>, language: Option<&str>) -> String {
    let currency = currency.map(str::trim).filter(|c| !c.is_empty()).map(str::to_ascii_uppercase);
    let currency = currency.as_deref().or_else(|| currency_of(language?));
    let point_decimal = language.is_none_or(|l| l.starts_with("en") || l == "es_MX");
    let (group, decimal) = if point_decimal { (',', '.') } else { ('.', ',') };
    let plain = Style { prefix: "", suffix: "", group, decimal, digits: 2 };
    let (style, code) = match currency {
        None => (plain, None),
        Some(code) => style_of(code).map_or((plain, Some(code)), |known| (known, None)),
    };
    let rounded = amount.round_dp_with_strategy(style.digits, RoundingStrategy::MidpointAwayFromZero);
    let digits = format!("{:.1$}", rounded.abs(), style.digits as usize);
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut text = String::new();
    if rounded.is_sign_negative() && !rounded.is_zero() {
        text.push('-');
    }
    if let Some(code) = code {
        text.push_str(code);
        text.push(' ');
    }
    text.push_str(style.prefix);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(style.group);
        }
        text.push(c);
    }
    if !fraction.is_empty() {
        text.push(style.decimal);
        text.push_str(fraction);
    }
    text.push_str(style.suffix);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        for (text, number) in [
            ("129,90", "129.90"),
            ("1.299,90", "1299.90"),
            ("1,299.90", "1299.90"),
            ("1299.90", "1299.90"),
            ("1.299", "1299"),
            ("1,299", "1299"),
            ("1.234.567", "1234567"),
            ("1.234.567,8", "1234567.8"),
            ("0,125", "0.125"),
            ("0.125", "0.125"),
            ("1234.567", "1234.567"),
            ("R$ 1.299,90", "1299.90"),
            ("R$\u{a0}10", "10"),
            ("-R$ 5", "-5"),
            ("- 5,5", "-5.5"),
            ("10 €", "10"),
            ("BRL 10", "10"),
            ("10,00 USD", "10"),
            (" 7 ", "7"),
            ("1 299,90", "1299.90"),
            ("+7", "7"),
        ] {
            // None of these can be read in two ways, but those that are a group of thousands.
            let groups = ["1.299", "1,299"].contains(&text);
            for account in
                [None, Some(DecimalMark::Comma), Some(DecimalMark::Point)].into_iter().take(if groups { 1 } else { 3 })
            {
                assert_eq!(read_number(text, account), Some(number.parse().unwrap()), "{text} {account:?}");
            }
        }
        for (text, comma, point) in [
            ("1.299", "1299", "1.299"),
            ("1,299", "1.299", "1299"),
            ("-1.299", "-1299", "-1.299"),
            ("R$ 129.900", "129900", "129.900"),
            ("0.125", "0.125", "0.125"),
            ("12.90", "12.90", "12.90"),
            ("1.299.000", "1299000", "1299000"),
            ("1,299,000", "1299000", "1299000"),
            ("1.299,000", "1299.000", "1299.000"),
        ] {
            assert_eq!(read_number(text, Some(DecimalMark::Comma)), Some(comma.parse().unwrap()), "{text}");
            assert_eq!(read_number(text, Some(DecimalMark::Point)), Some(point.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            " ",
            "abc",
            "3 dias",
            "10h",
            "item 3",
            "2026-12-01",
            "01/12/2026",
            "1.2.3",
            "1.23.456,7",
            "1,2,3",
            "10%",
            "12:30",
            "1e5",
            "--5",
            "5-",
            "١٢",
            "99999999999999999999999999999999",
        ] {
            for account in [None, Some(DecimalMark::Comma), Some(DecimalMark::Point)] {
                assert_eq!(read_number(text, account), None, "{text}");
            }
        }
    }

    #[test]
    fn amounts_are_written() {
        for (amount, currency, language, written) in [
            ("1299.9", Some("BRL"), None, "R$ 1.299,90"),
            ("1299.9", Some("brl"), Some("en_US"), "R$ 1.299,90"),
            ("1299.9", None, Some("pt_BR"), "R$ 1.299,90"),
            ("1299.9", None, Some("pt"), "1.299,90"),
            ("1299.9", None, None, "1,299.90"),
            ("0", Some("USD"), None, "$0.00"),
            ("999.995", Some("USD"), None, "$1,000.00"),
            ("-0.001", Some("USD"), None, "$0.00"),
            ("-1234567.5", Some("EUR"), None, "-1.234.567,50 €"),
            ("1234.5", Some("CLP"), None, "$1.235"),
            ("5", Some("XAF"), Some("fr"), "XAF 5,00"),
        ] {
            assert_eq!(money(amount.parse().unwrap(), currency, language), written);
        }
    }
}
