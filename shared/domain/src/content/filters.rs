//! The filters of the subset.
//!
//! They follow Liquid's standard ones, in characters instead of bytes, and never fail for the data
//! they are given: an input that a filter cannot read passes through unchanged, and nothing stays
//! nothing.

use std::collections::BTreeSet;

use rust_decimal::{Decimal, RoundingStrategy};

use super::error::RenderError;
use super::limits::{MAX_ELEMENTS, PHONE};
use super::numbers::DecimalMark;
use super::value::Value;
use super::{dates, numbers, texts};
use crate::time::Zone;

macro_rules! filters {
    ($($variant:ident $name:literal $least:literal $most:literal;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Filter { $($variant),+ }

        impl Filter {
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The least and the most arguments it takes.
            pub(crate) fn arguments(self) -> (usize, usize) {
                match self { $(Self::$variant => ($least, $most)),+ }
            }
        }

        #[cfg(test)]
        pub(crate) const NAMES: &[(&str, usize, usize)] = &[$(($name, $least, $most)),+];
    };
}

filters! {
    Abs "abs" 0 0;
    Append "append" 1 1;
    AtLeast "at_least" 1 1;
    AtMost "at_most" 1 1;
    Capitalize "capitalize" 0 0;
    Ceil "ceil" 0 0;
    Compact "compact" 0 1;
    Concat "concat" 1 1;
    Date "date" 1 1;
    Default "default" 1 1;
    DividedBy "divided_by" 1 1;
    Downcase "downcase" 0 0;
    Escape "escape" 0 0;
    EscapeOnce "escape_once" 0 0;
    First "first" 0 0;
    Floor "floor" 0 0;
    Join "join" 0 1;
    Last "last" 0 0;
    Lstrip "lstrip" 0 0;
    Map "map" 1 1;
    Minus "minus" 1 1;
    Modulo "modulo" 1 1;
    Money "money" 0 1;
    NewlineToBr "newline_to_br" 0 0;
    Phone "phone" 0 0;
    Plus "plus" 1 1;
    Prepend "prepend" 1 1;
    Remove "remove" 1 1;
    RemoveFirst "remove_first" 1 1;
    Replace "replace" 1 2;
    ReplaceFirst "replace_first" 1 2;
    Reverse "reverse" 0 0;
    Round "round" 0 1;
    Rstrip "rstrip" 0 0;
    Size "size" 0 0;
    Slice "slice" 1 2;
    Sort "sort" 0 1;
    SortNatural "sort_natural" 0 1;
    Split "split" 1 1;
    Strip "strip" 0 0;
    StripHtml "strip_html" 0 0;
    StripNewlines "strip_newlines" 0 0;
    Times "times" 1 1;
    Truncate "truncate" 0 2;
    TruncateWords "truncatewords" 0 2;
    Uniq "uniq" 0 0;
    Upcase "upcase" 0 0;
    UrlDecode "url_decode" 0 0;
    UrlEncode "url_encode" 0 0;
    Where "where" 1 2;
}

/// What a filter may know besides its input, and the work it may still do.
pub(crate) struct Context<'v> {
    pub(crate) fuel: super::eval::Fuel,
    pub(crate) zone: Zone,
    pub(crate) language: Option<&'v str>,
    pub(crate) decimal_mark: Option<DecimalMark>,
}

/// Applies one filter. Its whole cost is charged before the result is built.
pub(crate) fn apply<'a>(
    filter: Filter,
    input: Value<'a>,
    args: &[Value<'a>],
    allow_false: bool,
    context: &mut Context<'_>,
) -> Result<Value<'a>, RenderError> {
    use Filter as F;

    context.fuel.charge(input.weight() + args.iter().map(Value::weight).sum::<u64>())?;
    let arg = |i: usize| args.get(i).cloned().unwrap_or(Value::Nil);
    if filter == F::Default {
        return Ok(if takes_default(&input, allow_false) { arg(0) } else { input });
    }
    if matches!(input, Value::Nil) {
        // Only these make something of nothing.
        return Ok(match filter {
            F::Append | F::Prepend => arg(0),
            F::Size => Value::count(0),
            F::Split | F::Compact | F::Sort | F::SortNatural | F::Uniq | F::Reverse => list(Vec::new()),
            F::Concat => arg(0),
            _ => input,
        });
    }
    match filter {
        F::Default => Ok(input),
        F::Abs | F::Ceil | F::Floor | F::Round => {
            Ok(round(filter, &input, args.first(), context.decimal_mark).unwrap_or(input))
        }
        F::AtLeast | F::AtMost | F::Plus | F::Minus | F::Times | F::DividedBy | F::Modulo => {
            Ok(arithmetic(filter, &input, &arg(0), context.decimal_mark))
        }
        F::Compact
        | F::Concat
        | F::First
        | F::Join
        | F::Last
        | F::Map
        | F::Reverse
        | F::Sort
        | F::SortNatural
        | F::Uniq
        | F::Where => lists(filter, input, args, context),
        F::Slice => slice(&input, args, context),
        F::Size => Ok(Value::count(input.size())),
        F::Split => split(&input.shown(), &arg(0).shown(), context),
        F::Date => {
            let format = arg(0).shown();
            context.fuel.charge(32 * format.len() as u64)?;
            Ok(dates::date(&input, &format, context.zone, context.language).map_or(input, Value::text))
        }
        F::Money => {
            let currency = args.first().filter(|c| !c.is_blank()).map(Value::shown);
            let written =
                input.number(context.decimal_mark).map(|n| numbers::money(n, currency.as_deref(), context.language));
            Ok(written.map_or(input, Value::text))
        }
        F::Phone => {
            context.fuel.charge(PHONE)?;
            Ok(texts::phone(&input.shown()).map_or(input, Value::text))
        }
        _ => text(filter, &input.shown(), args, context),
    }
}

/// Nothing, an empty or blank text, an empty list, and false unless `allow_false`.
pub(crate) fn takes_default(value: &Value<'_>, allow_false: bool) -> bool {
    if matches!(value, Value::Bool(false)) { !allow_false } else { value.is_blank() }
}

fn list(values: Vec<Value<'_>>) -> Value<'_> {
    Value::List(values.into())
}

fn text<'a>(
    filter: Filter,
    input: &str,
    args: &[Value<'a>],
    context: &mut Context<'_>,
) -> Result<Value<'a>, RenderError> {
    use Filter as F;

    let shown = |i: usize| args.get(i).map(Value::shown).unwrap_or_default();
    let whole = |i: usize, default: i64| args.get(i).and_then(Value::whole).unwrap_or(default);
    let result = match filter {
        F::Upcase => input.to_uppercase(),
        F::Downcase => input.to_lowercase(),
        F::Capitalize => texts::capitalize(input),
        F::Append => format!("{input}{}", shown(0)),
        F::Prepend => format!("{}{input}", shown(0)),
        F::Strip => input.trim().to_owned(),
        F::Lstrip => input.trim_start().to_owned(),
        F::Rstrip => input.trim_end().to_owned(),
        F::StripNewlines => input.replace(['\r', '\n'], ""),
        F::StripHtml => texts::strip_html(input),
        F::NewlineToBr => input.replace('\n', "<br />\n"),
        F::Escape => texts::escape(input, false),
        F::EscapeOnce => texts::escape(input, true),
        F::UrlEncode => texts::url_encode(input),
        F::UrlDecode => texts::url_decode(input).unwrap_or_else(|| input.to_owned()),
        F::Replace | F::Remove => {
            let (search, by) = (shown(0), shown(1));
            let by = if filter == F::Remove { "" } else { &*by };
            let found = if search.is_empty() { input.len() + 1 } else { input.matches(&*search).count() };
            context.fuel.charge(found as u64 * (by.len() as u64 + 1))?;
            input.replace(&*search, by)
        }
        F::ReplaceFirst => input.replacen(&*shown(0), &shown(1), 1),
        F::RemoveFirst => input.replacen(&*shown(0), "", 1),
        F::Truncate => {
            let ellipsis = if args.len() > 1 { shown(1) } else { "...".into() };
            texts::truncate(input, whole(0, 50), &ellipsis)
        }
        F::TruncateWords => {
            let ellipsis = if args.len() > 1 { shown(1) } else { "...".into() };
            texts::truncate_words(input, whole(0, 15), &ellipsis)
        }
        _ => input.to_owned(),
    };
    // No filter that was not charged above makes more than nine bytes of one.
    context.fuel.charge(result.len() as u64)?;
    Ok(Value::text(result))
}

fn round<'a>(
    filter: Filter,
    input: &Value<'a>,
    digits: Option<&Value<'a>>,
    account: Option<DecimalMark>,
) -> Option<Value<'a>> {
    let number = input.number(account)?;
    Some(Value::Number(match filter {
        Filter::Abs => number.abs(),
        Filter::Ceil => number.ceil(),
        Filter::Floor => number.floor(),
        _ => {
            let digits = digits.and_then(Value::whole).unwrap_or(0).clamp(0, 28);
            let digits = u32::try_from(digits).expect("clamped to 0..=28");
            number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
        }
    }))
}

/// Nothing where the result does not exist (division by zero, beyond 28 digits): a hole that is
/// reported beats a wrong amount. An operand that is no number leaves the input as it is.
fn arithmetic<'a>(filter: Filter, input: &Value<'a>, operand: &Value<'a>, account: Option<DecimalMark>) -> Value<'a> {
    let (Some(a), Some(b)) = (input.number(account), operand.number(account)) else { return input.clone() };
    let result = match filter {
        Filter::AtLeast => Some(a.max(b)),
        Filter::AtMost => Some(a.min(b)),
        Filter::Plus => a.checked_add(b),
        Filter::Minus => a.checked_sub(b),
        Filter::Times => a.checked_mul(b),
        Filter::Modulo => a.checked_rem(b),
        // Whole by whole stays whole, as in Liquid; ten places are enough for a message.
        _ if a.scale() == 0 && b.scale() == 0 => a.checked_div(b).map(|d| d.floor()),
        _ => a.checked_div(b).map(|d| d.round_dp(10)),
    };
    result.map_or(Value::Nil, Value::Number)
}

fn slice<'a>(input: &Value<'a>, args: &[Value<'a>], context: &mut Context<'_>) -> Result<Value<'a>, RenderError> {
    let length = input.size();
    context.fuel.charge(length as u64)?;
    let from = args.first().and_then(Value::whole).unwrap_or(0);
    let count = args.get(1).map_or(1, |v| v.whole().unwrap_or(1));
    let from = if from < 0 { i128::from(from) + length as i128 } else { i128::from(from) };
    let skip = usize::try_from(from.clamp(0, length as i128)).expect("within the length");
    let take = if from < 0 { 0 } else { usize::try_from(count.max(0)).unwrap_or(usize::MAX) };
    Ok(match input {
        Value::List(values) => list(values.iter().skip(skip).take(take).cloned().collect()),
        other => Value::text(other.shown().chars().skip(skip).take(take).collect::<String>()),
    })
}

fn split<'a>(input: &str, by: &str, context: &mut Context<'_>) -> Result<Value<'a>, RenderError> {
    let mut parts = Vec::new();
    let mut push = |part: &str| {
        context.fuel.charge(8 + part.len() as u64)?;
        parts.push(Value::text(part));
        if parts.len() > MAX_ELEMENTS { Err(super::eval::list_too_long()) } else { Ok(()) }
    };
    if input.is_empty() {
        // Splitting nothing gives no parts, not one empty part.
    } else if by.is_empty() {
        let mut buffer = [0; 4];
        for c in input.chars() {
            push(c.encode_utf8(&mut buffer))?;
        }
    } else {
        for part in input.split(by) {
            push(part)?;
        }
    }
    Ok(list(parts))
}

fn lists<'a>(
    filter: Filter,
    input: Value<'a>,
    args: &[Value<'a>],
    context: &mut Context<'_>,
) -> Result<Value<'a>, RenderError> {
    use Filter as F;

    let values = match (&input, filter) {
        (Value::List(values), _) => values,
        (Value::Text(text), F::First) => return Ok(Value::text(text.chars().take(1).collect::<String>())),
        (Value::Text(text), F::Last) => {
            return Ok(Value::text(text.chars().last().map(String::from).unwrap_or_default()));
        }
        _ => return Ok(input),
    };
    context.fuel.charge(16 * values.len() as u64)?;
    let key = args.first().map(Value::shown);
    let property = |value: &Value<'a>| match &key {
        Some(key) => value.field(key).map_or(Value::Nil, Value::from_json),
        None => value.clone(),
    };
    if key.is_some() && matches!(filter, F::Map | F::Where | F::Sort | F::SortNatural | F::Compact) {
        let fields = values.iter().filter_map(|v| v.field(key.as_deref().unwrap_or_default()));
        // Each is read once for every element, a sort reads it once too (its keys are kept).
        context.fuel.charge(fields.map(Value::cost).fold(0, u64::saturating_add))?;
    }
    Ok(match filter {
        F::First => values.first().cloned().unwrap_or(Value::Nil),
        F::Last => values.last().cloned().unwrap_or(Value::Nil),
        F::Join => {
            let by = key.unwrap_or_else(|| " ".into());
            context.fuel.charge(values.len() as u64 * by.len() as u64)?;
            let parts: Vec<String> = values.iter().map(|v| v.shown().to_string()).collect();
            Value::text(parts.join(&by))
        }
        F::Map => list(values.iter().map(property).collect()),
        F::Reverse => list(values.iter().rev().cloned().collect()),
        F::Compact => list(values.iter().filter(|v| !matches!(property(v), Value::Nil)).cloned().collect()),
        F::Uniq => {
            let mut seen = BTreeSet::new();
            list(values.iter().filter(|v| seen.insert((rank(v), v.shown()))).cloned().collect())
        }
        F::Concat => {
            let more = args.first().cloned().unwrap_or(Value::Nil);
            let Value::List(more) = more else { return Ok(input.clone()) };
            if values.len() + more.len() > MAX_ELEMENTS {
                return Err(super::eval::list_too_long());
            }
            list(values.iter().chain(more.iter()).cloned().collect())
        }
        F::Where => {
            let wanted = args.get(1);
            let keeps = |v: &&Value<'a>| {
                wanted.map_or_else(|| property(v).truthy(), |w| property(v).equals(w, context.decimal_mark))
            };
            list(values.iter().filter(keeps).cloned().collect())
        }
        _ => {
            let natural = filter == F::SortNatural;
            let mut keyed: Vec<_> = values.iter().map(|v| (sort_key(&property(v), natural), v)).collect();
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            list(keyed.into_iter().map(|(_, v)| v.clone()).collect())
        }
    })
}

/// A total order over unlike values: numbers, then texts, then the rest, nothing last.
fn sort_key(value: &Value<'_>, natural: bool) -> (u8, Decimal, String) {
    match value {
        Value::Number(number) if !natural => (rank(value), *number, String::new()),
        Value::Text(text) if !natural => (rank(value), Decimal::ZERO, text.to_string()),
        Value::Number(_) | Value::Text(_) => (1, Decimal::ZERO, value.shown().to_lowercase()),
        _ => (rank(value), Decimal::ZERO, String::new()),
    }
}

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::Text(_) => 1,
        Value::Nil | Value::Empty | Value::Blank => 9,
        _ => 2,
    }
}
