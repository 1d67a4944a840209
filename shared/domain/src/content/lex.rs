//! The words of a text: what is between the braces, cut into tokens.

use rust_decimal::Decimal;

use super::error::{ContentError, ContentErrorCode};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Text(String),
    Number(Decimal),
    /// Anything else, as written: `|`, `:`, `==`, `..`.
    Sign(&'static str),
}

impl Token {
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => number.to_string(),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

/// A run of a source: literal text, `{{ … }}` or `{% … %}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    Output { tokens: Vec<Token>, line: usize },
    Tag { name: String, tokens: Vec<Token>, line: usize },
}

/// Longest first, so that `..` is not read as two dots.
const SIGNS: [&str; 17] = ["..", "==", "!=", "<>", "<=", ">=", "<", ">", "=", ".", "[", "]", "(", ")", "|", ":", ","];

pub(crate) fn syntax(line: usize, detail: impl std::fmt::Display) -> ContentError {
    ContentError::new(ContentErrorCode::LiquidSyntax, format!("line {line}: {detail}"))
}

/// Cuts a source into pieces. `{%- -%}` and `{{- -}}` eat the white space beside them, `comment`
/// disappears and `raw` becomes literal text.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece>, ContentError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = source;
    let mut line = 1;
    let mut eat = false;
    while !rest.is_empty() {
        let at = next_open(rest).unwrap_or(rest.len());
        let (literal, after) = rest.split_at(at);
        let trim_end = after.get(2..).is_some_and(|r| r.starts_with('-'));
        push_literal(&mut pieces, literal, eat, trim_end);
        line += newlines(literal);
        if after.is_empty() {
            break;
        }
        let opened = line;
        let is_tag = after.starts_with("{%");
        let inner = &after[if trim_end { 3 } else { 2 }..];
        let (tokens, used, eat_after) = tokens(inner, if is_tag { "%}" } else { "}}" }, &mut line)?;
        eat = eat_after;
        rest = &inner[used..];
        if !is_tag {
            pieces.push(Piece::Output { tokens, line: opened });
            continue;
        }
        let mut tokens = tokens.into_iter();
        let Some(Token::Word(name)) = tokens.next() else {
            return Err(syntax(opened, "a tag begins with its name, such as `{% if … %}`"));
        };
        let tokens: Vec<Token> = tokens.collect();
        match name.as_str() {
            "raw" | "comment" if tokens.is_empty() => {
                let verbatim = verbatim(rest, &name)
                    .ok_or_else(|| syntax(opened, format!("`{name}` is never closed with `end{name}`")))?;
                if name == "raw" {
                    push_literal(&mut pieces, verbatim.inner, eat, verbatim.trim_end);
                }
                line += newlines(&rest[..verbatim.used]);
                rest = &rest[verbatim.used..];
                eat = verbatim.eat;
            }
            _ => pieces.push(Piece::Tag { name, tokens, line: opened }),
        }
    }
    Ok(pieces)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

fn next_open(text: &str) -> Option<usize> {
    text.as_bytes().windows(2).position(|w| w == b"{{" || w == b"{%")
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
}

struct Verbatim<'a> {
    inner: &'a str,
    /// Bytes up to and with the closing tag.
    used: usize,
    trim_end: bool,
    eat: bool,
}

/// What stands before `{% end<name> %}`. Comments may hold comments; raw text may not hold raw.
fn verbatim<'a>(text: &'a str, name: &str) -> Option<Verbatim<'a>> {
    let mut from = 0;
    let mut open = 1;
    while let Some(found) = text[from..].find("{%") {
        let start = from + found;
        let tag = &text[start + 2..];
        let trim_end = tag.starts_with('-');
        let tag = if trim_end { &tag[1..] } else { tag };
        let word = tag.trim_start();
        from = start + 2;
        let closes = word.strip_prefix("end").and_then(|w| w.strip_prefix(name)).map(str::trim_start);
        if let Some(end) = closes {
            let (after, eat) = match end.strip_prefix("-%}") {
                Some(after) => (after, true),
                None => match end.strip_prefix("%}") {
                    Some(after) => (after, false),
                    None => continue,
                },
            };
            open -= 1;
            if open == 0 {
                let used = text.len() - after.len();
                return Some(Verbatim { inner: &text[..start], used, trim_end, eat });
            }
        } else if name == "comment"
            && word.strip_prefix(name).is_some_and(|w| w.trim_start().trim_start_matches('-').starts_with("%}"))
        {
            open += 1;
        }
    }
    None
}

/// Tokens up to `close`: them, the bytes used with it, and whether white space after it is eaten.
fn tokens(text: &str, close: &str, line: &mut usize) -> Result<(Vec<Token>, usize, bool), ContentError> {
    let opened = *line;
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let Some(c) = rest.chars().next() else {
            return Err(syntax(opened, format!("`{close}` is missing")));
        };
        if rest.starts_with(close) {
            return Ok((tokens, at + 2, false));
        }
        if rest.strip_prefix('-').is_some_and(|r| r.starts_with(close)) {
            return Ok((tokens, at + 3, true));
        }
        if c.is_whitespace() {
            *line += usize::from(c == '\n');
            at += c.len_utf8();
        } else if c == '\'' || c == '"' {
            let Some(end) = rest[1..].find(c) else {
                return Err(syntax(*line, "a quotation mark is not closed"));
            };
            let inner = &rest[1..=end];
            *line += newlines(inner);
            tokens.push(Token::Text(inner.to_owned()));
            at += end + 2;
        } else if c.is_ascii_digit() || (matches!(c, '-' | '+') && rest[1..].starts_with(|d: char| d.is_ascii_digit()))
        {
            let length = number_length(rest);
            let number = rest[..length].trim_start_matches('+').parse();
            tokens.push(Token::Number(number.map_err(|_| syntax(*line, "a number has too many digits"))?));
            at += length;
        } else if c.is_alphabetic() || c == '_' {
            let length = word_length(rest, close);
            tokens.push(Token::Word(rest[..length].to_owned()));
            at += length;
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            tokens.push(Token::Sign(sign));
            at += sign.len();
        } else {
            return Err(syntax(*line, format!("`{c}` is not expected here")));
        }
    }
}

fn number_length(text: &str) -> usize {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with(['-', '+']));
    let whole = sign + digits(&text[sign..]);
    match text[whole..].strip_prefix('.') {
        Some(rest) if digits(rest) > 0 => whole + 1 + digits(rest),
        _ => whole,
    }
}

/// A name may hold hyphens, but not the one of `-}}` or `-%}`.
fn word_length(text: &str, close: &str) -> usize {
    for (i, c) in text.char_indices() {
        let hyphen = c == '-' && !text[i + 1..].starts_with(close);
        if !(c.is_alphanumeric() || c == '_' || hyphen) {
            return i;
        }
    }
    text.len()
}
