//! Recipients in the one form by which they are compared.

/// A recipient as it is compared and shown: a phone in E.164 with `+`, a Brazilian mobile with its ninth
/// digit (`551692318222` and `5516992318222` are one person); an email address in small letters; anything
/// else, such as WhatsApp's user ids, as it is.
pub fn recipient_key(text: &str) -> String {
    let text = text.trim();
    if text.contains('@') {
        return text.to_lowercase();
    }
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')')) {
        return text.to_owned();
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let short_mobile = digits.len() == 12 && digits.starts_with("55") && digits.as_bytes()[4] >= b'6';
    if short_mobile { format!("+{}9{}", &digits[..4], &digits[4..]) } else { format!("+{digits}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_compared_in_one_form() {
        for same in ["+55 (16) 99231-8222", "551692318222", "5516992318222"] {
            assert_eq!(recipient_key(same), "+5516992318222");
        }
        assert_eq!(recipient_key("US.13491208655302741918"), "US.13491208655302741918");
        assert_eq!(recipient_key(" Ana@Example.com"), "ana@example.com");
    }
}
