//! Cadences that go on in Chatwoot's conversations.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{DAY, World, id};

const ANA: &str = "+5511987654321";

fn step(key: &str, days: u32, content: Value) -> Value {
    json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "same_conversation", "content": content,
        "outside_window": "fail"})
}

fn text(key: &str, days: u32) -> Value {
    step(key, days, json!({"type": "text", "text": format!("{key}: {{{{ contact.first_name }}}}")}))
}

struct Helpdesk {
    world: World,
    contact: String,
}

impl Helpdesk {
    /// Ana has written to the helpdesk.
    async fn open(details: Value) -> Self {
        let world = World::start().await;
        let contact = world.contact("Ana", ANA).await;
        let helpdesk = Self { world, contact };
        helpdesk.happens("Quanto custa?", details).await;
        helpdesk.world.advance(60).await;
        helpdesk
    }

    async fn happens(&self, text: &str, details: Value) {
        let body = json!({"channel": "conversation", "from": ANA, "text": text, "details": details});
        self.world.post("/_local/inbound", body).await;
    }

    async fn enroll(&self, steps: &[Value], exit: Value) -> String {
        let definition = json!({"name": "Conversa", "target": "contact", "steps": steps, "exit": exit});
        let sequence = self.world.sequence(definition).await;
        let run = id(&self.world.enroll(&sequence, &self.contact).await);
        self.world.advance(60).await;
        run
    }

    async fn texts(&self) -> Vec<String> {
        let messages = self.world.get("/_local/messages?channel=conversation&to=1").await;
        let texts = messages["data"].as_array().unwrap().iter();
        texts.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn outcome(&self, run: &str) -> Value {
        self.world.enrollment(run).await["outcome"].clone()
    }

    async fn fault(&self, fail: Value) {
        self.world.post("/_local/faults", json!({"provider": "chatwoot", "fail": [fail]})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_in_the_conversation_until_somebody_answers_there() {
    let agent = json!({"as": "agent"});
    let goal = json!({"goals": [{"event": "message.sent_by_agent"}]});
    for (says, details, exit, outcome) in [
        ("Quero sim", json!({}), json!({}), json!("replied")),
        ("Posso ajudar?", agent.clone(), goal.clone(), json!("goal")),
        ("", json!({"status": "resolved"}), json!({}), json!("resolved")),
        ("Posso ajudar?", agent, json!({}), Value::Null),
        ("", json!({"status": "snoozed"}), json!({}), Value::Null),
    ] {
        // Told, and lost on the way: then it is seen before the next message goes in.
        for lost in [false, true] {
            let helpdesk = Helpdesk::open(json!({})).await;
            let run = helpdesk.enroll(&[text("um", 0), text("dois", 1)], exit.clone()).await;
            assert_eq!(helpdesk.texts().await, ["um: Ana"]);
            let stands = helpdesk.world.enrollment(&run).await;
            assert_eq!(
                (&stands["steps"][0]["status"], &stands["steps"][0]["channel"]),
                (&json!("delivered"), &json!("conversation"))
            );
            let mut details = details.clone();
            details["lost"] = json!(lost);
            details["conversation_id"] = json!(1);
            helpdesk.happens(says, details.clone()).await;
            assert_eq!(helpdesk.outcome(&run).await, if lost { Value::Null } else { outcome.clone() }, "{details}");
            helpdesk.world.advance(DAY + 3_600).await;
            let ended = if outcome.is_null() { json!("completed") } else { outcome.clone() };
            assert_eq!(helpdesk.outcome(&run).await, ended, "{details}");
            let count = if outcome.is_null() { 2 } else { 1 };
            assert_eq!(helpdesk.texts().await.len(), count, "{details}");
        }
    }
}

/// What is over is not taken up again, unless the run is about that very conversation.
#[tokio::test(flavor = "multi_thread")]
async fn a_resolved_conversation_does_not_go_on() {
    for lost in [false, true] {
        let helpdesk = Helpdesk::open(json!({})).await;
        let run = helpdesk.enroll(&[text("um", 0), text("dois", 1)], json!({"on_resolved": false})).await;
        helpdesk.happens("", json!({"status": "resolved", "lost": lost})).await;
        helpdesk.world.advance(DAY + 3_600).await;
        let stands = helpdesk.world.enrollment(&run).await;
        let second = &stands["steps"][1];
        assert_eq!((&second["status"], &second["reason"]), (&json!("skipped"), &json!("no_address")), "{lost}");
        assert_eq!((&stands["outcome"], helpdesk.texts().await.len()), (&json!("completed"), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_may_have_been_taken_is_not_made_twice() {
    for (fail, flagged) in
        [(json!({"timeout": "after"}), false), (json!({"status": 504}), false), (json!({"timeout": "before"}), true)]
    {
        let helpdesk = Helpdesk::open(json!({})).await;
        helpdesk.fault(fail.clone()).await;
        let run = helpdesk.enroll(&[text("um", 0), text("dois", 1)], json!({})).await;
        helpdesk.world.advance(1_800).await;
        let step = helpdesk.world.enrollment(&run).await["steps"][0].clone();
        assert_eq!(step["unknown"].as_bool().unwrap_or(false), flagged, "{fail} {step}");
        assert_eq!(helpdesk.texts().await.len(), usize::from(!flagged), "{fail}");
    }
    // Known not to be there: again.
    let helpdesk = Helpdesk::open(json!({})).await;
    helpdesk.fault(json!({"status": 503})).await;
    helpdesk.enroll(&[text("um", 0)], json!({})).await;
    helpdesk.world.advance(60).await;
    assert_eq!(helpdesk.texts().await, ["um: Ana"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_hands_over_to_a_bot() {
    let helpdesk = Helpdesk::open(json!({})).await;
    let bot = |id: &str, text: Value| json!({"type": "bot", "bot_id": id, "text": text});
    let steps = [
        step("um", 0, bot("4", json!("Já vai, {{ contact.first_name }}"))),
        step("dois", 1, bot("5", Value::Null)),
        step("tres", 1, bot("9", json!("nunca"))),
    ];
    let run = helpdesk.enroll(&steps, json!({})).await;
    assert_eq!(helpdesk.texts().await, ["Já vai, Ana"]);
    helpdesk.world.advance(3 * DAY).await;
    let stands = helpdesk.world.enrollment(&run).await;
    let steps: Vec<_> =
        (0..3).map(|n| (stands["steps"][n]["status"].clone(), stands["steps"][n]["reason"].clone())).collect();
    assert_eq!(steps[0].0, "delivered");
    assert_eq!((steps[1].0.clone(), helpdesk.texts().await.len()), (json!("sent"), 1));
    assert_eq!(steps[2], (json!("failed"), json!("message_rejected")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_in_the_helpdesk_keeps_its_window() {
    let helpdesk = Helpdesk::open(json!({"whatsapp": true})).await;
    let mut second = text("dois", 2);
    second["outside_window"] = json!("template");
    second["fallback_template"] = json!({"name": "volta", "language": "pt_BR", "body": ["{{ contact.first_name }}"]});
    let run = helpdesk.enroll(&[text("um", 0), second, text("tres", 1)], json!({})).await;
    assert_eq!(helpdesk.texts().await, ["um: Ana"]);
    helpdesk.world.advance(4 * DAY).await;
    assert_eq!(helpdesk.texts().await, ["um: Ana", "[volta] Ana"]);
    let sent = helpdesk.world.messages().await.pop().unwrap()["body"]["template_params"].clone();
    assert_eq!(sent, json!({"name": "volta", "language": "pt_BR", "processed_params": {"body": {"1": "Ana"}}}));
    let stands = helpdesk.world.enrollment(&run).await;
    let third = &stands["steps"][2];
    assert_eq!((&third["status"], &third["reason"]), (&json!("failed"), &json!("outside_window_no_template")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_accounts_chatwoot_is_believed() {
    let helpdesk = Helpdesk::open(json!({})).await;
    let run = helpdesk.enroll(&[text("um", 0), text("dois", 1)], json!({})).await;
    let sender =
        helpdesk.world.get("/v1/account").await["default_senders"]["conversation"].as_str().unwrap().to_owned();
    let body = json!({"event": "conversation_status_changed", "id": 1, "status": "resolved", "account": {"id": 1}});
    for (query, status) in [("", 401), ("?token=wrong", 401), ("?token=local-webhook-secret", 200)] {
        assert_eq!(helpdesk.outcome(&run).await, Value::Null);
        let path = format!("/webhooks/chatwoot/{sender}{query}");
        let (answered, _) = helpdesk.world.call(Method::POST, &path, body.clone()).await;
        assert_eq!(answered, status, "{query}");
    }
    assert_eq!(helpdesk.outcome(&run).await, "resolved");
    helpdesk.world.advance(2 * DAY).await;
    assert_eq!(helpdesk.texts().await.len(), 1);
}
