//! What `POST /v1/preview` says of an enrollment is what happens to it: each step's second, its text,
//! and the steps that are passed over. Random sequences and people, through the running program.

use domain::time::Timestamp;
use local::Local;
use local::client::Client;
use serde_json::{Value, json};

use crate::chance::Chance;

const ACCOUNTS: u64 = 12;
const SEQUENCES: usize = 25;

/// Somebody on the way through a sequence, and what was promised.
struct Run {
    id: String,
    sequence: Value,
    preview: Value,
}

/// `RITMO_TIME_SEED=7` plays that account alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_what_is_sent() {
    let only = std::env::var("RITMO_TIME_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = only.map_or(0..ACCOUNTS, |seed| seed..seed + 1);
    let lane = async |seeds: Vec<u64>| {
        let mut played = Counts::default();
        for seed in seeds {
            played = played.plus(account(seed).await);
        }
        played
    };
    let (even, odd): (Vec<u64>, Vec<u64>) = seeds.partition(|seed| seed % 2 == 0);
    let (even, odd) = tokio::join!(lane(even), lane(odd));
    let all = even.plus(odd);
    println!("{all:?}");
    if only.is_none() {
        assert_eq!(all.runs, ACCOUNTS as usize * SEQUENCES);
        let Counts { sent, texts, moved, spread, past, failed, parked, .. } = all;
        let enough = sent > 600 && texts > 40 && moved > 300 && spread > 60 && past > 20 && failed > 20 && parked > 5;
        assert!(enough, "too little of something happened: {all:?}");
    }
}

/// What happened, so that a generator that makes nothing happen does not pass.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    runs: usize,
    sent: usize,
    texts: usize,
    moved: usize,
    spread: usize,
    past: usize,
    failed: usize,
    parked: usize,
}

impl Counts {
    fn plus(self, more: Self) -> Self {
        Self {
            runs: self.runs + more.runs,
            sent: self.sent + more.sent,
            texts: self.texts + more.texts,
            moved: self.moved + more.moved,
            spread: self.spread + more.spread,
            past: self.past + more.past,
            failed: self.failed + more.failed,
            parked: self.parked + more.parked,
        }
    }
}

/// An account with its own settings, people and time of the year, played to its end.
async fn account(seed: u64) -> Counts {
    let mut counts = Counts { runs: SEQUENCES, ..Counts::default() };
    let mut chance = Chance::of(seed);
    let start = chance.start();
    let local = Local::start(local::Options::manual(start)).await.unwrap();
    let client = Client::new(&local.base_url, &local.admin_key);
    client.patch("/v1/account", &chance.account(start)).await.unwrap();
    // Delivery reports change no time, and take most of the work.
    client.post("/_local/statuses", &json!({"auto": []})).await.unwrap();
    let mut runs = Vec::new();
    let mut number = 0;
    while runs.len() < SEQUENCES {
        number += 1;
        assert!(number < 20 * SEQUENCES, "seed {seed}: hardly anything can be published");
        runs.extend(enroll(&client, &mut chance, number).await);
        client.post("/_local/clock", &json!({"advance_seconds": chance.below(4_000)})).await.unwrap();
    }
    client.post("/_local/clock", &json!({"advance_seconds": 250 * 86_400})).await.unwrap();
    let messages = client.get("/_local/messages").await.unwrap();
    for run in &runs {
        let stands = client.get(&format!("/v1/enrollments/{}", run.id)).await.unwrap();
        let of_run = |m: &&Value| m["enrollment_id"] == run.id.as_str();
        let sent: Vec<&Value> = messages["data"].as_array().unwrap().iter().filter(of_run).collect();
        if let Err(difference) = compare(run, &stands, &sent, &mut counts) {
            let (sequence, preview) = (&run.sequence, &run.preview);
            panic!(
                "seed {seed}: {difference}\nsequence {sequence:#}\npreview {preview:#}\nstands {stands:#}\n{sent:#?}"
            );
        }
    }
    counts
}

/// `None`: with these settings that sequence cannot be published, or its preview says too little.
async fn enroll(client: &Client, chance: &mut Chance, number: usize) -> Option<Run> {
    let sequence = chance.sequence();
    let phone = format!("+5511987{number:06}");
    let profile = chance.contact(&phone);
    let now = Timestamp::parse(&client.now().await.unwrap()).unwrap();
    let (writes, later, dates) = (!chance.one_in(3), chance.one_in(4), chance.dates(now));
    let start_at = later.then(|| now.plus_seconds(chance.below(5 * 86_400)).to_string());

    let draft = client.post("/v1/sequences", &sequence).await.unwrap();
    let id = draft["id"].as_str().unwrap();
    let (status, _) =
        client.call(reqwest::Method::POST, &format!("/v1/sequences/{id}/publish"), Some(&json!({}))).await.unwrap();
    if status != 200 {
        return None;
    }
    let contact = client.post("/v1/contacts", &profile).await.unwrap()["id"].clone();
    if writes {
        let text = json!({"channel": "whatsapp", "from": phone, "text": "Oi"});
        client.post("/_local/inbound", &text).await.unwrap();
    }
    let mut wish = json!({"sequence_id": id, "contact_id": contact});
    if let Some(start_at) = &start_at {
        wish["start_at"] = json!(start_at);
    }
    if sequence["target"] == "charge" {
        wish["target"] = json!({"kind": "charge", "id": "inv_1", "attributes": dates});
    }
    let enrolled = client.post("/v1/enrollments", &wish).await.unwrap();
    let entered = enrolled["entered"]["at"].as_str().unwrap();
    let mut asked = json!({"sequence_id": id, "version": 1, "contact_id": contact,
        "start_at": start_at.as_deref().unwrap_or(entered), "enrollment_seed": enrolled["id"]});
    if sequence["target"] == "charge" {
        asked["target"] = json!({"kind": "charge", "id": "inv_1"});
    }
    let (status, preview) = client.call(reqwest::Method::POST, "/v1/preview", Some(&asked)).await.unwrap();
    // The contact's own zone, or a holiday that publishing had no reason to look at.
    if status == 422 && preview["code"] == "never_allowed" {
        return None;
    }
    assert_eq!(status, 200, "{preview}");
    if meets_itself(&preview) {
        return None;
    }
    Some(Run { id: enrolled["id"].as_str().unwrap().to_owned(), sequence, preview })
}

/// WhatsApp takes one message to the same number every six seconds. That is a limit (docs/TIME.md section
/// 4), and limits come after what a preview shows.
fn meets_itself(preview: &Value) -> bool {
    let sent = preview["steps"].as_array().unwrap().iter().filter(|step| !step["message"].is_null());
    let sent: Vec<_> = sent.map(|step| Timestamp::parse(step["at"].as_str().unwrap()).unwrap()).collect();
    sent.windows(2).any(|pair| pair[1].seconds_since(pair[0]) < 6)
}

fn compare(run: &Run, stands: &Value, sent: &[&Value], counts: &mut Counts) -> Result<(), String> {
    let mut sent = sent.iter();
    for shown in run.preview["steps"].as_array().unwrap() {
        let index = shown["index"].as_u64().unwrap();
        let step = &stands["steps"][index as usize];
        let warned = |code: &str| shown["warnings"].as_array().unwrap().iter().any(|w| w["code"] == code);
        if warned("target_date_missing") {
            counts.parked += 1;
            let held = (&stands["state"], &stands["reason"], &stands["step"]);
            if held != (&json!("parked"), &json!("target_date_missing"), &json!(index)) {
                return Err(format!("step {index} should hold the run, which is {held:?}"));
            }
            break;
        }
        if !shown["skipped"].is_null() {
            counts.past += 1;
            if step["status"] != "skipped" || step["reason"] != shown["skipped"] {
                return Err(format!("step {index} was to be skipped"));
            }
            continue;
        }
        if shown["message"].is_null() {
            counts.failed += 1;
            if step["status"] != "failed" || !warned(step["reason"].as_str().unwrap_or_default()) {
                return Err(format!("step {index} was to fail"));
            }
            continue;
        }
        let Some(message) = sent.next() else { return Err(format!("step {index} has no message")) };
        if message["step"] != index || message["at"] != shown["at"] || step["sent_at"] != shown["at"] {
            return Err(format!("step {index} at {}, and {} at {}", shown["at"], message["step"], message["at"]));
        }
        if said(&message["body"]) != written(&shown["message"]) {
            return Err(format!("step {index} says {:?}, not {}", said(&message["body"]), shown["message"]));
        }
        counts.sent += 1;
        counts.texts += usize::from(shown["message"]["type"] == "text");
        let codes: Vec<&Value> = shown["adjustments"].as_array().unwrap().iter().map(|a| &a["code"]).collect();
        counts.moved += usize::from(!codes.is_empty());
        counts.spread += usize::from(codes.iter().any(|code| *code == "spread"));
    }
    match sent.next() {
        Some(more) => Err(format!("an unannounced message: {more}")),
        None => Ok(()),
    }
}

/// What a message in WhatsApp's form says: the text, or a template's name, language and parameters.
fn said(body: &Value) -> Vec<String> {
    if body["type"] == "text" {
        return vec![body["text"]["body"].as_str().unwrap().to_owned()];
    }
    let template = &body["template"];
    let parameters = template["components"].as_array().into_iter().flatten();
    let parameters = parameters.flat_map(|c| c["parameters"].as_array().unwrap()).map(|p| &p["text"]);
    [&template["name"], &template["language"]["code"]].into_iter().chain(parameters).map(text).collect()
}

/// The same of a preview's message.
fn written(message: &Value) -> Vec<String> {
    if message["type"] == "text" {
        return vec![text(&message["text"])];
    }
    let parameters = message["body"].as_array().unwrap();
    [&message["name"], &message["language"]].into_iter().chain(parameters).map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
