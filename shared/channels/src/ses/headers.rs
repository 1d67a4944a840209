//! The headers of our own that an email carries. SES writes the others itself and refuses them here: From,
//! To, CC, Reply-To, Subject, Date, Message-ID and those of MIME.

use domain::content::RenderedEmail;
use domain::ids::AttemptRef;

use super::config::Config;

/// A header's value, at most (SES: 995 printable ASCII characters).
const MAX_VALUE: usize = 995;

/// Name and value of each.
pub(super) fn headers(
    config: &Config,
    region: &str,
    reference: &AttemptRef,
    email: &RenderedEmail,
) -> Vec<(&'static str, String)> {
    let thread: Vec<String> = email.continues.iter().filter_map(|id| config.message_id(id, region)).collect();
    let mut headers = Vec::new();
    if let Some(last) = thread.last() {
        headers.push(("In-Reply-To", last.clone()));
    }
    headers.push(("References", references(own_id(config, reference), &thread)));
    headers.extend(unsubscribe(config, email));
    headers.retain(|(_, value)| value.len() <= MAX_VALUE && value.bytes().all(|b| matches!(b, b' '..=b'~')));
    headers
}

/// Our own id of the message, which programs that answer repeat: SES puts another in its place.
fn own_id(config: &Config, reference: &AttemptRef) -> String {
    format!("<{reference}@{}>", config.mailbox().domain())
}

/// Our own id, the thread's first email and as many of its last ones as there is room for.
fn references(own: String, thread: &[String]) -> String {
    let mut room = MAX_VALUE.saturating_sub(own.len());
    let mut takes = |id: &&String| match room.checked_sub(id.len() + 1) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let first = thread.first().filter(&mut takes);
    let mut last: Vec<&String> = thread.iter().skip(1).rev().take_while(&mut takes).collect();
    last.reverse();
    std::iter::once(&own).chain(first).chain(last).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// RFC 8058: one click at the mailbox, which posts to the link; by mail where we get any.
fn unsubscribe(config: &Config, email: &RenderedEmail) -> Vec<(&'static str, String)> {
    let Some(url) = &email.unsubscribe_url else { return Vec::new() };
    let mut ways = format!("<{url}>");
    if let (Some(domain), Some(token)) = (&config.inbound_domain, &email.reply_token) {
        ways.push_str(&format!(", <mailto:u+{token}@{domain}?subject=unsubscribe>"));
    }
    vec![("List-Unsubscribe", ways), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::sequence::EmailThread;
    use serde_json::json;

    use super::*;

    fn reference() -> AttemptRef {
        AttemptRef::parse(&format!("enr_{}.7", "A".repeat(43))).unwrap()
    }

    fn email(continues: Vec<String>) -> RenderedEmail {
        RenderedEmail {
            subject: "Fatura".into(),
            text: "Oi".into(),
            html: None,
            cc: Vec::new(),
            thread: EmailThread::Same,
            continues,
            unsubscribe_url: None,
            reply_token: None,
        }
    }

    fn of(config: serde_json::Value, region: &str, email: &RenderedEmail) -> Vec<(&'static str, String)> {
        headers(&Config::parse(&config).unwrap(), region, &reference(), email)
    }

    #[test]
    fn a_thread_is_named_as_its_emails_are_on_the_wire() {
        let own = format!("<enr_{}.7@example.com>", "A".repeat(43));
        let from = json!({"from": "Loja <loja@example.com>"});
        assert_eq!(of(from.clone(), "us-east-1", &email(vec![])), [("References", own.clone())]);
        let two = email(vec!["a".into(), "b".into()]);
        for (region, domain) in [("us-east-1", "email"), ("eu-west-1", "eu-west-1")] {
            let id = |id: &str| format!("<{id}@{domain}.amazonses.com>");
            let expected = [("In-Reply-To", id("b")), ("References", format!("{own} {} {}", id("a"), id("b")))];
            assert_eq!(of(from.clone(), region, &two), expected);
        }
    }

    #[test]
    fn a_long_thread_keeps_its_first_and_its_last() {
        let ids: Vec<String> = (0..40).map(|n| format!("0100{n:056}")).collect();
        let found = of(json!({"from": "loja@example.com"}), "us-east-1", &email(ids.clone()));
        let references: Vec<&str> = found[1].1.split(' ').collect();
        assert!(found[1].1.len() <= MAX_VALUE && found[1].1.len() > MAX_VALUE - 100, "{}", found[1].1.len());
        assert!(references[1].contains(&ids[0]) && references.last().unwrap().contains(&ids[39]));
        assert!(references[2..].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(found[0].1, *references.last().unwrap());
    }

    #[test]
    fn one_click_is_by_https_and_by_mail_where_we_get_any() {
        let mut said = email(vec![]);
        said.unsubscribe_url = Some("https://ritmo.test/u/AbC".into());
        said.reply_token = Some("00ff".into());
        let found = of(json!({"from": "loja@example.com"}), "us-east-1", &said);
        assert_eq!(
            found[1..],
            [
                ("List-Unsubscribe", "<https://ritmo.test/u/AbC>".to_owned()),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
            ]
        );
        let found = of(json!({"from": "loja@example.com", "inbound_domain": "re.example.com"}), "us-east-1", &said);
        let both = "<https://ritmo.test/u/AbC>, <mailto:u+00ff@re.example.com?subject=unsubscribe>";
        assert_eq!(found[1].1, both);
    }

    #[test]
    fn nothing_stands_in_a_header_that_would_begin_another() {
        let said = email(vec!["a>\r\nBcc: x@example.com".into(), "b".into()]);
        let found = of(json!({"from": "loja@example.com"}), "us-east-1", &said);
        assert!(found.iter().all(|(_, value)| !value.contains("Bcc")), "{found:?}");
    }
}
