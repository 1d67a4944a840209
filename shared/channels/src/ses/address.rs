//! Mailboxes as email writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of an encoded word, at most (RFC 2047, 2).
const ENCODED_WORD: usize = 75;
const MAX_NAME: usize = 200;

/// An address with the name that stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Mailbox {
    /// Reads `ana@example.com` or `Ana Souza <ana@example.com>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, address) = match text.trim().strip_suffix('>') {
            Some(text) => text.rsplit_once('<')?,
            None => ("", text.trim()),
        };
        let name = name.trim().trim_matches('"').trim();
        let odd = |c: char| c.is_control() || matches!(c, '<' | '>' | '"' | '\\');
        let fits = name.len() <= MAX_NAME && !name.contains(odd) && is_address(address);
        fits.then(|| Self { name: name.to_owned(), address: address.to_owned() })
    }

    /// In printable ASCII.
    pub(crate) fn encoded(&self) -> String {
        let Self { name, address } = self;
        match () {
            () if name.is_empty() => address.clone(),
            () if name.is_ascii() => format!("\"{name}\" <{address}>"),
            () => format!("{} <{address}>", encoded_words(name)),
        }
    }

    pub(crate) fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// An address that SES takes: printable ASCII without anything that could begin another header or address.
/// A domain with other letters must be written in its own ASCII form (punycode).
pub(crate) fn is_address(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"()<>[]:;,\"\\".contains(&b);
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= 254 && (1..=64).contains(&local.len()) && local.bytes().all(plain) && is_domain(domain)
}

/// A host name with at least two labels.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').count() > 1 && text.split('.').all(label)
}

/// A text as words of ASCII (RFC 2047), none of which cuts a character.
pub(crate) fn encoded_words(text: &str) -> String {
    const AROUND: usize = "=?UTF-8?B??=".len();
    let most = (ENCODED_WORD - AROUND) / 4 * 3;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, left) = rest.split_at(rest.floor_char_boundary(most));
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = left;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mailbox_is_an_address_with_or_without_a_name() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Mailbox::parse(text).map(|m| m.encoded()).as_deref(), expected, "{text}");
        };
        check("loja@example.com", Some("loja@example.com"));
        check(" <loja@example.com> ", Some("loja@example.com"));
        check("Loja Exemplo <loja@example.com>", Some("\"Loja Exemplo\" <loja@example.com>"));
        check("\"Loja, Exemplo\" <loja@example.com>", Some("\"Loja, Exemplo\" <loja@example.com>"));
        check("Açaí <loja@example.com>", Some("=?UTF-8?B?QcOnYcOt?= <loja@example.com>"));
        for bad in [
            "",
            "loja",
            "loja@localhost",
            "a@b@example.com",
            "lójà@example.com",
            "loja@açaí.com.br",
            "loja@example..com",
            "loja@-example.com",
            "a b@example.com",
            "Loja <loja@example.com> x",
            "Loja <x> <loja@example.com>",
            "Loja\r\nBcc: x <loja@example.com>",
            "loja@example.com\r\nBcc: x@example.com",
            "a@example.com, b@example.com",
        ] {
            check(bad, None);
        }
        assert_eq!(Mailbox::parse("Loja <loja@mail.example.com>").unwrap().domain(), "mail.example.com");
    }

    #[test]
    fn encoded_words_are_short_and_whole() {
        let text = "Atenção à cobrança nº 1 — çãõéíú ".repeat(20);
        let encoded = encoded_words(&text);
        let mut decoded = String::new();
        for word in encoded.split(' ') {
            assert!(word.len() <= ENCODED_WORD && word.is_ascii());
            let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            decoded.push_str(&String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap());
        }
        assert_eq!(decoded, text);
    }
}
