//! `application/x-www-form-urlencoded` bodies, from their raw bytes.

/// Pairs of one body. Twilio writes some dozens.
pub const MAX_PAIRS: usize = 1_000;

/// The decoded pairs of a body, in its order, possibly with equal keys. They stay bytes: what was signed
/// must not be changed by reading it as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form(Vec<(Vec<u8>, Vec<u8>)>);

impl Form {
    /// `None` for more than [`MAX_PAIRS`]. Everything else is a form, if a senseless one.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let pairs = raw.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
        let mut found = Vec::new();
        for pair in pairs {
            if found.len() == MAX_PAIRS {
                return None;
            }
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            found.push((decode(key), decode(value)));
        }
        Some(Self(found))
    }

    /// Each pair once, by key and then by value: what Twilio signs.
    pub(super) fn distinct(&self) -> Vec<&(Vec<u8>, Vec<u8>)> {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// The value of a key, if it is text and not empty. Of a key with several values it is none: which
    /// of them counts is not signed.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(k, _)| k == key.as_bytes()).map(|(_, value)| value);
        let first = all.next()?;
        if all.any(|other| other != first) {
            return None;
        }
        std::str::from_utf8(first).ok().filter(|text| !text.is_empty())
    }
}

/// `+` is a blank, `%C3` a byte; a percent sign without two digits stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms_are_read_from_their_bytes() {
        let form =
            Form::parse(b"Body=Ol%C3%A1%2C+voc%c3%aa%21&From=%2B5511987654321&Empty=&&Alone&a=b=c&%3D=%26").unwrap();
        assert_eq!(form.get("Body"), Some("Olá, você!"));
        assert_eq!(form.get("From"), Some("+5511987654321"));
        assert_eq!((form.get("Empty"), form.get("Alone"), form.get("None")), (None, None, None));
        assert_eq!((form.get("a"), form.get("=")), (Some("b=c"), Some("&")));
        assert_eq!(Form::parse(b"").unwrap(), Form(Vec::new()));
    }

    #[test]
    fn a_broken_escape_stands_for_itself() {
        for (raw, text) in [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%%41", "%A"), ("%+", "% "), ("%-1", "%-1")] {
            let form = Form::parse(format!("k={raw}").as_bytes()).unwrap();
            assert_eq!(form.get("k"), Some(text), "{raw}");
        }
        assert_eq!(Form::parse(b"k=%ff").unwrap().get("k"), None);
    }

    #[test]
    fn of_several_values_none_counts() {
        let form = Form::parse(b"a=1&a=2&b=3&b=3&c=4").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (None, Some("3"), Some("4")));
        let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        let sorted = [pair("a", "1"), pair("a", "2"), pair("b", "3"), pair("c", "4")];
        assert_eq!(form.distinct(), sorted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn there_are_only_so_many_pairs() {
        assert!(Form::parse(&b"a=1&".repeat(MAX_PAIRS)).is_some());
        assert!(Form::parse(&b"a=1&".repeat(MAX_PAIRS + 1)).is_none());
    }
}
