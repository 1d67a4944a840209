//! What could not be done ends where somebody sees it, and nothing of `drive` did.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use crate::stack::{Stack, queue_arn, resource, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_was_given_up_and_poison_is() {
    let stack = Stack::open().await;
    for queue in ["Enroll", "Step", "Send", "Inbound", "Scheduler"] {
        assert_eq!(stack.on_queue(&format!("{queue}DeadLetterQueue")).await, 0, "{queue}");
    }
    let poison = |queue| give_up_poison(&stack, queue);
    tokio::join!(poison("Enroll"), poison("Step"), poison("Send"), poison("Inbound"));
}

async fn give_up_poison(stack: &Stack, queue: &str) {
    let (queue, dead_letters) = (format!("{queue}Queue"), format!("{queue}DeadLetterQueue"));
    let policy: Value = serde_json::from_str(&stack.attribute(&queue, "RedrivePolicy").await).unwrap();
    assert_eq!(policy["deadLetterTargetArn"], queue_arn(&dead_letters).as_str());

    // Between two tries a queue waits for minutes. That is too long for a test, and all that is changed.
    let visible = stack.attribute(&queue, "VisibilityTimeout").await;
    visible_after(stack, &queue, "1").await;
    let poison = format!("poison for {queue}");
    stack.sqs.send_message().queue_url(resource(&queue)).message_body(&poison).send().await.unwrap();
    let dead = wait_for(&format!("{poison} to be given up"), 60, async || {
        let asked = stack.sqs.receive_message().queue_url(resource(&dead_letters)).send().await;
        asked.unwrap().messages.unwrap_or_default().pop()
    })
    .await;
    assert_eq!(dead.body(), Some(poison.as_str()));
    visible_after(stack, &queue, &visible).await;
    stack.sqs.purge_queue().queue_url(resource(&dead_letters)).send().await.unwrap();
    assert_eq!(stack.on_queue(&dead_letters).await, 0);
}

async fn visible_after(stack: &Stack, queue: &str, seconds: &str) {
    let set = stack.sqs.set_queue_attributes().queue_url(resource(queue));
    set.attributes(QueueAttributeName::VisibilityTimeout, seconds).send().await.unwrap();
}
