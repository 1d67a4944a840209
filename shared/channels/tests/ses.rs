//! What SES tells through SNS. The fixtures re-create the facts of public payloads: the messages of
//! aws-js-sns-message-validator (signed here with a key of our own), the events of django-anymail's tests and
//! of AWS's documentation.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use channels::ses::{Config, normalise};
use channels::{Providers, Webhook};
use domain::ids::{AttemptRef, Ids, SenderId, TenantId};
use domain::message::{
    Channel, DeliveryStatus, EmailAnswer, Identity, InboundEvent, InboundKind, ProviderKind, Reaction,
};
use domain::sender::Sender;
use domain::time::Timestamp;
use http::HeaderMap;
use serde_json::{Value, json};

fn now() -> Timestamp {
    Timestamp::parse("2026-03-02T12:00:30Z").unwrap()
}

fn reference() -> AttemptRef {
    AttemptRef::parse(&format!("enr_{}.7", "A".repeat(43))).unwrap()
}

fn config() -> Config {
    Config::parse(&json!({"from": "Loja <loja@example.com>", "inbound_domain": "reply.example.com"})).unwrap()
}

// Signatures.

fn signed() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("fixtures/sns.json")).unwrap()
}

/// SNS's certificate and its confirmations, served; the origin.
async fn amazon() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = testkit::sns::routes().route("/", axum::routing::get(|| async { "<ConfirmSubscriptionResponse/>" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

fn providers(origin: &str) -> Providers {
    let providers = Providers::new(&aws_config::SdkConfig::builder().build()).unwrap();
    providers.with_account(testkit::sns::ACCOUNT).with_origin(ProviderKind::Ses, origin)
}

async fn proven(providers: &Providers, config: Value, raw: &[u8], now: Timestamp) -> Option<bool> {
    let mut ids = Ids::from_seed([1; 32]);
    let tenant = TenantId::new(&mut ids);
    let sender = Sender::new(SenderId::of(tenant, &mut ids), now, Channel::Email, ProviderKind::Ses, config);
    let webhook = Webhook { raw, headers: &HeaderMap::new(), query: &[] };
    let proven = providers.verify(&sender, &webhook, &json!({}), now).await.ok()?;
    if proven {
        providers.confirm(&sender, &webhook).await.ok()?;
    }
    Some(proven)
}

#[tokio::test]
async fn what_sns_has_signed_is_believed_and_nothing_else() {
    let origin = amazon().await;
    let providers = providers(&origin);
    let plain = json!({"from": "loja@example.com"});
    let check = async |body: &Value, config: &Value, now: Timestamp| {
        proven(&providers, config.clone(), &serde_json::to_vec(body).unwrap(), now).await
    };
    for (name, message) in signed() {
        assert_eq!(check(&message, &plain, now()).await, Some(true), "{name}");
        // SNS repeats for an hour; a clock may be behind.
        assert_eq!(check(&message, &plain, now().plus_seconds(3_600)).await, Some(true), "{name}");
        assert_eq!(check(&message, &plain, now().plus_seconds(3_900)).await, Some(false), "{name}: stale");
        assert_eq!(check(&message, &plain, now().plus_seconds(-400)).await, Some(false), "{name}: not yet");
        for field in message.as_object().unwrap().keys().filter(|name| *name != "UnsubscribeURL") {
            for value in [Value::Null, json!("x"), json!(format!("{} ", message[field].as_str().unwrap_or_default()))] {
                let mut changed = message.clone();
                changed[field] = value.clone();
                if changed != message {
                    assert_eq!(check(&changed, &plain, now()).await, Some(false), "{name}: {field} {value}");
                }
            }
            let mut changed = message.clone();
            if !changed.as_object_mut().unwrap().remove(field).unwrap().is_null() {
                assert_eq!(check(&changed, &plain, now()).await, Some(false), "{name}: no {field}");
            }
        }
        let mut other = message.clone();
        other["SignatureVersion"] = if message["SignatureVersion"] == "1" { json!("2") } else { json!("1") };
        assert_eq!(check(&other, &plain, now()).await, Some(false), "{name}: another version");
        let listed = |arn: &str| json!({"from": "loja@example.com", "topic_arns": [arn]});
        let theirs = listed("arn:aws:sns:us-east-1:123456789012:ritmo");
        assert_eq!(check(&message, &theirs, now()).await, Some(false), "{name}: not a listed topic");
        let ours = listed("arn:aws:sns:us-east-1:000000000000:ritmo");
        assert_eq!(check(&message, &ours, now()).await, Some(true), "{name}");
        assert_eq!(check(&message, &json!({}), now()).await, Some(false), "{name}: no sender");
    }
    for raw in [&b""[..], b"{}", b"[]", b"null", b"\xff"] {
        assert_eq!(proven(&providers, plain.clone(), raw, now()).await, Some(false));
    }
}

#[tokio::test]
async fn without_a_certificate_nothing_is_decided() {
    let nobody = providers("http://127.0.0.1:1");
    let message = serde_json::to_vec(&signed()["notification_v2"]).unwrap();
    assert_eq!(proven(&nobody, json!({"from": "loja@example.com"}), &message, now()).await, None);
    // A topic that does not count causes no request at all.
    let theirs = json!({"from": "loja@example.com", "topic_arns": ["arn:aws:sns:us-east-1:123456789012:x"]});
    assert_eq!(proven(&nobody, theirs, &message, now()).await, Some(false));
}

// Events.

fn notification(told: &Value) -> Vec<u8> {
    json!({"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": told.to_string(),
        "Timestamp": "2026-03-02T12:00:00.000Z", "SignatureVersion": "2", "Signature": "", "SigningCertURL": ""})
    .to_string()
    .into_bytes()
}

fn read(told: &Value) -> Vec<InboundEvent> {
    normalise(&notification(told), &config(), now()).unwrap()
}

fn mail() -> Value {
    json!({
        "timestamp": "2026-03-02T11:59:00.000Z",
        "messageId": "00000137860315fd-34208509-5b74-41f3-95c5-22c1edc3c924-000000",
        "source": "\"Loja\" <loja@example.com>",
        "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
        "sendingAccountId": "123456789012",
        "destination": ["ana@example.org"],
        "headersTruncated": false,
        "headers": [{"name": "From", "value": "Loja <loja@example.com>"}],
        "commonHeaders": {"from": ["Loja <loja@example.com>"], "to": ["ana@example.org"], "subject": "Fatura"},
        "tags": {"ses:operation": ["SendEmail"], "ritmo_attempt": [format!("enr_{}-7", "A".repeat(43))]},
    })
}

fn told(kind: &str, field: &str, detail: Value) -> Value {
    json!({"eventType": kind, "mail": mail(), field: detail})
}

fn bounce(kind: &str, more: &str) -> Value {
    json!({
        "bounceType": kind,
        "bounceSubType": more,
        "timestamp": "2026-03-02T12:00:10.000Z",
        "feedbackId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000",
        "remoteMtaIp": "192.0.2.1",
        "reportingMTA": "dsn; a27-3.smtp-out.us-west-2.amazonses.com",
        "bouncedRecipients": [{"action": "failed", "emailAddress": "Ana@Example.org", "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
    })
}

/// Status, reaction and code of the one status among the events.
fn status(events: &[InboundEvent]) -> Option<(DeliveryStatus, Option<(Reaction, &str)>)> {
    let mut all = events.iter().filter_map(|event| match event {
        InboundEvent::Status(update) => Some(update),
        _ => None,
    });
    let update = all.next()?;
    assert_eq!(all.next(), None);
    assert_eq!(update.provider_message_id, mail()["messageId"]);
    assert_eq!(update.reference.map(|r| r.0), Some(reference()));
    Some((update.status, update.refusal.as_ref().map(|r| (r.reaction, r.code.as_str()))))
}

fn bounced(events: &[InboundEvent]) -> Vec<&str> {
    let addresses = events.iter().filter_map(|event| match event {
        InboundEvent::Bounced { address, .. } => Some(address.as_str()),
        _ => None,
    });
    addresses.collect()
}

fn opted_out(events: &[InboundEvent]) -> Vec<&Identity> {
    let from = events.iter().filter_map(|event| match event {
        InboundEvent::OptOut { from, .. } => Some(from),
        _ => None,
    });
    from.flatten().collect()
}

#[test]
fn every_event_has_its_meaning() {
    use DeliveryStatus::*;
    let check = |told: &Value, expected| assert_eq!(status(&read(told)), expected, "{told}");
    check(&told("Send", "send", json!({})), Some((Sent, None)));
    let delivery = json!({"timestamp": "2026-03-02T12:00:05.000Z", "processingTimeMillis": 546,
        "recipients": ["ana@example.org"], "smtpResponse": "250 ok", "reportingMTA": "a8-70.smtp-out.amazonses.com"});
    check(&told("Delivery", "delivery", delivery), Some((Delivered, None)));
    check(&told("Open", "open", json!({"timestamp": "2026-03-02T12:00:20.000Z"})), Some((Read, None)));
    check(&told("Click", "click", json!({"link": "https://example.com"})), Some((Read, None)));
    check(
        &told("Reject", "reject", json!({"reason": "Bad content"})),
        Some((Failed, Some((Reaction::Message, "Reject.Badcontent")))),
    );
    let failure = json!({"templateName": "t", "errorMessage": "Attribute 'x' is not present"});
    check(
        &told("Rendering Failure", "failure", failure),
        Some((Failed, Some((Reaction::Message, "RenderingFailure")))),
    );
    check(&told("DeliveryDelay", "deliveryDelay", json!({"delayType": "MailboxFull"})), None);
    check(&told("Something New", "new", json!({})), None);
    for (kind, more, reaction, code, gone) in [
        ("Permanent", "General", Reaction::Recipient, "Permanent.General", true),
        ("Permanent", "NoEmail", Reaction::Recipient, "Permanent.NoEmail", true),
        ("Permanent", "OnAccountSuppressionList", Reaction::Recipient, "Permanent.OnAccountSuppressionList", true),
        ("Transient", "MailboxFull", Reaction::Recipient, "Transient.MailboxFull", false),
        ("Transient", "General", Reaction::Recipient, "Transient.General", false),
        ("Transient", "MessageTooLarge", Reaction::Message, "Transient.MessageTooLarge", false),
        ("Undetermined", "Undetermined", Reaction::Recipient, "Undetermined.Undetermined", false),
    ] {
        // The older form of an identity's notification says the same.
        let mut older = told("", "bounce", bounce(kind, more));
        older.as_object_mut().unwrap().remove("eventType");
        older["notificationType"] = json!("Bounce");
        for told in [told("Bounce", "bounce", bounce(kind, more)), older] {
            let events = read(&told);
            assert_eq!(status(&events), Some((Failed, Some((reaction, code)))), "{kind} {more}");
            assert_eq!(bounced(&events), if gone { vec!["ana@example.org"] } else { vec![] }, "{kind} {more}");
        }
    }
}

#[test]
fn a_complaint_opts_out_whoever_may_have_complained() {
    let complaint = |feedback: Value| {
        json!({"complainedRecipients": [{"emailAddress": "Ana@example.org"}, {"emailAddress": "Bia <bia@example.com>"}],
            "timestamp": "2026-03-02T12:00:10.000Z", "feedbackId": "f", "complaintFeedbackType": feedback})
    };
    for feedback in [json!("abuse"), json!("virus"), json!("other"), json!("auth-failure"), json!("fraud"), Value::Null]
    {
        let events = read(&told("Complaint", "complaint", complaint(feedback)));
        let who = ["ana@example.org", "bia@example.com"].map(|a| Identity::Email(a.into()));
        assert_eq!(opted_out(&events), who.iter().collect::<Vec<_>>());
    }
    assert_eq!(read(&told("Complaint", "complaint", complaint(json!("not-spam")))), []);
    let subscription = |all| json!({"contactList": "L", "newTopicPreferences": {"unsubscribeAll": all}});
    let events = read(&told("Subscription", "subscription", subscription(true)));
    assert_eq!(opted_out(&events), [&Identity::Email("ana@example.org".into())]);
    assert_eq!(read(&told("Subscription", "subscription", subscription(false))), []);
}

#[test]
fn who_is_on_copy_does_not_fail_the_step() {
    let mut told = told("Bounce", "bounce", bounce("Permanent", "General"));
    told["mail"]["destination"] = json!(["Ana <ana@example.org>", "bia@example.com"]);
    told["bounce"]["bouncedRecipients"] = json!([{"emailAddress": "bia@example.com"}]);
    let events = read(&told);
    assert_eq!((status(&events), bounced(&events)), (None, vec!["bia@example.com"]));
    told["bounce"]["bouncedRecipients"] =
        json!([{"emailAddress": "bia@example.com"}, {"emailAddress": "ANA@example.org"}]);
    let events = read(&told);
    assert_eq!(status(&events).unwrap().0, DeliveryStatus::Failed);
    assert_eq!(bounced(&events), ["bia@example.com", "ana@example.org"]);
    told["eventType"] = json!("Open");
    assert_eq!(read(&told), [], "nobody knows who opened it");
}

#[test]
fn a_message_is_ours_by_its_tag_its_headers_or_its_writer() {
    let mut told = told("Bounce", "bounce", bounce("Permanent", "General"));
    told["mail"]["tags"] = json!({});
    told["mail"]["headers"] =
        json!([{"name": "references", "value": format!("<x@y.z>\r\n <{}@example.com>", reference())}]);
    assert!(status(&read(&told)).is_some());
    told["mail"]["headers"] = json!([]);
    let events = read(&told);
    assert_eq!(bounced(&events), ["ana@example.org"]);
    told["mail"]["source"] = json!("another@example.com");
    assert_eq!(read(&told), []);
    // What SNS and SES say beside.
    let raw = json!({"Type": "UnsubscribeConfirmation", "MessageId": "1", "TopicArn": "t", "Message": "m",
        "Timestamp": "t", "SignatureVersion": "2", "Signature": "", "SigningCertURL": ""});
    assert_eq!(normalise(raw.to_string().as_bytes(), &config(), now()).unwrap(), []);
    let mut sentence = serde_json::from_slice::<Value>(&notification(&json!({}))).unwrap();
    sentence["Message"] = json!("Successfully validated SNS topic for Amazon SES event publishing.");
    assert_eq!(normalise(sentence.to_string().as_bytes(), &config(), now()).unwrap(), []);
    assert!(normalise(b"{", &config(), now()).is_err());
}

// Mail.

const TOKEN: &str = "00112233445566778899aabbccddeeff0011223344556677";

fn received(headers: &str, text: &str) -> Value {
    json!({
        "notificationType": "Received",
        "receipt": {
            "timestamp": "2026-03-02T12:00:20.000Z", "processingTimeMillis": 222,
            "recipients": [format!("R+{}@Reply.example.com", TOKEN.to_uppercase())],
            "spamVerdict": {"status": "PASS"}, "virusVerdict": {"status": "PASS"}, "spfVerdict": {"status": "PASS"},
            "dkimVerdict": {"status": "GRAY"}, "dmarcVerdict": {"status": "GRAY"},
            "action": {"type": "SNS", "topicArn": "arn:aws:sns:us-east-1:123456789012:mail", "encoding": "UTF8"},
        },
        "mail": {
            "timestamp": "2026-03-02T12:00:19.000Z", "source": "ana@example.org",
            "messageId": "d6iitobk75ur44p8kdnnp7g2n800", "destination": [format!("r+{TOKEN}@reply.example.com")],
            "headersTruncated": false, "headers": [], "commonHeaders": {"from": ["Ana <ana@example.org>"]},
        },
        "content": format!("From: =?UTF-8?Q?Ana_S=C3=A3o?= <Ana@Example.org>\r\n{headers}\r\n{text}"),
    })
}

fn answer(told: &Value) -> Option<EmailAnswer> {
    let mut events = read(told);
    match events.pop() {
        Some(InboundEvent::Email(answer)) => Some(answer),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_says_who_what_and_to_which() {
    let headers = format!(
        "Subject: Re: Fatura\r\nIn-Reply-To: <0100-a-000000@email.amazonses.com>\r\nReferences: <{}@example.com>\r\n \
         <0100-a-000000@email.amazonses.com>\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n",
        reference()
    );
    let told = received(
        &headers,
        "N=E3o, obrigada.\r\n\r\nEm seg., 2 de mar. de 2026, Loja <loja@example.com> escreveu:\r\n> Oi\r\n",
    );
    let found = answer(&told).unwrap();
    assert_eq!(found.token.as_deref(), Some(TOKEN));
    assert_eq!(found.answers.map(|a| a.0), Some(reference()));
    assert!(!found.unsubscribes);
    assert_eq!(found.message.kind, InboundKind::Text);
    assert_eq!(found.message.text.as_deref(), Some("Não, obrigada."));
    assert_eq!(found.message.from, [Identity::Email("ana@example.org".into())]);
    assert_eq!(found.message.name.as_deref(), Some("Ana São"));
    assert_eq!(found.message.in_reply_to.as_deref(), Some("0100-a-000000@email.amazonses.com"));
    assert_eq!(found.message.at, Timestamp::parse("2026-03-02T12:00:20Z").unwrap());
    assert_eq!(found.message.id, "d6iitobk75ur44p8kdnnp7g2n800");

    use base64::Engine as _;
    let mut encoded = told.clone();
    encoded["content"] = json!(base64::engine::general_purpose::STANDARD.encode(told["content"].as_str().unwrap()));
    encoded["receipt"]["action"]["encoding"] = json!("BASE64");
    assert_eq!(answer(&encoded), Some(found));

    let html = received("Content-Type: text/html; charset=utf-8\r\n", "<p>SAIR</p>");
    assert_eq!(answer(&html).unwrap().message.text.as_deref(), Some("SAIR"));
}

#[test]
fn a_message_that_did_not_come_along_is_still_an_answer() {
    let mut told = received("", "");
    told.as_object_mut().unwrap().remove("content");
    told["mail"]["headers"] = json!([{"name": "Auto-Submitted", "value": "auto-replied"}]);
    let found = answer(&told).unwrap();
    assert_eq!((found.message.kind, found.message.text), (InboundKind::AutoReply, None));
    assert_eq!(found.message.from, [Identity::Email("ana@example.org".into())]);
}

#[test]
fn what_a_program_has_written_is_no_answer() {
    for (headers, kind) in [
        ("", InboundKind::Text),
        ("Auto-Submitted: no\r\n", InboundKind::Text),
        ("Precedence: first-class\r\n", InboundKind::Text),
        ("X-Auto-Response-Suppress: None\r\n", InboundKind::Text),
        ("Auto-Submitted: auto-replied\r\n", InboundKind::AutoReply),
        ("auto-submitted: AUTO-GENERATED; owner-email=x\r\n", InboundKind::AutoReply),
        ("Auto-Submitted: auto-notified\r\n", InboundKind::AutoReply),
        ("Precedence: bulk\r\n", InboundKind::AutoReply),
        ("Precedence: auto_reply\r\n", InboundKind::AutoReply),
        ("Precedence: list\r\n", InboundKind::AutoReply),
        ("Precedence: junk\r\n", InboundKind::AutoReply),
        ("X-Autoreply: yes\r\n", InboundKind::AutoReply),
        ("X-Autorespond: Fora\r\n", InboundKind::AutoReply),
        ("X-Auto-Response-Suppress: All\r\n", InboundKind::AutoReply),
        ("Return-Path: <>\r\n", InboundKind::AutoReply),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n", InboundKind::AutoReply),
    ] {
        assert_eq!(answer(&received(headers, "Oi")).unwrap().message.kind, kind, "{headers}");
    }
    let mut nobody = received("", "Oi");
    nobody["mail"]["source"] = json!("");
    assert_eq!(answer(&nobody).unwrap().message.kind, InboundKind::AutoReply);
}

#[test]
fn forged_mail_names_nobody() {
    let mut told = received("", "Oi");
    told["receipt"]["dmarcVerdict"]["status"] = json!("FAIL");
    assert_eq!(answer(&told).unwrap().message.from, [], "the token alone counts");
    for verdict in ["virusVerdict", "spamVerdict"] {
        let mut told = received("", "Oi");
        told["receipt"][verdict]["status"] = json!("FAIL");
        assert_eq!(answer(&told), None);
    }
    let two = received("From: b@example.com\r\n", "Oi");
    assert!(answer(&two).unwrap().message.from.len() <= 1);
    let mut elsewhere = received("", "Oi");
    elsewhere["receipt"]["recipients"] = json!(["r+1@example.com"]);
    elsewhere["mail"]["destination"] = json!(["x@reply.example.com.evil.example"]);
    assert_eq!(answer(&elsewhere), None);
    let mut leaves = received("", "");
    leaves["receipt"]["recipients"] = json!([format!("u+{TOKEN}@reply.example.com")]);
    let found = answer(&leaves).unwrap();
    assert_eq!((found.unsubscribes, found.token.as_deref()), (true, Some(TOKEN)));
}

/// Mutated events and mails never panic, and give a bounded number of events.
#[test]
fn mutated_bodies_are_survived() {
    let mut seeds: Vec<Value> =
        ["Permanent", "Transient"].map(|kind| told("Bounce", "bounce", bounce(kind, "General"))).into_iter().collect();
    seeds.push(told("Complaint", "complaint", json!({"complainedRecipients": [{"emailAddress": "a@example.org"}]})));
    seeds.push(told("Delivery", "delivery", json!({"timestamp": "2026-03-02T12:00:05.000Z"})));
    let part =
        "--x\r\nContent-Type: text/plain\r\n\r\nOi\r\n> Oi\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>Oi\r\n--x--\r\n";
    seeds.push(received("Content-Type: multipart/alternative; boundary=x\r\nReferences: <a@b> <c@d>\r\n", part));
    let config = config();
    for seed in 0..mutate::count(20_000) {
        let (mut raw, mut random) = mutate::body(&seeds, seed);
        // The mail inside is foreign bytes too.
        if let Ok(mut told) = serde_json::from_slice::<Value>(&raw)
            && let Some(content) = told.get("content").and_then(Value::as_str)
        {
            let mut mail = content.as_bytes().to_vec();
            mutate::bytes(&mut mail, &mut random);
            told["content"] = json!(String::from_utf8_lossy(&mail));
            raw = told.to_string().into_bytes();
        }
        let inner = String::from_utf8_lossy(&raw).into_owned();
        let mut outer: Value = serde_json::from_slice(&notification(&json!({}))).unwrap();
        outer["Message"] = json!(inner);
        let events = normalise(outer.to_string().as_bytes(), &config, now()).unwrap();
        assert!(events.len() <= 51, "seed {seed}");
        let _ = normalise(&raw, &config, now());
    }
}
