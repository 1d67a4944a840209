//! Links that a provider fetches by itself.

use super::limits::LINK;

/// For people.
pub(crate) const NOT_A_LINK: &str = "must be a public https link, such as https://files.example.com/a.pdf";

/// An https link to a public name: no address, no port of a machine nearby, no user, no blanks.
pub(crate) fn is_public_link(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let readable = |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\\' | '`'));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    text.chars().count() <= LINK
        && rest.chars().all(readable)
        && is_public_name(host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|p| p > 0))
}

/// A name with a dot whose last part is no number and no local domain.
fn is_public_name(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let Some((name, last)) = host.rsplit_once('.') else { return false };
    let local = ["local", "localhost", "internal", "lan", "home", "test", "invalid"];
    name.split('.').all(label)
        && label(last)
        && !last.bytes().all(|b| b.is_ascii_digit())
        && !local.contains(&last.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_can_fetch() {
        for good in [
            "https://files.example.com/fatura.pdf",
            "https://example.com",
            "https://example.com:8443/a?b=c#d",
            "https://ação.example.com.br/é.png",
        ] {
            assert!(is_public_link(good), "{good}");
        }
        for bad in [
            "",
            "http://example.com/a.png",
            "ftp://example.com/a.png",
            "example.com/a.png",
            "https://",
            "https:///a.png",
            "https://localhost/a.png",
            "https://files.localhost/a.png",
            "https://printer.local/a.png",
            "https://intranet/a.png",
            "https://127.0.0.1/a.png",
            "https://10.0.0.1:443/a.png",
            "https://[::1]/a.png",
            "https://user@example.com/a.png",
            "https://user:pass@example.com/a.png",
            "https://example.com/a b.png",
            "https://example.com/a\nb.png",
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://-a.example.com/",
            "https://a..com/",
            "javascript:alert(1)",
        ] {
            assert!(!is_public_link(bad), "{bad}");
        }
        assert!(!is_public_link(&format!("https://example.com/{}", "a".repeat(2_000))));
    }
}
