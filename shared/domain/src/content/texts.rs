//! What the text filters do to a text.

pub(crate) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// At most `length` characters, those of the ellipsis counted.
pub(crate) fn truncate(text: &str, length: i64, ellipsis: &str) -> String {
    let length = usize::try_from(length).unwrap_or(0);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept = length.saturating_sub(ellipsis.chars().count());
    text.chars().take(kept).chain(ellipsis.chars()).collect()
}

pub(crate) fn truncate_words(text: &str, words: i64, ellipsis: &str) -> String {
    let words = usize::try_from(words).unwrap_or(0).max(1);
    let mut rest = text.split_whitespace();
    let kept: Vec<&str> = rest.by_ref().take(words).collect();
    if rest.next().is_none() { text.to_owned() } else { kept.join(" ") + ellipsis }
}

/// Escapes for HTML; with `once`, entities that stand already are kept.
pub(crate) fn escape(text: &str, once: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (i, c) in text.char_indices() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '&' if once && is_entity(&text[i + 1..]) => escaped.push('&'),
            '&' => escaped.push_str("&amp;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn is_entity(rest: &str) -> bool {
    let name: &str = match rest.as_bytes().iter().take(10).position(|b| *b == b';') {
        Some(end) => &rest[..end],
        None => return false,
    };
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
}

/// Drops tags, comments, scripts and styles with what they hold. A `<` that nothing closes stays.
pub(crate) fn strip_html(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut kept = String::with_capacity(text.len());
    // Once an end was not found after a place, it is not found after a later one either.
    let mut missing = [false; 4];
    let mut at = 0;
    while let Some(found) = lower[at..].find('<') {
        let open = at + found;
        kept.push_str(&text[at..open]);
        let rest = &lower[open..];
        let kinds = [("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">")];
        let closed = kinds.iter().enumerate().find_map(|(i, (start, end))| {
            if missing[i] || !rest.starts_with(start) {
                return None;
            }
            let end_at = rest.find(end).map(|e| open + e + end.len());
            missing[i] = end_at.is_none();
            end_at
        });
        match closed {
            Some(end) => at = end,
            None => {
                kept.push('<');
                at = open + 1;
            }
        }
    }
    kept.push_str(&text[at..]);
    kept
}

pub(crate) fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// None when the bytes are no text.
pub(crate) fn url_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match (first, tail) {
            (b'%', [a, b, after @ ..]) if hex(a).is_some() && hex(b).is_some() => {
                bytes.push(hex(a)? << 4 | hex(b)?);
                rest = after;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// `+5511987654321` → `+55 11 98765-4321`. None for what is no number in E.164 form.
pub(crate) fn phone(text: &str) -> Option<String> {
    use phonenumber::Mode;

    let text = text.trim();
    let digits = text.strip_prefix('+')?;
    if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = phonenumber::parse(None, text).ok()?;
    Some(number.format().mode(Mode::International).to_string())
}
