//! Payments as their providers tell them: signed, over HTTP, applied before the answer.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use local::client::Client;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::mercadopago::MercadopagoStandIn;

use crate::world::{DAY, START, World, id, step};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A payment source and whoever tells it something.
struct Source<'a> {
    world: &'a World,
    id: String,
    url: String,
}

impl<'a> Source<'a> {
    async fn new(world: &'a World, provider: &str, config: Value, credentials: Value) -> Self {
        let body = json!({"name": "Loja", "provider": provider, "config": config, "credentials": credentials});
        let made = world.post("/v1/payment-sources", body).await;
        let url = format!("{}{}", world.local.base_url, made["webhook_path"].as_str().unwrap());
        Self { world, id: id(&made), url }
    }

    async fn asaas(world: &'a World) -> Self {
        Self::new(world, "asaas", json!({}), json!({"secret": "token-do-painel"})).await
    }

    async fn stripe(world: &'a World) -> Self {
        Self::new(world, "stripe", json!({}), json!({"secret": SECRET})).await
    }

    async fn tell(&self, query: &str, headers: &[(&str, String)], body: &str) -> u16 {
        let mut request = reqwest::Client::new().post(format!("{}{query}", self.url)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    async fn tell_asaas(&self, event: &str, payment: Value) -> u16 {
        let body = json!({"id": format!("evt_{event}&1"), "event": event, "dateCreated": "2026-03-02 08:00:00",
            "payment": payment});
        self.tell("", &[("asaas-access-token", "token-do-painel".into())], &body.to_string()).await
    }

    async fn now(&self) -> i64 {
        let now = self.world.get("/_local/clock").await["now"].as_str().unwrap().to_owned();
        domain::time::Timestamp::parse(&now).unwrap().0
    }

    async fn tell_stripe(&self, event: &str, type_: &str, object: Value) -> u16 {
        self.tell_stripe_with(SECRET, event, type_, object).await
    }

    async fn tell_stripe_with(&self, secret: &str, event: &str, type_: &str, object: Value) -> u16 {
        let now = self.now().await;
        let body = json!({"id": event, "object": "event", "created": now, "type": type_, "data": {"object": object}});
        let signed = hex(&hmac(secret.as_bytes(), &format!("{now}.{body}")));
        self.tell("", &[("stripe-signature", format!("t={now},v1={signed}"))], &body.to_string()).await
    }

    async fn unmatched(&self) -> Vec<Value> {
        let list = self.world.get(&format!("/v1/payment-sources/{}/unmatched", self.id)).await;
        list["data"].as_array().unwrap().clone()
    }
}

/// Reminds of a charge at once and after a day, until it is paid.
async fn dunning(world: &World, sender: Option<&str>) -> String {
    let mut steps = vec![step("um", 0, "minutes"), step("dois", 1, "days")];
    for step in &mut steps {
        step["sender_id"] = json!(sender);
    }
    let exit =
        json!({"goals": [{"event": "charge.paid", "where": [{"field": "data.amount", "op": "gte", "value": 50}]}]});
    world.sequence(json!({"name": "Cobrança", "target": "charge", "steps": steps, "exit": exit})).await
}

async fn enroll(world: &World, sequence: &str, contact: &str, charge: &str) -> String {
    let body = json!({"sequence_id": sequence, "contact_id": contact, "target": {"kind": "charge", "id": charge,
        "attributes": {"amount": "129,90"}}});
    id(&world.post("/v1/enrollments", body).await)
}

fn pix(id: &str, reference: &str) -> Value {
    json!({"object": "payment", "id": id, "customer": "cus_1", "value": 129.9, "netValue": 127.91, "billingType": "PIX",
        "status": "RECEIVED", "dueDate": "2026-03-01", "externalReference": reference})
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_by_pix_while_the_next_message_is_buffered() {
    let world = World::start().await;
    let source = Source::asaas(&world).await;
    // A slot every 15 s: one goes out at once, the others wait in the send queue.
    let sender = json!({"name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "1555", "waba_id": "1777"}, "limits": {"per_minute": 4},
        "credentials": {"access_token": "t", "app_secret": "s", "verify_token": "v"}});
    let sender = id(&world.post("/v1/senders", sender).await);
    let sequence = dunning(&world, Some(&sender)).await;
    let mut runs = Vec::new();
    for (n, name) in ["Caio", "Ana", "Bia"].iter().enumerate() {
        let contact = world.contact(name, &format!("+551198765432{n}")).await;
        runs.push(enroll(&world, &sequence, &contact, &format!("pedido-{n}")).await);
    }
    world.advance(5).await;
    let sent = async || -> Vec<String> {
        let run = |m: &Value| m["enrollment_id"].as_str().unwrap().to_owned();
        world.messages().await.iter().map(run).collect()
    };
    assert_eq!(sent().await, [runs[0].clone()], "Ana's and Bia's are buffered");

    assert_eq!(source.tell_asaas("PAYMENT_RECEIVED", pix("pay_1", "pedido-1")).await, 200);
    let paid = world.enrollment(&runs[1]).await;
    assert_eq!((&paid["state"], &paid["outcome"]), (&json!("finished"), &json!("goal")), "before the answer");
    world.advance(60).await;
    assert_eq!(sent().await, [runs[0].clone(), runs[2].clone()], "Bia's went out in its turn, Ana's never");
    world.advance(3 * DAY).await;
    assert!(!sent().await.contains(&runs[1]));
    let timeline = world.enrollment(&runs[1]).await["timeline"].as_array().unwrap().clone();
    let last = timeline.last().unwrap();
    assert_eq!((last["code"].as_str(), last["at"].as_str()), (Some("finished"), Some("2026-03-02T12:00:05Z")));
    assert!(last["detail"].as_str().unwrap().contains("charge.paid"), "{last}");

    // Told again, and once more when a card's money arrives: nothing is different.
    let before = world.enrollment(&runs[1]).await;
    assert_eq!(source.tell_asaas("PAYMENT_RECEIVED", pix("pay_1", "pedido-1")).await, 200);
    assert_eq!(source.tell_asaas("PAYMENT_CONFIRMED", pix("pay_1", "pedido-1")).await, 200);
    assert_eq!(world.enrollment(&runs[1]).await, before);
    assert_eq!(source.unmatched().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_proof_changes_nothing() {
    let world = World::start().await;
    let (asaas, stripe) = (Source::asaas(&world).await, Source::stripe(&world).await);
    let sequence = dunning(&world, None).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let run = enroll(&world, &sequence, &contact, "in_1").await;
    world.advance(60).await;
    let before = world.enrollment(&run).await;
    let body = json!({"id": "evt_1", "object": "event", "created": 1_772_452_800, "type": "invoice.paid",
        "data": {"object": {"id": "in_1", "object": "invoice", "status": "paid", "amount_paid": 12_990, "currency": "brl"}}})
    .to_string();
    let sign = |secret: &str, at: i64, body: &str| {
        [("stripe-signature", format!("t={at},v1={}", hex(&hmac(secret.as_bytes(), &format!("{at}.{body}")))))]
    };
    let now = stripe.now().await;
    let again = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
    for (case, status) in [
        ("no header", stripe.tell("", &[], &body).await),
        ("another secret", stripe.tell("", &sign("other", now, &body), &body).await),
        ("another body", stripe.tell("", &sign(SECRET, now, &body), &body.replace("in_1", "in_2")).await),
        ("written again", stripe.tell("", &sign(SECRET, now, &body), &again).await),
        ("old", stripe.tell("", &sign(SECRET, now - 301, &body), &body).await),
        ("early", stripe.tell("", &sign(SECRET, now + 301, &body), &body).await),
        ("no token", asaas.tell("", &[], "{}").await),
        ("another token", asaas.tell("", &[("asaas-access-token", "x".into())], "{}").await),
    ] {
        assert_eq!(status, 401, "{case}");
    }
    let nobody = Source { url: stripe.url.replace("/stripe/", "/asaas/"), world: &world, id: String::new() };
    assert_eq!(nobody.tell("", &sign(SECRET, now, &body), &body).await, 404, "another provider's address");
    let nobody = Source { url: format!("{}x", stripe.url), world: &world, id: String::new() };
    assert_eq!(nobody.tell("", &sign(SECRET, now, &body), &body).await, 404);
    let huge = format!("{}{}", body, " ".repeat(1024 * 1024));
    assert_eq!(stripe.tell("", &sign(SECRET, now, &huge), &huge).await, 413);
    assert_eq!(world.enrollment(&run).await, before);

    // Proven, and nothing to do: 200. Thin events say what is wrong with them.
    assert_eq!(stripe.tell_stripe("evt_2", "customer.created", json!({"id": "cus_1"})).await, 200);
    let nonsense = "{\"id\": ";
    assert_eq!(stripe.tell("", &sign(SECRET, now, nonsense), nonsense).await, 200);
    assert_eq!(stripe.unmatched().await[0]["reason"], "unreadable");
    let thin = json!({"id": "evt_3", "object": "v2.core.event", "type": "x"}).to_string();
    assert_eq!(stripe.tell("", &sign(SECRET, now, &thin), &thin).await, 400);
    assert_eq!(world.enrollment(&run).await, before);

    assert_eq!(stripe.tell("", &sign(SECRET, now - 300, &body), &body).await, 200);
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_tells_an_invoice_is_paid_and_a_refund_ends_nothing() {
    let world = World::start().await;
    let source = Source::stripe(&world).await;
    let sequence = dunning(&world, None).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let run = enroll(&world, &sequence, &contact, "pedido-7").await;
    let other = enroll(&world, &sequence, &contact, "pedido-8").await;
    let invoice = |paid: i64| {
        json!({"id": "in_7", "object": "invoice", "status": "paid", "amount_paid": paid, "currency": "brl",
            "metadata": {"charge_id": "pedido-7"}})
    };
    // A goal wants 50 or more; a payment of less is one, and not the goal.
    let refund = json!({"id": "ch_7", "object": "charge", "amount": 12_990, "amount_refunded": 12_990, "refunded": true,
        "currency": "brl", "metadata": {"charge_id": "pedido-7"}});
    assert_eq!(source.tell_stripe("evt_1", "charge.refunded", refund).await, 200);
    assert_eq!(world.enrollment(&run).await["state"], "waiting");
    world.advance(60).await;
    assert_eq!(source.tell_stripe("evt_2", "invoice.paid", invoice(12_990)).await, 200);
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");
    assert_eq!(world.enrollment(&other).await["state"], "waiting", "another charge of hers");
    assert_eq!(
        source
            .tell_stripe(
                "evt_3",
                "invoice.paid",
                json!({"id": "in_8", "object": "invoice", "status": "paid",
        "amount_paid": 4_999, "currency": "brl", "metadata": {"charge_id": "pedido-8"}})
            )
            .await,
        200
    );
    assert_eq!(world.enrollment(&other).await["state"], "waiting", "too little for the goal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_told_in_several_ways_thanks_once() {
    let world = World::start().await;
    let source = Source::stripe(&world).await;
    let thanks = world
        .sequence(json!({"name": "Obrigado", "target": "charge", "steps": [step("um", 1, "days")],
            "entry": {"triggers": [{"event": "charge.paid"}]}}))
        .await;
    let contact = id(&world.post("/v1/contacts", json!({"first_name": "Ana", "email": "Ana@Example.com"})).await);
    let target = format!("/v1/contacts/{contact}/targets/charge/pedido-9");
    world.call(Method::PUT, &target, json!({"attributes": {"amount": "99,00"}})).await;
    let runs = async || -> Vec<Value> {
        world.get(&format!("/v1/enrollments?sequence_id={thanks}")).await["data"].as_array().unwrap().clone()
    };
    let charge = json!({"id": "ch_9", "object": "charge", "amount": 9_900, "captured": true, "currency": "brl",
        "payment_intent": "pi_9", "billing_details": {"email": "ana@example.com"}});
    let session = json!({"id": "cs_9", "object": "checkout.session", "payment_status": "paid", "amount_total": 9_900,
        "currency": "brl", "payment_intent": "pi_9", "client_reference_id": "pedido-9",
        "customer_details": {"email": "ana@example.com"}});
    let intent = json!({"id": "pi_9", "object": "payment_intent", "amount_received": 9_900, "currency": "brl"});
    for (event, type_, object) in [
        ("evt_1", "charge.succeeded", &charge),
        ("evt_2", "checkout.session.completed", &session),
        ("evt_3", "payment_intent.succeeded", &intent),
        ("evt_1", "charge.succeeded", &charge),
    ] {
        assert_eq!(source.tell_stripe(event, type_, object.clone()).await, 200);
        assert_eq!(runs().await.len(), 1, "{type_}");
    }
    // By the payer's email alone: kept with her under Stripe's id.
    assert_eq!(runs().await[0]["target"], json!({"kind": "charge", "id": "pi_9"}));
    assert_eq!(source.unmatched().await, Vec::<Value>::new());

    // Another payment, in the other order: the charge does not name the order that the session named.
    let target = format!("/v1/contacts/{contact}/targets/charge/pedido-10");
    world.call(Method::PUT, &target, json!({})).await;
    let again = |value: &Value| {
        let text = value.to_string().replace("_9", "_10").replace("pedido-9", "pedido-10");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(source.tell_stripe("evt_4", "checkout.session.completed", again(&session)).await, 200);
    assert_eq!(source.tell_stripe("evt_5", "charge.succeeded", again(&charge)).await, 200);
    assert_eq!(source.tell_stripe("evt_6", "payment_intent.succeeded", again(&intent)).await, 200);
    let thanked: Vec<_> = runs().await.iter().map(|run| run["target"]["id"].clone()).collect();
    assert_eq!(thanked.len(), 2, "{thanked:?}");
    assert!(thanked.contains(&json!("pedido-10")), "{thanked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn overdue_starts_what_it_triggers_and_paid_before_it_ends_it() {
    let world = World::start().await;
    let source = Source::asaas(&world).await;
    let mut definition = json!({"name": "Cobrança", "target": "charge", "steps": [step("um", 1, "days")],
        "exit": {"goals": [{"event": "charge.paid"}]}, "entry": {"triggers": [{"event": "charge.overdue"}]}});
    let sequence = world.sequence(definition.take()).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    for charge in ["pay_1", "pay_2"] {
        world.call(Method::PUT, &format!("/v1/contacts/{contact}/targets/charge/{charge}"), json!({})).await;
    }
    let runs = async || -> Vec<Value> {
        world.get(&format!("/v1/enrollments?sequence_id={sequence}")).await["data"].as_array().unwrap().clone()
    };
    // 08:00 in Brasília is 11:00, an hour before now.
    assert_eq!(source.tell_asaas("PAYMENT_OVERDUE", pix("pay_1", "x")).await, 200);
    assert_eq!((runs().await.len(), &runs().await[0]["state"]), (1, &json!("waiting")));
    assert_eq!(source.tell_asaas("PAYMENT_OVERDUE", pix("pay_1", "x")).await, 200);
    assert_eq!(runs().await.len(), 1, "told twice");
    // Out of order: the payment is heard of first.
    assert_eq!(source.tell_asaas("PAYMENT_RECEIVED", pix("pay_2", "x")).await, 200);
    let late = json!({"id": "evt_late&1", "event": "PAYMENT_OVERDUE", "dateCreated": "2026-03-02 08:00:00",
        "payment": pix("pay_2", "x")});
    let token = [("asaas-access-token", "token-do-painel".to_owned())];
    assert_eq!(source.tell("", &token, &late.to_string()).await, 200);
    world.advance(2 * DAY).await;
    let sent = world.messages().await;
    assert_eq!(sent.len(), 1, "only the charge that is still owed is asked for: {sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mercado_pago_is_read_back() {
    let world = World::start().await;
    let stand_in = MercadopagoStandIn::new("APP_USR-1");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let router = stand_in.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let credentials = json!({"secret": "chave", "access_token": "APP_USR-1"});
    let source = Source::new(&world, "mercadopago", json!({"base_url": base_url}), credentials.clone()).await;
    let sequence = dunning(&world, None).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let payment = |status: &str, reference: &str| {
        json!({"status": status, "status_detail": "accredited", "transaction_amount": 129.9, "currency_id": "BRL",
            "payment_method_id": "pix", "date_created": "2026-03-02T08:00:00.000-04:00",
            "external_reference": reference, "payer": {"email": "ana@example.com"}})
    };
    let tell = async |payment: u64| {
        let manifest = format!("id:{payment};request-id:r-1;ts:1772452800000;");
        let signature = format!("ts=1772452800000,v1={}", hex(&hmac(b"chave", &manifest)));
        let query = format!("?data.id={payment}&type=payment");
        let body =
            json!({"id": 1, "type": "payment", "action": "payment.updated", "data": {"id": payment.to_string()}});
        source.tell(&query, &[("x-signature", signature), ("x-request-id", "r-1".into())], &body.to_string()).await
    };
    let run = enroll(&world, &sequence, &contact, "pedido-1").await;
    stand_in.put(1, payment("in_process", "pedido-1"));
    assert_eq!(tell(1).await, 200);
    stand_in.put(1, payment("rejected", "pedido-1"));
    assert_eq!(tell(1).await, 200);
    assert_eq!(world.enrollment(&run).await["state"], "waiting");
    stand_in.put(2, payment("approved", "pedido-1"));
    assert_eq!(tell(2).await, 200);
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");
    assert_eq!(tell(404).await, 200, "the panel's test notification");

    // A passing fault: told to come again, and applied from the queue meanwhile.
    let run = enroll(&world, &sequence, &contact, "pedido-3").await;
    stand_in.put(3, payment("approved", "pedido-3"));
    stand_in.fail(503);
    assert_eq!(tell(3).await, 503);
    world.advance(60).await;
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");

    // The older form is unsigned; nothing of it counts but what is read back.
    let run = enroll(&world, &sequence, &contact, "pedido-4").await;
    stand_in.put(4, payment("approved", "pedido-4"));
    assert_eq!(source.tell("?topic=payment&id=4", &[("x-signature", "ts=1,v1=0".into())], "").await, 401);
    assert_eq!(source.tell("?topic=payment&id=4", &[], "").await, 200);
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");
    assert_eq!(source.tell("?data.id=4&type=payment", &[], "{}").await, 401);

    // A token that is not taken: only its owner can help, and the provider comes again.
    let run = enroll(&world, &sequence, &contact, "pedido-5").await;
    stand_in.put(5, payment("approved", "pedido-5"));
    let path = format!("/v1/payment-sources/{}", source.id);
    let wrong = json!({"credentials": {"secret": "chave", "access_token": "APP_USR-2"}});
    world.call(Method::PATCH, &path, wrong).await;
    world.advance(60).await;
    assert_eq!(tell(5).await, 503);
    world.advance(3_600).await;
    assert_eq!(world.enrollment(&run).await["outcome"], Value::Null);
    world.call(Method::PATCH, &path, json!({"credentials": credentials})).await;
    assert_eq!(tell(5).await, 200, "the new token counts at once");
    assert_eq!(world.enrollment(&run).await["outcome"], "goal");
    assert_eq!(stand_in.asked(), ["1", "1", "2", "404", "3", "3", "4", "5", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_nobody_is_kept_for_a_month() {
    let world = World::start().await;
    let source = Source::new(&world, "standard", json!({}), json!({"secret": SECRET})).await;
    let tell = async |webhook: &str, data: Value| {
        let now = source.now().await;
        let body = json!({"type": "charge.paid", "timestamp": START, "data": data}).to_string();
        let key = BASE64.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = BASE64.encode(hmac(&key, &format!("{webhook}.{now}.{body}")));
        let headers = [
            ("webhook-id", webhook.into()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", format!("v1,{signed}")),
        ];
        source.tell("", &headers, &body).await
    };
    let ana = json!({"email": "ana@example.com"});
    for webhook in ["msg_1", "msg_1", "msg_2"] {
        let data = json!({"amount": 129.9, "currency": "BRL", "target": {"id": "pedido-1"}, "contact": ana});
        assert_eq!(tell(webhook, data).await, 200);
    }
    let kept = source.unmatched().await;
    assert_eq!(kept.len(), 2, "told twice, kept once");
    let mut first = kept.iter().find(|entry| entry["id"] == "standard:msg_1").unwrap().clone();
    first["data"]["provider_event"].take();
    assert_eq!(
        first,
        json!({"id": "standard:msg_1", "reason": "no_match", "type": "charge.paid", "known_as": ["pedido-1"],
        "data": {"amount": "129.90", "currency": "BRL", "provider": "standard", "provider_event": null},
        "occurred_at": START, "received_at": START})
    );
    let path = format!("/v1/payment-sources/{}/unmatched", source.id);
    let page = world.get(&format!("{path}?limit=1")).await;
    let next = world.get(&format!("{path}?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_ne!(page["data"][0]["id"], next["data"][0]["id"]);

    // Once there is somebody of that email, the charge is kept with them.
    let contact = id(&world.post("/v1/contacts", ana.clone()).await);
    assert_eq!(tell("msg_3", json!({"amount": 5, "target": {"id": "pedido-2"}, "contact": ana})).await, 200);
    assert_eq!(source.unmatched().await.len(), 2);
    let sequence = dunning(&world, None).await;
    let run = enroll(&world, &sequence, &contact, "pedido-2").await;
    assert_eq!(world.enrollment(&run).await["state"], "waiting", "a payment from before the run");

    world.advance(31 * DAY).await;
    assert_eq!(source.unmatched().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_changed_without_losing_what_is_under_way() {
    let world = World::start().await;
    let source = Source::stripe(&world).await;
    let tell = async |secret: &str, event: &str| {
        source.tell_stripe_with(secret, event, "customer.created", json!({"id": "cus_1"})).await
    };
    assert_eq!((tell(SECRET, "evt_1").await, tell("whsec_new", "evt_2").await), (200, 401));
    let path = format!("/v1/payment-sources/{}", source.id);
    let (status, shown) = world.call(Method::PATCH, &path, json!({"credentials": {"secret": "whsec_new"}})).await;
    assert_eq!(status, 200);
    assert!(!shown.to_string().contains("whsec"), "write-only: {shown}");
    assert_eq!((tell(SECRET, "evt_3").await, tell("whsec_new", "evt_4").await), (200, 200));
    world.advance(DAY + 60).await;
    assert_eq!((tell(SECRET, "evt_5").await, tell("whsec_new", "evt_6").await), (401, 200));
    assert_eq!(world.client.call(Method::DELETE, &path, None).await.unwrap().0, 204);
    assert_eq!(tell("whsec_new", "evt_7").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_source_is_not_there() {
    let world = World::start().await;
    let source = Source::asaas(&world).await;
    let operator = Client::new(&world.local.base_url, &world.local.operator_key);
    let made = operator.post("/v1/accounts", &json!({"name": "Outra", "enabled": true})).await.unwrap();
    let key = made["api_key"].as_str().unwrap().to_owned();
    let stranger = Client::new(&world.local.base_url, &key);
    let path = format!("/v1/payment-sources/{}", source.id);
    let patch = json!({"name": "Minha"});
    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::PATCH, path.clone(), Some(&patch)),
        (Method::DELETE, path.clone(), None),
        (Method::GET, format!("{path}/unmatched"), None),
    ] {
        let (status, answer) = stranger.call(method.clone(), &path, body).await.unwrap();
        assert_eq!(status, 404, "{method} {path}: {answer}");
    }
    assert_eq!(stranger.get("/v1/payment-sources").await.unwrap()["data"], json!([]));
    // Nor does a payment of one account reach a charge of the same name in another.
    let own = json!({"name": "Loja", "provider": "asaas", "credentials": {"secret": "token-do-painel"}});
    let theirs = stranger.post("/v1/payment-sources", &own).await.unwrap();
    let sequence = dunning(&world, None).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let run = enroll(&world, &sequence, &contact, "pedido-1").await;
    // The first reminder is out, and not on its way.
    world.advance(60).await;
    let url = format!("{}{}", world.local.base_url, theirs["webhook_path"].as_str().unwrap());
    let theirs = Source { world: &world, id: id(&theirs), url };
    assert_eq!(theirs.tell_asaas("PAYMENT_RECEIVED", pix("pay_1", "pedido-1")).await, 200);
    assert_eq!(world.enrollment(&run).await["state"], "waiting");
    let kept = stranger.get(&format!("/v1/payment-sources/{}/unmatched", theirs.id)).await.unwrap();
    assert_eq!(kept["data"].as_array().unwrap().len(), 1);
    assert_eq!(source.unmatched().await, Vec::<Value>::new());
}
