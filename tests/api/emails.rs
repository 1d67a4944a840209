//! Email from end to end: what goes out by SES, what comes back by SNS, and who unsubscribes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{DAY, World, id};

fn email(key: &str, days: u32, content: Value) -> Value {
    let mut said = json!({"type": "text", "text": format!("{key}: Olá {{{{ contact.first_name }}}}")});
    said["email"] = content;
    json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "email", "content": said})
}

/// Three emails of one thread: at once, after 3 days, after 7 more.
fn three_emails() -> Value {
    json!({"name": "Três e-mails", "target": "contact", "steps": [
        email("um", 0, json!({"subject": "Cobrança nº 1", "cc": ["bia@example.com"]})),
        email("dois", 3, json!({})),
        email("tres", 7, json!({})),
    ]})
}

struct Cadence {
    world: World,
    contact: String,
    enrollment: String,
}

impl Cadence {
    /// Ana has had the first email, and its report.
    async fn start(definition: Value) -> Self {
        Self::of(World::start().await, definition, "ana@example.org").await
    }

    async fn of(world: World, definition: Value, address: &str) -> Self {
        let contact = json!({"first_name": "Ana", "email": address, "language": "pt_BR"});
        let contact = id(&world.post("/v1/contacts", contact).await);
        let sequence = world.sequence(definition).await;
        let enrollment = id(&world.enroll(&sequence, &contact).await);
        world.advance(3_600).await;
        Self { world, contact, enrollment }
    }

    async fn emails(&self) -> Vec<Value> {
        self.world.get("/_local/messages?channel=email").await["data"].as_array().unwrap().clone()
    }

    async fn outcome(&self) -> Value {
        self.world.enrollment(&self.enrollment).await["outcome"].clone()
    }

    async fn answer(&self, text: &str, details: Value) {
        let answer = json!({"channel": "email", "from": "ana@example.org", "text": text, "details": details});
        self.world.post("/_local/inbound", answer).await;
    }

    /// The link of the last email that one unsubscribes by.
    async fn link(&self) -> String {
        let ways = header(self.emails().await.last().unwrap(), "List-Unsubscribe").unwrap();
        ways.trim_start_matches('<').split('>').next().unwrap().to_owned()
    }
}

fn header(message: &Value, name: &str) -> Option<String> {
    let headers = message["body"]["Content"]["Simple"]["Headers"].as_array()?;
    Some(headers.iter().find(|h| h["Name"] == name)?["Value"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_emails_are_one_thread_in_any_region() {
    for (region, domain) in [("us-east-1", "email.amazonses.com"), ("sa-east-1", "sa-east-1.amazonses.com")] {
        let world = World::start().await;
        let sender = json!({"name": "Loja", "channel": "email", "provider": "ses", "credentials": {},
            "config": {"from": "Açaí da Loja <acai@example.com>", "region": region, "inbound_domain": "re.example.com"}});
        let sender = id(&world.post("/v1/senders", sender).await);
        let mut definition = three_emails();
        for step in definition["steps"].as_array_mut().unwrap() {
            step["sender_id"] = json!(sender);
        }
        let cadence = Cadence::of(world, definition, "ana@example.org").await;
        cadence.world.advance(20 * DAY).await;
        let emails = cadence.emails().await;
        assert_eq!(emails.len(), 3);
        let wire: Vec<_> =
            emails.iter().map(|m| format!("<{}@{domain}>", m["provider_message_id"].as_str().unwrap())).collect();
        let own = |n: usize| format!("<{}@example.com>", emails[n]["reference"].as_str().unwrap());
        assert_eq!(header(&emails[0], "In-Reply-To"), None);
        assert_eq!(header(&emails[0], "References"), Some(own(0)));
        assert_eq!(header(&emails[1], "In-Reply-To"), Some(wire[0].clone()));
        assert_eq!(header(&emails[1], "References"), Some(format!("{} {}", own(1), wire[0])));
        assert_eq!(header(&emails[2], "In-Reply-To"), Some(wire[1].clone()));
        assert_eq!(header(&emails[2], "References"), Some(format!("{} {} {}", own(2), wire[0], wire[1])));
        let subjects: Vec<_> = emails.iter().map(|m| &m["body"]["Content"]["Simple"]["Subject"]["Data"]).collect();
        assert_eq!(subjects, ["Cobrança nº 1", "Re: Cobrança nº 1", "Re: Cobrança nº 1"]);
        let body = &emails[0]["body"];
        assert_eq!(body["FromEmailAddress"], "=?UTF-8?B?QcOnYcOtIGRhIExvamE=?= <acai@example.com>");
        assert_eq!(
            body["Destination"],
            json!({"ToAddresses": ["ana@example.org"], "CcAddresses": ["bia@example.com"]})
        );
        let reply_to = body["ReplyToAddresses"][0].as_str().unwrap();
        assert!(reply_to.starts_with("r+") && reply_to.ends_with("@re.example.com"), "{reply_to}");
        assert_eq!(header(&emails[0], "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
        // Without a configuration set nobody tells what became of them.
        let steps = cadence.world.enrollment(&cadence.enrollment).await["steps"].clone();
        assert_eq!(steps[0]["status"], "sent");
        assert_eq!(cadence.outcome().await, "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_the_emails_and_an_out_of_office_does_not() {
    let cadence = Cadence::start(three_emails()).await;
    let steps = cadence.world.enrollment(&cadence.enrollment).await["steps"].clone();
    assert_eq!(steps[0]["status"], "delivered");
    let automatic = json!({"headers": {"Auto-Submitted": "auto-replied"}, "subject": "Ausente"});
    cadence.answer("Estou de férias até segunda.", automatic).await;
    assert_eq!(cadence.outcome().await, Value::Null);
    cadence.world.advance(4 * DAY).await;
    assert_eq!(cadence.emails().await.len(), 2);

    // Answers go to an address of her own: whatever she writes from.
    let to = cadence.emails().await[1]["body"]["ReplyToAddresses"][0].clone();
    let from_work = json!({"channel": "email", "from": "Ana Souza <ana.souza@work.example>", "text": "Vou pagar hoje.",
        "details": {"to": to.as_str().unwrap().to_uppercase(), "headers": {"References": null, "In-Reply-To": null}}});
    cadence.world.post("/_local/inbound", from_work).await;
    assert_eq!(cadence.outcome().await, "replied");
    cadence.world.advance(20 * DAY).await;
    assert_eq!(cadence.emails().await.len(), 2);

    let messages = cadence.world.get(&format!("/v1/contacts/{}/messages", cadence.contact)).await;
    let inbound: Vec<_> = messages["data"].as_array().unwrap().iter().filter(|m| m["direction"] == "in").collect();
    assert_eq!(inbound.len(), 2);
    assert!(inbound.iter().all(|m| m["channel"] == "email"), "{inbound:?}");
    assert!(inbound.iter().any(|m| m["text"] == "Vou pagar hoje."), "without what it quotes: {inbound:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_known_by_its_thread_and_by_its_writer_too() {
    for (name, from, details) in [
        ("references", "other@work.example", json!({"to": "loja@reply.example.com"})),
        (
            "writer",
            "ana@example.org",
            json!({"to": "loja@reply.example.com", "headers": {"References": null, "In-Reply-To": null}}),
        ),
    ] {
        let cadence = Cadence::start(three_emails()).await;
        let mut details = details;
        if name == "references" {
            let own = header(&cadence.emails().await[0], "References").unwrap();
            details["headers"] = json!({"References": own, "In-Reply-To": null});
        }
        let answer = json!({"channel": "email", "from": from, "text": "Oi", "details": details});
        cadence.world.post("/_local/inbound", answer).await;
        assert_eq!(cadence.outcome().await, "replied", "{name}");
    }
    // Somebody else's mail to that domain is nobody's answer.
    let cadence = Cadence::start(three_emails()).await;
    for to in ["loja@reply.example.com", "r+000000000000000000000000000000000000000000000000@reply.example.com"] {
        let stranger = json!({"channel": "email", "from": "x@example.net", "text": "Oi", "details": {"to": to}});
        cadence.world.post("/_local/inbound", stranger).await;
    }
    assert_eq!(cadence.outcome().await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_unsubscribes_and_a_look_does_not() {
    let mut definition = three_emails();
    definition["steps"][0]["content"]["text"] = json!("Olá. Para sair: {{ contact.unsubscribe_url }}");
    let cadence = Cadence::start(definition).await;
    let (link, http) = (cadence.link().await, reqwest::Client::new());
    assert!(link.starts_with(&cadence.world.local.base_url), "{link}");
    assert!(cadence.emails().await[0]["text"].as_str().unwrap().ends_with(&link), "the text says it too");
    for method in [Method::GET, Method::HEAD] {
        let page = http.request(method.clone(), &link).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(page.headers().contains_key("content-security-policy") && !page.headers().contains_key("set-cookie"));
        let html = page.text().await.unwrap();
        assert!(method == Method::HEAD || html.contains("Você quer deixar de receber e-mails de Local?"), "{html}");
    }
    assert_eq!(cadence.outcome().await, Value::Null);

    for _ in 0..2 {
        let click = http.post(&link).header("content-type", "application/x-www-form-urlencoded");
        let answer = click.body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("Pronto."));
        assert_eq!(cadence.outcome().await, "unsubscribed");
    }
    let listed = cadence.world.get("/v1/suppressions").await["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["channel"], &listed[0]["address"]), (&json!("email"), &json!("ana@example.org")));
    cadence.world.advance(20 * DAY).await;
    assert_eq!(cadence.emails().await.len(), 1);

    let (rest, last) = link.split_at(link.len() - 1);
    let changed = format!("{rest}{}", if last == "A" { "B" } else { "A" });
    for bad in [changed, format!("{}/u/x", cadence.world.local.base_url)] {
        assert_eq!(http.get(&bad).send().await.unwrap().status(), 404);
        assert_eq!(http.post(&bad).send().await.unwrap().status(), 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_or_a_mail_unsubscribes_too() {
    let cadence = Cadence::start(three_emails()).await;
    cadence.answer("SAIR", json!({})).await;
    assert_eq!(cadence.outcome().await, "unsubscribed");

    let cadence = Cadence::start(three_emails()).await;
    let ways = header(&cadence.emails().await[0], "List-Unsubscribe").unwrap();
    let to = ways.split("<mailto:").nth(1).unwrap().split('?').next().unwrap().to_owned();
    cadence
        .answer("", json!({"to": to, "subject": "unsubscribe", "headers": {"Auto-Submitted": "auto-generated"}}))
        .await;
    assert_eq!(cadence.outcome().await, "unsubscribed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_bounces_or_complains_gets_nothing_more() {
    for (who, reason) in [("bounce+1", "bounce"), ("complaint", "opt_out")] {
        let address = format!("{who}@simulator.amazonses.com");
        let cadence = Cadence::of(World::start().await, three_emails(), &address).await;
        cadence.world.advance(20 * DAY).await;
        assert_eq!(cadence.emails().await.len(), 1, "{who}");
        let listed = cadence.world.get("/v1/suppressions").await["data"].clone();
        assert_eq!((&listed[0]["address"], &listed[0]["reason"]), (&json!(address), &json!(reason)));
        let run = cadence.world.enrollment(&cadence.enrollment).await;
        let first = &run["steps"][0];
        match who {
            "complaint" => {
                assert_eq!((&run["outcome"], &first["status"]), (&json!("unsubscribed"), &json!("delivered")))
            }
            _ => assert_eq!((&first["status"], &first["reason"]), (&json!("failed"), &json!("recipient_unreachable"))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_another_account_is_not_believed() {
    let cadence = Cadence::start(three_emails()).await;
    let sender = cadence.emails().await[0]["sender_id"].as_str().unwrap().to_owned();
    let url = format!("{}/webhooks/ses/{sender}", cadence.world.local.base_url);
    let told = json!({"notificationType": "Complaint", "mail": {"messageId": "1", "source": "loja@example.com"},
        "complaint": {"complainedRecipients": [{"emailAddress": "ana@example.org"}], "feedbackId": "f"}});
    let access = |config: Value| testkit::stand_in::SenderAccess {
        sender_id: sender.clone(),
        channel: domain::message::Channel::Email,
        provider: domain::message::ProviderKind::Ses,
        config,
        credentials: Value::Null,
    };
    let now = cadence.world.get("/_local/clock").await["now"].as_str().unwrap().to_owned();
    let now = domain::time::Timestamp::parse(&now).unwrap();
    let post = async |body: String| reqwest::Client::new().post(&url).body(body).send().await.unwrap().status();
    let foreign = json!({"topic_arns": ["arn:aws:sns:us-east-1:111111111111:ritmo"]});
    let foreign = testkit::sns::notification(&access(foreign), "s", &told, now).body;
    assert_eq!(post(foreign).await, 401);
    let ours = testkit::sns::notification(&access(json!({})), "s", &told, now).body;
    assert_eq!(post(ours.replace("ana@example.org", "bia@example.org")).await, 401, "changed");
    let old = testkit::sns::notification(&access(json!({})), "s", &told, now.plus_seconds(-2 * 3_600)).body;
    assert_eq!(post(old).await, 401, "two hours old");
    assert_eq!(cadence.outcome().await, Value::Null);
    assert_eq!(post(ours).await, 200);
    assert_eq!(cadence.outcome().await, "unsubscribed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recommended_emails_go_out_with_a_copy() {
    let world = World::start().await;
    let listed = world.get("/v1/sequences").await["data"].clone();
    let recommended = listed.as_array().unwrap().iter().find(|s| s["name"] == "Recommended for Email CC");
    let sequence = id(recommended.unwrap());
    let contact = json!({"first_name": "Ana", "email": "ana@example.org",
        "assignee": {"name": "Bia", "email": "bia@example.com"}});
    let contact = id(&world.post("/v1/contacts", contact).await);
    let run = id(&world.enroll(&sequence, &contact).await);
    world.advance(60 * DAY).await;
    let emails = world.get("/_local/messages?channel=email").await["data"].clone();
    assert_eq!(emails.as_array().unwrap().len(), 4);
    for (n, email) in emails.as_array().unwrap().iter().enumerate() {
        assert_eq!(email["body"]["Destination"]["CcAddresses"], json!(["bia@example.com"]));
        assert_eq!(header(email, "In-Reply-To").is_some(), n > 0);
    }
    assert_eq!(world.enrollment(&run).await["outcome"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_ses_refuses_says_whose_fault_it_is() {
    for (code, state, status) in [
        ("MessageRejected", "waiting", "failed"),
        ("TooManyRequestsException", "waiting", "delivered"),
        ("AccountSuspendedException", "parked", "scheduled"),
    ] {
        let world = World::start().await;
        world.post("/_local/faults", json!({"provider": "ses", "fail": [{"error_code": code}]})).await;
        let cadence = Cadence::of(world, three_emails(), "ana@example.org").await;
        let run = cadence.world.enrollment(&cadence.enrollment).await;
        assert_eq!((&run["state"], &run["steps"][0]["status"]), (&json!(state), &json!(status)), "{code}");
    }
    // Cut off after it was taken: one email, which its report settles.
    let world = World::start().await;
    world.post("/_local/faults", json!({"provider": "ses", "fail": [{"timeout": "after"}]})).await;
    let cadence = Cadence::of(world, three_emails(), "ana@example.org").await;
    let run = cadence.world.enrollment(&cadence.enrollment).await;
    assert_eq!((cadence.emails().await.len(), &run["steps"][0]["status"]), (1, &json!("delivered")));
}
