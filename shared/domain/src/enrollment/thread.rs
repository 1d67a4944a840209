//! The emails of a run that one more email continues.

use super::types::{AttemptResult, Enrollment};
use crate::content::{self, Templates};
use crate::ids::SenderId;
use crate::message::Channel;
use crate::sequence::{EmailThread, Sequence, Step};

impl Enrollment {
    /// The provider's ids of the emails of this step's thread that its sender has sent, in order. Empty for
    /// a step that begins a thread.
    ///
    /// An email that bounced is one of them too: who is on copy has it.
    pub(super) fn thread(
        &self,
        sequence: &Sequence,
        step: &Step,
        sender: SenderId,
        templates: &Templates,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for earlier in sequence.steps.iter().take_while(|earlier| earlier.key != step.key) {
            let record = self.records.iter().find(|record| record.key == earlier.key);
            let attempts = record.into_iter().flat_map(|record| &record.attempts);
            let sent = attempts
                .filter(|a| a.channel == Channel::Email && a.sender == sender)
                .filter(|a| !matches!(a.result, AttemptResult::Refused(_)))
                .filter_map(|a| a.provider_message_id.clone());
            let sent: Vec<_> = sent.collect();
            if !sent.is_empty() && content::thread(&earlier.content, templates) == EmailThread::New {
                ids.clear();
            }
            ids.extend(sent);
        }
        if content::thread(&step.content, templates) == EmailThread::New { Vec::new() } else { ids }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::enrollment::types::{Attempt, MessageForm, StepRecord};
    use crate::enrollment::world::World;
    use crate::ids::{Ids, TenantId};
    use crate::message::DeliveryStatus;
    use crate::time::Timestamp;

    fn sequence(threads: &[&str]) -> Sequence {
        let step = |(n, thread): (usize, &&str)| {
            json!({"key": n.to_string(), "wait": {"value": 1, "unit": "days"}, "channel": "automatic",
                "content": {"type": "text", "text": "Oi", "email": {"subject": "Fatura", "thread": thread}}})
        };
        let steps: Vec<_> = threads.iter().enumerate().map(step).collect();
        serde_json::from_value(json!({"name": "s", "target": "contact", "steps": steps})).unwrap()
    }

    /// The thread of the last step, after what these steps came to.
    fn thread(threads: &[&str], came_to: &[(Channel, u8, AttemptResult, Option<&str>)]) -> Vec<String> {
        let sender = |n| SenderId::of(TenantId::from_bytes([0; 9]), &mut Ids::from_seed([n; 32]));
        let mut e = World::new().enrolled();
        e.records = came_to.iter().enumerate().fold(Vec::new(), |mut records, (n, came_to)| {
            let (channel, by, result, id) = came_to.clone();
            let mut record = StepRecord::new(&n.to_string());
            record.attempts.push(Attempt {
                generation: n as u32,
                at: Timestamp(0),
                sender: sender(by),
                channel,
                form: MessageForm::Text,
                left: Default::default(),
                conversation: None,
                result,
                provider_message_id: id.map(str::to_owned),
            });
            records.push(record);
            records
        });
        let sequence = sequence(threads);
        e.thread(&sequence, sequence.steps.last().unwrap(), sender(1), &Templates::new())
    }

    #[test]
    fn a_thread_is_what_the_same_sender_has_sent_of_it() {
        let sent = AttemptResult::Accepted(DeliveryStatus::Sent);
        let email = |by, id| (Channel::Email, by, sent.clone(), Some(id));
        assert_eq!(thread(&["same", "same", "same"], &[email(1, "a"), email(1, "b")]), ["a", "b"]);
        assert_eq!(thread(&["same", "same", "same"], &[email(2, "a"), email(1, "b")]), ["b"], "another sender's");
        assert_eq!(thread(&["same", "new", "same"], &[email(1, "a"), email(1, "b")]), ["b"], "a new thread");
        assert_eq!(thread(&["same", "same", "new"], &[email(1, "a"), email(1, "b")]), [""; 0], "a new thread begins");
        let sms = (Channel::Sms, 1, sent.clone(), Some("b"));
        assert_eq!(thread(&["same", "new", "same"], &[email(1, "a"), sms]), ["a"], "what was no email begins none");
        let refused = (Channel::Email, 1, AttemptResult::Refused("x".into()), None);
        let bounced = (Channel::Email, 1, AttemptResult::Failed("x".into()), Some("b"));
        assert_eq!(thread(&["same", "same", "same"], &[refused, bounced]), ["b"]);
        let unknown = (Channel::Email, 1, AttemptResult::Unknown, None);
        assert_eq!(thread(&["same", "same", "same"], &[email(1, "a"), unknown]), ["a"]);
    }
}
