//! The files in `events/` are what the functions really get.

use engine::queue::{EnrollWork, InboundWork, StepDue, decode};
use serde_json::Value;

fn event(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/").to_owned() + name;
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn body(name: &str) -> String {
    event(name)["Records"][0]["body"].as_str().unwrap().to_owned()
}

#[test]
fn every_queue_message_parses() {
    let due: StepDue = decode(&body("step-due.json")).unwrap();
    let planned: domain::enrollment::PlannedSend = decode(&body("send-planned.json")).unwrap();
    assert_eq!((due.enrollment, due.tenant), (planned.enrollment, planned.tenant));
    decode::<EnrollWork>(&body("enroll-part.json")).unwrap();
    let inbound: InboundWork = decode(&body("inbound.json")).unwrap();
    assert!(matches!(&inbound, InboundWork::Events { events, .. } if events.len() == 1), "{inbound:?}");
    assert_eq!(inbound.tenant(), planned.tenant);
}

#[test]
fn the_http_events_are_signed_and_addressed() {
    let webhook = event("webhook-whatsapp-message.json");
    let body = webhook["body"].as_str().unwrap();
    let signature = webhook["headers"]["x-hub-signature-256"].as_str().unwrap();
    assert_eq!(signature, crate::webhooks::sign("app-secret", body));
    let payment = event("webhook-asaas-payment.json");
    let body: Value = serde_json::from_str(payment["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["event"], &body["payment"]["billingType"]), (&"PAYMENT_RECEIVED".into(), &"PIX".into()));
    let source = payment["rawPath"].as_str().unwrap().rsplit('/').next().unwrap();
    assert!(domain::ids::SourceId::parse(source).is_some());
    assert_eq!(payment["headers"]["asaas-access-token"], "token-do-painel");
    assert_eq!(event("api-create-contact.json")["requestContext"]["http"]["path"], "/v1/contacts");
    assert_eq!(event("sweep-tick.json")["detail-type"], "Scheduled Event");
}
