use serde_json::{Value, json};

use crate::world::World;

/// Zone, previous, wait, settings, window, due.
type Case<'a> = (&'a str, &'a str, (u32, &'a str), &'a Value, Option<&'a Value>, &'a str);

/// TIME.md section 5, through `POST /v1/preview`.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_time_rule() {
    let world = World::start().await;
    let quiet = json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}]});
    let brazil = json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}], "holidays": {"countries": ["BR"]}});
    let no_holidays = json!({"send_on_holidays": false, "holidays": {"countries": ["BR"]}});
    let weekdays = json!({"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"});
    let night = json!({"from": "20:00", "to": "06:00"});
    let none = json!({});
    let cases: [Case<'_>; 9] = [
        ("America/New_York", "2026-03-06T14:00:00Z", (3, "days"), &none, None, "2026-03-09T13:00:00Z"),
        ("America/New_York", "2026-03-07T07:30:00Z", (1, "days"), &none, None, "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-10-31T05:30:00Z", (1, "days"), &none, None, "2026-11-01T05:30:00Z"),
        ("America/New_York", "2026-11-01T04:30:00Z", (24, "hours"), &none, None, "2026-11-02T04:30:00Z"),
        ("America/Sao_Paulo", "2026-11-20T01:00:00Z", (1, "business_days"), &brazil, None, "2026-11-24T11:00:00Z"),
        ("America/Sao_Paulo", "2026-11-20T15:00:00Z", (0, "minutes"), &no_holidays, None, "2026-11-21T15:00:00Z"),
        ("America/Sao_Paulo", "2026-11-14T01:00:00Z", (0, "business_days"), &quiet, None, "2026-11-16T11:00:00Z"),
        ("Asia/Tokyo", "2026-06-06T03:00:00Z", (0, "minutes"), &none, Some(&weekdays), "2026-06-07T23:00:00Z"),
        ("Europe/Lisbon", "2026-03-28T22:30:00Z", (0, "minutes"), &none, Some(&night), "2026-03-28T22:30:00Z"),
    ];
    for (zone, previous, (value, unit), settings, window, expected) in cases {
        let mut account = settings.clone();
        account["timezone"] = json!(zone);
        let mut step = json!({"key": "x", "wait": {"value": value, "unit": unit}, "channel": "whatsapp",
            "content": {"type": "text", "text": "Oi"}, "outside_window": "fail"});
        if let Some(window) = window {
            step["window"] = window.clone();
        }
        let body = json!({
            "sequence": {"name": "x", "target": "contact", "steps": [step]},
            "contact": {"first_name": "Ana", "phone": "+5511987654321"}, "start_at": previous, "account": account});
        let preview = world.post("/v1/preview", body).await;
        assert_eq!(preview["steps"][0]["at"], expected, "{zone} {previous} {value} {unit}: {preview}");
    }
}
