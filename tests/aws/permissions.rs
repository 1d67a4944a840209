//! No role lacks a permission that is used, and none has one that is not: the emulator's decisions about
//! what `drive` made the functions do, against the policies as they were deployed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stack::{DEPLOYED, file, queue_arn, resource};

/// A role's function, and the queue that Lambda reads for it.
const FUNCTIONS: [(&str, Option<&str>); 6] = [
    ("Api", None),
    ("Enroll", Some("EnrollQueue")),
    ("Step", Some("StepQueue")),
    ("Send", Some("SendQueue")),
    ("Webhook", Some("InboundQueue")),
    ("Sweep", None),
];

/// Role, action, resource as a policy writes it.
type Grant = (String, String, String);

#[test]
fn every_role_has_what_it_uses_and_uses_what_it_has() {
    let granted = granted();
    let mut used = used_by_services();
    let mut refused = Vec::new();
    for line in file("decisions.jsonl").lines() {
        let decision: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| decision[name].as_str().unwrap().to_owned();
        let (role, action, on) = (text("role"), text("action"), text("resource"));
        match granted.iter().find(|(r, a, pattern)| (r, a) == (&role, &action) && matches(pattern, &on)) {
            Some(grant) if decision["allowed"] == true => drop(used.insert(grant.clone())),
            _ => refused.push((role, action, on)),
        }
    }
    refused.extend(used.difference(&granted).cloned());
    let unused: Vec<&Grant> = granted.difference(&used).collect();
    assert!(refused.is_empty() && unused.is_empty(), "used, not granted: {refused:#?}\ngranted, not used: {unused:#?}");
}

/// What a service does in a role's name. The emulator asks nobody for it, so it is said here, from AWS's
/// documentation: Lambda writes the log and reads the queue, Scheduler sends the message or the dead letter.
fn used_by_services() -> BTreeSet<Grant> {
    let mut used = BTreeSet::new();
    for (function, queue) in FUNCTIONS {
        let role = resource(&format!("{function}Role"));
        let log =
            format!("arn:aws:logs:us-east-1:000000000000:log-group:{}:*", resource(&format!("{function}LogGroup")));
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            used.insert((role.into(), action.into(), log.clone()));
        }
        if let Some(queue) = queue {
            for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
                used.insert((role.into(), action.into(), queue_arn(queue)));
            }
        }
    }
    // No email leaves the emulator.
    for what in ["identity", "configuration-set"] {
        let on = format!("arn:aws:ses:*:000000000000:{what}/*");
        used.insert((resource("SendRole").into(), "ses:SendEmail".into(), on));
    }
    // Nor does an SMS, nor a WhatsApp message that AWS passes on.
    for what in ["phone-number", "pool", "sender-id"] {
        let on = format!("arn:aws:sms-voice:*:000000000000:{what}/*");
        used.insert((resource("SendRole").into(), "sms-voice:SendTextMessage".into(), on));
    }
    let number = "arn:aws:social-messaging:*:000000000000:phone-number-id/*";
    used.insert((resource("SendRole").into(), "social-messaging:SendWhatsAppMessage".into(), number.into()));
    for queue in ["StepQueue", "SchedulerDeadLetterQueue"] {
        used.insert((resource("SchedulerRole").into(), "sqs:SendMessage".into(), queue_arn(queue)));
    }
    used
}

fn granted() -> BTreeSet<Grant> {
    let mut granted = BTreeSet::new();
    for (role, statements) in DEPLOYED["roles"].as_object().unwrap() {
        for statement in statements.as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow", "{statement}");
            for action in one_or_many(&statement["Action"]) {
                assert!(!action.contains('*'), "{role} may {action}");
                for on in one_or_many(&statement["Resource"]) {
                    granted.insert((role.clone(), action.clone(), on));
                }
            }
        }
    }
    granted
}

fn one_or_many(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(one_or_many).collect(),
        one => vec![one.as_str().unwrap_or_else(|| panic!("{one}")).to_owned()],
    }
}

/// Whether a policy's resource, which may end in `*`, covers this one.
fn matches(pattern: &str, on: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == on, |prefix| on.starts_with(prefix))
}
