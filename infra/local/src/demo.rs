//! `cargo run -- demo`: two weeks of a billing cadence in seconds, on the real engine, over its own
//! HTTP API, told as each contact's timeline.

use std::collections::{BTreeMap, HashSet};
use std::io::IsTerminal as _;

use anyhow::Context as _;
use serde_json::{Value, json};

use local::client::Client;

/// Monday 2026-11-16, 07:00 in São Paulo.
pub(crate) const START: &str = "2026-11-16T10:00:00Z";

/// Plays the cadence and prints it.
///
/// # Errors
/// When a call fails or the story does not end as it must: the demo is a test too.
pub(crate) async fn story(client: &Client) -> anyhow::Result<()> {
    let mut stage = Stage::set(client).await?;
    say("");
    say(&bold(
        "A billing cadence: a notice at once, a reminder after 3 business days at 09:30, a last word after 7 days.",
    ));
    say(
        "Nothing goes out from 20:00 to 08:00 or on a holiday, and Friday 20 November is one. Every step has a fallback template.",
    );
    say("");

    // Ana wrote two hours ago, so WhatsApp's 24 hour window is open for her.
    stage.write("Ana", "Bom dia! Podem mandar a fatura?").await?;
    stage.until("2026-11-16T12:00:00Z").await?;
    for name in ["Ana", "Bruno", "Carla", "Elisa"] {
        stage.enroll(name).await?;
    }
    stage.until("2026-11-17T15:10:00Z").await?;
    stage.write("Ana", "Já paguei, obrigada!").await?;
    stage.until("2026-11-20T02:30:00Z").await?;
    stage.enroll("Davi").await?; // Thursday 22:30 in Manaus, before a holiday
    stage.until("2026-11-21T13:00:00Z").await?;
    stage.pay("Bruno").await?;
    stage.until("2026-12-03T12:00:00Z").await?;
    stage.curtain().await
}

struct Stage<'a> {
    client: &'a Client,
    sequence: String,
    /// By first name.
    people: BTreeMap<&'static str, Actor>,
    printed: HashSet<String>,
    day: String,
    started: std::time::Instant,
}

struct Actor {
    contact: String,
    phone: &'static str,
    charge: String,
    zone: &'static str,
    offset_hours: i64,
    enrollment: Option<String>,
}

impl<'a> Stage<'a> {
    async fn set(client: &'a Client) -> anyhow::Result<Self> {
        client
            .patch(
                "/v1/account",
                &json!({
                "name": "Loja Aurora", "timezone": "America/Sao_Paulo", "use_contact_timezone": true,
                "quiet_hours": [{"from": "20:00", "to": "08:00"}],
                "holidays": {"countries": ["BR"]}, "send_on_holidays": false, "default_country": "BR"}),
            )
            .await?;
        let sequence = client.post("/v1/sequences", &billing()).await?;
        let sequence = text(&sequence, "id")?;
        client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await?;
        let cast = [
            ("Ana", "+5511987650001", "America/Sao_Paulo", -3, "129,90"),
            ("Bruno", "+5511987650002", "America/Sao_Paulo", -3, "89,00"),
            ("Carla", "+5521987650003", "America/Sao_Paulo", -3, "450,00"),
            ("Davi", "+5592987650004", "America/Manaus", -4, "75,50"),
            ("Elisa", "+5592987650005", "America/Manaus", -4, "210,00"),
        ];
        let mut people = BTreeMap::new();
        for (name, phone, zone, offset_hours, amount) in cast {
            let body = json!({"first_name": name, "phone": phone, "timezone": zone});
            let contact = text(&client.post("/v1/contacts", &body).await?, "id")?;
            let charge = format!("inv-{}", name.to_lowercase());
            let target = json!({"attributes": {"amount": amount, "link": format!("https://loja.example/{charge}")}});
            client.put(&format!("/v1/contacts/{contact}/targets/charge/{charge}"), &target).await?;
            people.insert(name, Actor { contact, phone, charge, zone, offset_hours, enrollment: None });
        }
        let started = std::time::Instant::now();
        Ok(Self { client, sequence, people, printed: HashSet::new(), day: String::new(), started })
    }

    fn actor(&self, name: &str) -> anyhow::Result<&Actor> {
        self.people.get(name).context("nobody of that name plays here")
    }

    async fn enroll(&mut self, name: &'static str) -> anyhow::Result<()> {
        let actor = self.actor(name)?;
        let body = json!({
            "sequence_id": self.sequence, "contact_id": actor.contact,
            "target": {"kind": "charge", "id": actor.charge},
            "source": {"type": "automation", "name": "invoice overdue"}});
        let id = text(&self.client.post("/v1/enrollments", &body).await?, "id")?;
        if let Some(actor) = self.people.get_mut(name) {
            actor.enrollment = Some(id);
        }
        self.until_now().await
    }

    async fn write(&mut self, name: &str, words: &str) -> anyhow::Result<()> {
        let from = self.actor(name)?.phone;
        let now = self.client.now().await?;
        self.line(&now, name, "✉", &format!("{name} writes: “{words}”"));
        self.client.post("/_local/inbound", &json!({"channel": "whatsapp", "from": from, "text": words})).await?;
        self.until_now().await
    }

    async fn pay(&mut self, name: &str) -> anyhow::Result<()> {
        let actor = self.actor(name)?;
        let body = json!({
            "type": "charge.paid", "contact_id": actor.contact,
            "target": {"kind": "charge", "id": actor.charge}, "data": {"method": "pix"}});
        let now = self.client.now().await?;
        self.line(&now, name, "$", &format!("{name} pays by Pix"));
        self.client.post("/v1/events", &body).await?;
        self.until_now().await
    }

    async fn until_now(&mut self) -> anyhow::Result<()> {
        let now = self.client.now().await?;
        self.until(&now).await
    }

    /// Moves the clock a few hours at a time and tells what has happened.
    async fn until(&mut self, to: &str) -> anyhow::Result<()> {
        loop {
            let now = self.client.now().await?;
            let next = Client::add_hours(&now, 6)?;
            let stop = if next.as_str() < to { next } else { to.to_owned() };
            self.client.post("/_local/clock", &json!({"to": stop})).await?;
            self.tell().await?;
            if stop == to {
                return Ok(());
            }
        }
    }

    /// Prints every timeline entry that is new.
    async fn tell(&mut self) -> anyhow::Result<()> {
        let messages = self.client.get("/_local/messages").await?;
        let mut news: Vec<(String, String, String, String)> = Vec::new();
        for (name, actor) in &self.people {
            let Some(id) = &actor.enrollment else { continue };
            let enrollment = self.client.get(&format!("/v1/enrollments/{id}")).await?;
            for entry in enrollment["timeline"].as_array().into_iter().flatten() {
                let code = text(entry, "code")?;
                let at = text(entry, "at")?;
                let mut detail = Client::localized(&text(entry, "detail")?, actor.offset_hours);
                if !self.printed.insert(format!("{id} {at} {code} {}", entry["step"])) {
                    continue;
                }
                if code == "sent" {
                    let words = messages["data"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .find(|m| m["enrollment_id"] == json!(id) && m["step"] == entry["step"]);
                    if let Some(words) = words.and_then(|m| m["text"].as_str()) {
                        detail = format!("{detail}\n{:34}{}", "", dim(&format!("“{words}”")));
                    }
                }
                news.push((at, (*name).to_owned(), code, detail));
            }
        }
        // Stable: what one person's timeline tells of one second stays in its order.
        news.sort_by(|a, b| a.0.cmp(&b.0));
        for (at, name, code, detail) in news {
            self.line(&at, &name, symbol(&code), &detail);
        }
        Ok(())
    }

    fn line(&mut self, at: &str, name: &str, symbol: &str, detail: &str) {
        let offset = self.people.get(name).map_or(0, |a| a.offset_hours);
        let zone =
            self.people.get(name).map_or("", |a| a.zone).rsplit('/').next().unwrap_or_default().replace('_', " ");
        let (day, time) = Client::local(at, offset);
        if day != self.day {
            say(&bold(&format!("\n{day}")));
            self.day = day;
        }
        say(&format!("  {time} {:10} {:6} {symbol} {detail}", dim(&zone), name));
    }

    /// Checks the ending and closes with a summary.
    async fn curtain(&self) -> anyhow::Result<()> {
        say(&bold("\nHow it ended"));
        let expected = [
            ("Ana", "replied", 1),
            ("Bruno", "goal", 2),
            ("Carla", "completed", 3),
            ("Davi", "completed", 3),
            ("Elisa", "completed", 3),
        ];
        for (name, outcome, sent) in expected {
            let id = self.actor(name)?.enrollment.as_deref().context("not enrolled")?;
            let enrollment = self.client.get(&format!("/v1/enrollments/{id}")).await?;
            let messages = self.client.get("/_local/messages").await?;
            let count =
                messages["data"].as_array().into_iter().flatten().filter(|m| m["enrollment_id"] == json!(id)).count();
            say(&format!("  {name:6} {:10} after {count} message(s)", enrollment["outcome"].as_str().unwrap_or("?")));
            anyhow::ensure!(
                enrollment["outcome"] == json!(outcome) && count == sent,
                "{name} should have ended as {outcome} after {sent} message(s)"
            );
        }
        let calls = self.client.get("/_local/calls").await?;
        say(&dim(&format!(
            "\n17 days in {:.1} s. Each of the {} messages went through the real handlers and over HTTP to a stand-in for WhatsApp's API.",
            self.started.elapsed().as_secs_f32(),
            calls["accepted"]
        )));
        Ok(())
    }
}

fn billing() -> Value {
    let step = |key: &str, wait: Value, text: &str, extra: Value| {
        let mut step = json!({
            "key": key, "wait": wait, "channel": "whatsapp",
            "content": {"type": "text", "text": text},
            "fallback_template": {"name": format!("cobranca_{key}"), "language": "pt_BR",
                "body": ["{{ contact.first_name }}", "{{ target.amount }}"]}});
        if let (Some(step), Some(extra)) = (step.as_object_mut(), extra.as_object()) {
            step.extend(extra.clone());
        }
        step
    };
    json!({
        "name": "Cobrança", "target": "charge", "language": "pt_BR",
        "steps": [
            step("aviso", json!({"value": 0, "unit": "minutes"}),
                "Olá {{ contact.first_name | default: 'tudo bem' }}! Sua fatura de R$ {{ target.amount }} está aqui: {{ target.link }}", json!({})),
            step("lembrete", json!({"value": 3, "unit": "business_days"}),
                "{{ contact.first_name | default: 'Olá' }}, a fatura de R$ {{ target.amount }} segue em aberto: {{ target.link }}",
                json!({"at": "09:30", "window": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}})),
            step("ultimo", json!({"value": 7, "unit": "days"}),
                "{{ contact.first_name | default: 'Olá' }}, podemos ajudar com a fatura de R$ {{ target.amount }}?", json!({})),
        ],
        "exit": {"on_reply": true, "goals": [{"event": "charge.paid"}]}})
}

fn symbol(code: &str) -> &'static str {
    match code {
        "entered" => "▸",
        "planned" => "…",
        "sent" => "→",
        "delivered" | "read" => "✓",
        "replied" => "←",
        "finished" => "■",
        "skipped" | "failed" | "refused" => "✗",
        _ => "·",
    }
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("the answer has no `{field}`: {value}"))
}

fn bold(text: &str) -> String {
    styled(text, 1)
}

fn dim(text: &str) -> String {
    styled(text, 2)
}

fn styled(text: &str, style: u8) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

#[allow(clippy::print_stdout, reason = "the demo's one purpose is to print")]
fn say(line: &str) {
    println!("{line}");
}
