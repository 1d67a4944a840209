//! Stand-ins for the providers: real HTTP, each on a port of its own, and their webhooks, delivered to
//! our own address until they are taken. Another provider's is one line in [`StandIns::new`], and one in
//! `bootstrap.rs` for a sender that the account begins with.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use domain::message::ProviderKind;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use testkit::aws_sms::AwsSmsStandIn;
use testkit::chatwoot::ChatwootStandIn;
use testkit::http_sender::GatewayStandIn;
use testkit::ses::SesStandIn;
use testkit::sinch::SinchStandIn;
use testkit::sinch_sms::SinchSmsStandIn;
use testkit::stand_in::{Desk, Hooks, StandIn, WebhookDelivery};
use testkit::twilio::TwilioStandIn;
use testkit::whatsapp::WhatsappStandIn;

use crate::clock::{LocalClock, write_whole};
use crate::runner::Runner;
use crate::senders::Senders;

/// A provider tries again after a minute, then after ever longer.
const FIRST_RETRY_SECONDS: i64 = 60;
/// About a day in all; then it gives up, as providers do.
const MAX_TRIES: u32 = 11;

/// A webhook that a stand-in still has to deliver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingWebhook {
    id: u64,
    pub(crate) at: Timestamp,
    delivery: WebhookDelivery,
    #[serde(default)]
    tries: u32,
}

/// What is pending, kept in a file over restarts: a provider does not forget with us.
#[derive(Debug, Default)]
struct Pending {
    last: u64,
    file: Option<File>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Add(PendingWebhook),
    Done(u64),
}

/// The stand-ins and the way of their webhooks.
pub(crate) struct StandIns {
    pub(crate) desk: Desk,
    pub(crate) all: Vec<Arc<dyn StandIn>>,
    /// Among them; its templates have a route.
    pub(crate) whatsapp: WhatsappStandIn,
    pending: Arc<Mutex<Pending>>,
    http: reqwest::Client,
    /// Our own address, known once it is bound.
    base_url: std::sync::OnceLock<String>,
}

impl StandIns {
    /// # Errors
    /// When a file in `dir` cannot be read, understood or written.
    pub(crate) fn new(runner: &Arc<Runner>, senders: Arc<Senders>, dir: Option<&Path>) -> io::Result<Self> {
        let (pending, left) = Pending::open(dir.map(|dir| dir.join("webhooks.jsonl")).as_deref())?;
        left.into_iter().for_each(|webhook| runner.webhook(webhook));
        let pending = Arc::new(Mutex::new(pending));
        let clock: LocalClock = runner.clock().clone();
        let hooks = Hooks {
            clock: Arc::new(move || engine::ports::Clock::now(&clock)),
            lookup: Arc::new(move |key| {
                let senders = senders.clone();
                Box::pin(async move { senders.look_up(key).await })
            }),
            schedule: {
                let (runner, pending) = (runner.clone(), pending.clone());
                Arc::new(move |at, delivery| runner.webhook(add(&pending, at, delivery)))
            },
        };
        let desk = Desk::new(hooks).with_journal(dir.map(|dir| dir.join("stand-ins.jsonl")).as_deref())?;
        let whatsapp = WhatsappStandIn::new(desk.clone())?;
        let all: Vec<Arc<dyn StandIn>> = vec![
            Arc::new(whatsapp.clone()),
            Arc::new(SesStandIn::new(desk.clone())),
            Arc::new(TwilioStandIn::new(desk.clone())?),
            Arc::new(AwsSmsStandIn::new(desk.clone())?),
            Arc::new(SinchStandIn::new(desk.clone())?),
            Arc::new(SinchSmsStandIn::new(desk.clone())),
            Arc::new(GatewayStandIn::new(desk.clone())),
            Arc::new(ChatwootStandIn::new(desk.clone())?),
        ];
        let http = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        Ok(Self { desk, all, whatsapp, pending, http, base_url: std::sync::OnceLock::new() })
    }

    pub(crate) fn set_base_url(&self, base_url: &str) {
        let _ = self.base_url.set(base_url.into());
    }

    pub(crate) fn of(&self, provider: ProviderKind) -> Option<&Arc<dyn StandIn>> {
        self.all.iter().find(|stand_in| stand_in.provider() == provider)
    }

    /// Delivers a webhook that is due; seconds until the next try, `None` when it is done with.
    pub(crate) async fn deliver(&self, webhook: &mut PendingWebhook) -> Option<i64> {
        webhook.tries += 1;
        let answer = self.post(&webhook.delivery).await;
        let most = if webhook.delivery.comes_once() { 1 } else { MAX_TRIES };
        if answer.is_ok_and(|status| status < 300) || webhook.tries >= most {
            done(&self.pending, webhook.id);
            return None;
        }
        Some(FIRST_RETRY_SECONDS << (webhook.tries - 1))
    }

    /// Posts a webhook to our own address; the HTTP status of the answer.
    pub(crate) async fn post(&self, delivery: &WebhookDelivery) -> Result<u16, reqwest::Error> {
        let origin = self.base_url.get().map(String::as_str).unwrap_or_default();
        let mut request = self.http.post(format!("{origin}{}", delivery.url_path));
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        Ok(request.body(delivery.body.clone()).send().await?.status().as_u16())
    }
}

fn add(pending: &Mutex<Pending>, at: Timestamp, delivery: WebhookDelivery) -> PendingWebhook {
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    pending.last += 1;
    let webhook = PendingWebhook { id: pending.last, at, delivery, tries: 0 };
    pending.write(&Line::Add(webhook.clone()));
    webhook
}

fn done(pending: &Mutex<Pending>, id: u64) {
    pending.lock().unwrap_or_else(PoisonError::into_inner).write(&Line::Done(id));
}

impl Pending {
    /// Reads what was left and writes the file anew without what is done. A line cut off by a crash
    /// was never answered.
    fn open(path: Option<&Path>) -> io::Result<(Self, Vec<PendingWebhook>)> {
        let Some(path) = path else { return Ok(Default::default()) };
        let mut left = BTreeMap::new();
        match File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file).lines() {
                    match serde_json::from_str(&line?) {
                        Ok(Line::Add(webhook)) => drop(left.insert(webhook.id, webhook)),
                        Ok(Line::Done(id)) => drop(left.remove(&id)),
                        Err(_) => break,
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut text = Vec::new();
        for webhook in left.values() {
            serde_json::to_writer(&mut text, &Line::Add(webhook.clone()))?;
            text.push(b'\n');
        }
        write_whole(path, &text)?;
        let file = OpenOptions::new().append(true).open(path)?;
        let last = left.keys().next_back().copied().unwrap_or(0);
        Ok((Self { last, file: Some(file) }, left.into_values().collect()))
    }

    fn write(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        if let Err(error) = file.write_all(&text) {
            tracing::error!(%error, "a stand-in's webhook is not kept");
        }
    }
}
