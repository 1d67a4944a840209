//! A long cadence, played from one spring to the next.

use std::time::Instant;

use domain::time::{Timestamp, Zone};
use serde_json::{Value, json};

use crate::world::{DAY, World, id, step};

/// Zones with clocks that change at one in the morning, at two, by half an hour, and never.
const ZONES: [&str; 4] = ["America/New_York", "Europe/Lisbon", "Australia/Lord_Howe", "America/Sao_Paulo"];
const STEPS: u32 = 75;

/// Brazil's nationwide holidays while it lasts, as its law lists them.
const HOLIDAYS: [&str; 13] = [
    "2026-04-03",
    "2026-04-21",
    "2026-05-01",
    "2026-09-07",
    "2026-10-12",
    "2026-11-02",
    "2026-11-15",
    "2026-11-20",
    "2026-12-25",
    "2027-01-01",
    "2027-03-26",
    "2027-04-21",
    "2027-05-01",
];

/// Five kinds of steps, in turn; `check` judges a send of each by the clock on the wall.
fn kind(index: u32) -> Value {
    let key = format!("passo_{index}");
    match index % 5 {
        0 => with(step(&key, 9, "days"), "at", json!("09:30")),
        1 => with(step(&key, 2, "business_days"), "at", json!("19:45")),
        // From a quarter to eight in the evening into the quiet morning.
        2 => step(&key, 60, "hours"),
        3 => step(&key, 4, "days"),
        _ => with(step(&key, 4, "days"), "window", json!({"days": ["sat", "sun"], "from": "10:00", "to": "12:00"})),
    }
}

fn with(mut step: Value, name: &str, value: Value) -> Value {
    step[name] = value;
    step
}

fn check(index: u32, weekday: &str, clock: &str, before: &str) -> bool {
    let weekend = matches!(weekday, "Sat" | "Sun");
    match index % 5 {
        0 => clock == "09:30:00",
        1 => clock == "19:45:00" && !weekend,
        // Spread over half an hour, where the clocks have not gone forward meanwhile.
        2 => ("08:00:00"..="08:45:00").contains(&clock),
        3 => clock == before,
        _ => ("10:00:00".."12:00:00").contains(&clock) && weekend,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_seventy_five_steps() {
    let began = Instant::now();
    let world = World::start().await;
    let settings = json!({"timezone": "America/Sao_Paulo", "use_contact_timezone": true,
        "quiet_hours": [{"from": "20:00", "to": "08:00"}], "spread_minutes": 30,
        "holidays": {"countries": ["BR"]}, "send_on_holidays": false});
    world.client.patch("/v1/account", &settings).await.unwrap();
    world.post("/_local/statuses", json!({"auto": []})).await;
    let steps: Value = (0..STEPS).map(kind).collect();
    let sequence = world.sequence(json!({"name": "Um ano", "target": "contact", "steps": steps})).await;
    let mut people = Vec::new();
    for (n, zone) in ZONES.iter().enumerate() {
        let contact = json!({"first_name": "Ana", "phone": format!("+551198765432{n}"), "timezone": zone});
        let contact = id(&world.post("/v1/contacts", contact).await);
        people.push((id(&world.enroll(&sequence, &contact).await), zone.parse::<Zone>().unwrap()));
    }
    world.advance(500 * DAY).await;

    let messages = world.messages().await;
    assert_eq!(messages.len(), STEPS as usize * ZONES.len());
    for (run, zone) in &people {
        let of_run = messages.iter().filter(|m| m["enrollment_id"] == run.as_str());
        let (mut last, mut before) = (None, String::new());
        for (index, message) in (0..).zip(of_run) {
            assert_eq!(message["step"], index, "each step once, in order");
            let at = Timestamp::parse(message["at"].as_str().unwrap()).unwrap();
            let local = at.to_chrono().with_timezone(zone).format("%a %Y-%m-%d %H:%M:%S").to_string();
            let (weekday, rest) = local.split_once(' ').unwrap();
            let (day, clock) = rest.split_once(' ').unwrap();
            assert!(check(index, weekday, clock, &before), "step {index} went out on {local} in {zone}");
            assert!(!HOLIDAYS.contains(&day), "step {index} went out on {local}, a holiday");
            assert!(last < Some(at));
            (last, before) = (Some(at), clock.to_owned());
        }
        let days = last.unwrap().seconds_since(Timestamp::parse(crate::world::START).unwrap()) / DAY;
        assert!((365..430).contains(&days), "{days} days in {zone}");
        assert_eq!(world.enrollment(run).await["outcome"], "completed");
    }
    println!("{} sends over a year in {:.1} s", messages.len(), began.elapsed().as_secs_f32());
}
