//! How many SMS parts a text becomes (3GPP TS 23.038 for the alphabet, TS 23.040 for the parts).

use serde::{Deserialize, Serialize};

/// What one text costs to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Segments {
    pub encoding: Encoding,
    /// Septets in GSM-7, UTF-16 code units in UCS-2.
    pub units: usize,
    /// Parts that are sent and billed; 0 for an empty text.
    pub segments: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

impl Encoding {
    /// Units of a message that is one part, and of each part of a longer one.
    fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// The basic alphabet without letters, digits and space; the escape is not a character of a text.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Septets of a character; none when GSM-7 lacks it.
fn septets(c: char) -> Option<usize> {
    if c.is_ascii_alphanumeric() || c == ' ' || BASIC.contains(c) {
        Some(1)
    } else if EXTENDED.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// Counts parts as carriers do: one character outside GSM-7 turns the whole text to UCS-2, and a
/// character of two units is never split over two parts.
pub fn sms_segments(text: &str) -> Segments {
    let encoding = if text.chars().all(|c| septets(c).is_some()) { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let width = |c: char| match encoding {
        Encoding::Gsm7 => septets(c).expect("every character was found in GSM-7"),
        Encoding::Ucs2 => c.len_utf16(),
    };
    let (single, part) = encoding.capacity();
    let units = text.chars().map(width).sum();
    let segments = if units <= single {
        usize::from(units > 0)
    } else {
        let (mut segments, mut used) = (1, 0);
        for width in text.chars().map(width) {
            if used + width > part {
                segments += 1;
                used = 0;
            }
            used += width;
        }
        segments
    };
    Segments { encoding, units, segments }
}

/// Writes a text with GSM-7's letters where a reader still recognises it: `Olá, João…` → `Ola, Joao...`.
///
/// Emoji and invisible characters are dropped. A letter with no Latin counterpart (`Ж`) stays, and
/// the text with it in UCS-2: a wrong word is worse than another part.
pub fn transliterate(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if septets(c).is_some() {
            plain.push(c);
        } else if let Some(replacement) = replacement(c) {
            plain.push_str(replacement);
        } else if c.is_alphanumeric() {
            plain.push(c);
        }
    }
    plain
}

fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' | 'ª' => "a",
        'Á' | 'À' | 'Â' | 'Ã' | 'Ā' | 'Ă' | 'Ą' => "A",
        'ç' | 'ć' | 'č' => "c",
        'Ć' | 'Č' => "C",
        'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'È' | 'Ê' | 'Ë' | 'Ē' | 'Ę' | 'Ě' => "E",
        'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'Í' | 'Ì' | 'Î' | 'Ï' | 'Ī' | 'İ' => "I",
        'ó' | 'ô' | 'õ' | 'ō' | 'ő' | 'º' | '°' => "o",
        'Ó' | 'Ò' | 'Ô' | 'Õ' | 'Ō' | 'Ő' => "O",
        'ú' | 'û' | 'ū' | 'ů' | 'ű' => "u",
        'Ú' | 'Ù' | 'Û' | 'Ū' | 'Ů' | 'Ű' => "U",
        'ý' | 'ÿ' => "y",
        'Ý' => "Y",
        'ł' => "l",
        'Ł' => "L",
        'ń' => "n",
        'Ń' => "N",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'Ś' | 'Š' | 'Ş' => "S",
        'ž' | 'ź' | 'ż' => "z",
        'Ž' | 'Ź' | 'Ż' => "Z",
        'ð' => "d",
        'œ' => "oe",
        '‘' | '’' | '‚' | '′' | '´' | '`' => "'",
        '“' | '”' | '„' | '″' | '«' | '»' => "\"",
        '–' | '—' | '‐' | '‑' | '−' | '•' | '·' => "-",
        '…' => "...",
        '×' => "x",
        '÷' => "/",
        '½' => "1/2",
        '¼' => "1/4",
        '¾' => "3/4",
        '²' => "2",
        '³' => "3",
        '™' => "TM",
        '©' => "(c)",
        '®' => "(R)",
        '₲' => "Gs",
        '\t' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2003}' | '\u{2002}' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        for (text, encoding, units, segments) in [
            (String::new(), Encoding::Gsm7, 0, 0),
            ("a".into(), Encoding::Gsm7, 1, 1),
            ("a".repeat(160), Encoding::Gsm7, 160, 1),
            ("a".repeat(161), Encoding::Gsm7, 161, 2),
            ("a".repeat(306), Encoding::Gsm7, 306, 2),
            ("a".repeat(307), Encoding::Gsm7, 307, 3),
            ("€".repeat(80), Encoding::Gsm7, 160, 1),
            // 153 is odd: the 77th euro sign would straddle the parts, so it begins the next one.
            ("€".repeat(153), Encoding::Gsm7, 306, 3),
            ("a".repeat(152) + "€" + &"a".repeat(151), Encoding::Gsm7, 305, 2),
            ("a".repeat(152) + "€" + &"a".repeat(152), Encoding::Gsm7, 306, 3),
            ("Ç é à ò @ £ Ω ^{}\\[~]|€\u{c}\n".into(), Encoding::Gsm7, 35, 1),
            ("ã".into(), Encoding::Ucs2, 1, 1),
            ("ç".repeat(70), Encoding::Ucs2, 70, 1),
            ("á".repeat(71), Encoding::Ucs2, 71, 2),
            ("á".repeat(134), Encoding::Ucs2, 134, 2),
            ("😀".repeat(35), Encoding::Ucs2, 70, 1),
            // 67 is odd: each part holds 33 pairs.
            ("😀".repeat(66), Encoding::Ucs2, 132, 2),
            ("😀".repeat(67), Encoding::Ucs2, 134, 3),
        ] {
            assert_eq!(sms_segments(&text), Segments { encoding, units, segments }, "{text}");
        }
    }

    #[test]
    fn transliterated() {
        for (text, expected) in [
            ("Olá, João… “não” é às 9h – ok 🙂!", "Ola, Joao... \"nao\" é às 9h - ok !"),
            ("R$\u{a0}10", "R$ 10"),
            ("Жук", "Жук"),
            ("a\u{303}o\u{200d}", "ao"),
        ] {
            assert_eq!(transliterate(text), expected);
        }
        assert_eq!(sms_segments(&transliterate("Ação já! São Luís, coração")).encoding, Encoding::Gsm7);
    }
}
