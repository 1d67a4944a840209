//! An account of its own for each test, with a sender, and hands on what it does.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode};
use domain::enrollment::Enrollment;
use domain::ids::{EnrollmentId, TenantId};
use domain::message::{Channel, ProviderKind};
use engine::ports::{Saved, Store as _};
use engine::queue::StepDue;
use local::client::Client;
use serde_json::{Value, json};
use testkit::local::{AcceptedMessage, InboundBody};
use testkit::stand_in::{SenderAccess, StandIn as _, WebhookDelivery};

use crate::stack::{Stack, api, resource, variable, wait_for};
use crate::stand_in::{WHATSAPP, now, post};

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) client: Client,
    pub(crate) tenant: TenantId,
    pub(crate) access: SenderAccess,
}

/// Every test's account has a number of its own at the provider.
static NUMBERS: AtomicU32 = AtomicU32::new(1_000);

impl World {
    /// The operator makes an account; the account is enabled and gets a sender at the stand-in, with
    /// a limit as most have.
    pub(crate) async fn start(name: &str) -> Self {
        let operator = Client::new(&api(), &variable("RITMO_OPERATOR_KEY"));
        let made = operator.post("/v1/accounts", &json!({"name": name})).await.unwrap();
        let client = Client::new(&api(), made["api_key"].as_str().unwrap());
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut access = SenderAccess {
            sender_id: String::new(),
            channel: Channel::Whatsapp,
            provider: ProviderKind::WhatsappCloud,
            config: json!({"phone_number_id": format!("1{number}"), "waba_id": format!("2{number}")}),
            credentials: json!({"access_token": format!("token-{number}"),
                "app_secret": format!("segredo-{number}"), "verify_token": "confere"}),
        };
        let sender = json!({
            "name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud", "limits": {"per_second": 20},
            "config": access.config, "credentials": access.credentials});
        access.sender_id = id(&client.post("/v1/senders", &sender).await.unwrap());
        WHATSAPP.1.register(access.clone());
        let account = json!({"enabled": true, "default_senders": {"whatsapp": access.sender_id}});
        client.patch("/v1/account", &account).await.unwrap();
        let tenant = TenantId::parse(made["account"]["id"].as_str().unwrap()).unwrap();
        Self { stack: Stack::open().await, client, tenant, access }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.client.post(path, &body).await.unwrap()
    }

    pub(crate) async fn contact(&self, name: &str, phone: &str) -> String {
        id(&self.post("/v1/contacts", json!({"first_name": name, "phone": phone})).await)
    }

    /// Creates and publishes.
    pub(crate) async fn sequence(&self, steps: Value) -> String {
        let sequence = json!({"name": "Cobrança", "target": "contact", "steps": steps});
        let sequence = id(&self.post("/v1/sequences", sequence).await);
        self.post(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
        sequence
    }

    pub(crate) async fn enroll(&self, sequence: &str, contact: &str) -> String {
        id(&self.post("/v1/enrollments", json!({"sequence_id": sequence, "contact_id": contact})).await)
    }

    /// The enrollment, once it is so.
    pub(crate) async fn until(&self, enrollment: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/enrollments/{enrollment}");
        wait_for(what, 60, async || Some(self.get(&path).await).filter(&is)).await
    }

    /// What the stand-in has accepted for a number, once it is so many.
    pub(crate) async fn messages(&self, to: &str, count: usize) -> Vec<AcceptedMessage> {
        wait_for(&format!("message {count} to {to}"), 100, async || {
            Some(WHATSAPP.1.messages(None, Some(to))).filter(|messages| messages.len() >= count)
        })
        .await
    }

    pub(crate) async fn job(&self, started: &Value) -> Value {
        let path = format!("/v1/jobs/{}", started["job_id"].as_str().unwrap_or_else(|| panic!("no job: {started}")));
        wait_for("the job", 60, async || Some(self.get(&path).await).filter(|job| job["state"] == "done")).await
    }

    /// A contact writes; the status of the webhook's answer.
    pub(crate) async fn reply(&self, from: &str, text: &str) -> u16 {
        post(&self.inbound(from, text)).await
    }

    /// What WhatsApp posts when a contact writes.
    pub(crate) fn inbound(&self, from: &str, text: &str) -> WebhookDelivery {
        let body = json!({"channel": "whatsapp", "from": from, "text": text});
        let body: InboundBody = serde_json::from_value(body).unwrap();
        WHATSAPP.0.inbound(&self.access, &body).unwrap().remove(0)
    }

    pub(crate) async fn stored(&self, enrollment: &str) -> Enrollment {
        let id = EnrollmentId::parse(enrollment).unwrap();
        self.stack.store.enrollment(self.tenant, id).await.unwrap().unwrap()
    }

    /// The schedule that is the timer of the enrollment's present generation.
    pub(crate) async fn schedule(&self, enrollment: &str) -> GetScheduleOutput {
        wait_for("the schedule", 20, async || {
            let stored = self.stored(enrollment).await;
            let due = StepDue { tenant: self.tenant, enrollment: stored.id, generation: stored.generation };
            let asked = self.stack.scheduler.get_schedule().group_name(resource("ScheduleGroup")).name(due.name());
            match asked.send().await {
                Ok(found) => Some(found),
                Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => None,
                Err(error) => panic!("{error:?}"),
            }
        })
        .await
    }

    /// As if the last step had been sent so much earlier that the next was due these seconds ago. The
    /// revision counts on, the generation stays: what the timer says still holds.
    pub(crate) async fn pass_time(&self, enrollment: &str, overdue: i64) {
        let before = self.stored(enrollment).await;
        let seconds = before.due.unwrap().seconds_since(now()) + overdue;
        let mut after = before;
        after.rev += 1;
        after.previous = after.previous.plus_seconds(-seconds);
        after.due = after.due.map(|at| at.plus_seconds(-seconds));
        after.wake = after.wake.map(|at| at.plus_seconds(-seconds));
        assert_eq!(self.stack.store.commit(self.tenant, &after, None).await.unwrap(), Saved::Yes);
    }

    /// Lets a schedule fire now. Nothing but its time is changed.
    pub(crate) async fn fire(&self, schedule: &GetScheduleOutput) {
        let at = now().plus_seconds(1).to_chrono().format("at(%Y-%m-%dT%H:%M:%S)").to_string();
        let off = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().unwrap();
        let update = self
            .stack
            .scheduler
            .update_schedule()
            .set_name(schedule.name.clone())
            .set_group_name(schedule.group_name.clone())
            .set_target(schedule.target.clone())
            .set_action_after_completion(schedule.action_after_completion.clone())
            .set_schedule_expression_timezone(schedule.schedule_expression_timezone.clone())
            .flexible_time_window(off)
            .schedule_expression(at);
        update.send().await.unwrap();
    }

    /// Waits until a schedule has fired: it deletes itself.
    pub(crate) async fn fired(&self, schedule: &GetScheduleOutput) {
        wait_for("the schedule's end", 30, async || {
            let asked = self.stack.scheduler.get_schedule().set_group_name(schedule.group_name.clone());
            let error = asked.set_name(schedule.name.clone()).send().await.err()?;
            error.as_service_error().filter(|e| e.is_resource_not_found_exception()).map(drop)
        })
        .await;
    }
}

pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

/// A step that goes out as an approved template where the 24 h window is closed.
pub(crate) fn step(key: &str, value: u32, unit: &str) -> Value {
    json!({
        "key": key, "wait": {"value": value, "unit": unit}, "channel": "whatsapp",
        "content": {"type": "text", "text": format!("{key}: {{{{ contact.first_name | default: 'oi' }}}}")},
        "fallback_template": {"name": format!("modelo_{key}"), "language": "pt_BR", "body": ["{{ contact.first_name }}"]}})
}
