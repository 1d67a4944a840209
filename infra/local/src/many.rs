//! `cargo run --release -- demo --contacts 10000`: one CSV imported, enrolled in bulk and stepped
//! once, with what it took.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;

use local::client::Client;
use local::crowd;

/// Imports, enrolls and sends to this many contacts and prints how long each part took and how many
/// DynamoDB calls a step cost.
///
/// # Errors
/// When a call fails, or not everybody got exactly one message.
#[allow(clippy::print_stdout, reason = "its one purpose is to print")]
pub(crate) async fn many(client: &Client, contacts: usize) -> anyhow::Result<()> {
    let start = Instant::now();
    let import = crowd::import(client, contacts).await?;
    println!("imported {} contacts in {:.1} s", import["created"], start.elapsed().as_secs_f32());

    let ids = crowd::ids(client).await?;
    let definition = json!({
        "name": "Boas-vindas", "target": "contact",
        "steps": [{"key": "oi", "wait": {"value": 1, "unit": "hours"}, "channel": "whatsapp",
            "content": {"type": "whatsapp_template", "name": "oi", "language": "pt_BR",
                "body": ["{{ contact.first_name }}"]}}]});
    let sequence = client.post("/v1/sequences", &definition).await?;
    let sequence = sequence["id"].as_str().context("no id")?.to_owned();
    client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await?;

    let start = Instant::now();
    let job = crowd::enroll(client, &sequence, &ids).await?;
    println!("enrolled {} contacts in {:.1} s", job["enrolled"], start.elapsed().as_secs_f32());

    let before = client.get("/_local/calls").await?;
    let start = Instant::now();
    let to = Client::add_hours(&client.now().await?, 2)?;
    crowd::advance(client, &to, "sending", contacts).await?;
    let took = start.elapsed();
    let after = client.get("/_local/calls").await?;
    let accepted = after["accepted"].as_u64().unwrap_or(0);
    println!(
        "sent {accepted} messages in {:.1} s ({:.0} steps/s), with their delivery reports",
        took.as_secs_f32(),
        contacts as f32 / took.as_secs_f32()
    );
    anyhow::ensure!(accepted == contacts as u64, "{contacts} contacts should have got one message each");
    println!("DynamoDB calls per executed step:");
    for (operation, count) in after["by_operation"].as_object().into_iter().flatten() {
        let calls = count.as_u64().unwrap_or(0) - before["by_operation"][operation].as_u64().unwrap_or(0);
        if calls > 0 {
            println!("  {operation:20} {:.2}", calls as f64 / contacts as f64);
        }
    }
    Ok(())
}
