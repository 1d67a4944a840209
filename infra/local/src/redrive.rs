//! `redrive`: what was given up goes back to the queues that it came from. For a deployment on AWS.
//!
//! Doing so twice is harmless, because every message is safe to repeat. The scheduler's dead letters
//! are shown and left: the sweep has made up for those timers long ago.

use std::io::{self, Write};

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use domain::enrollment::PlannedSend;
use domain::time::Timestamp;
use engine::queue::{EnrollWork, InboundWork, StepDue, Subject, decode};

const PAGE: i32 = 1_000;
/// Messages that are looked at, of each queue.
const LOOKED_AT: i32 = 10;
/// While they are, nobody else sees them.
const LOOK_SECONDS: i32 = 30;

#[derive(Debug, Clone, clap::Args)]
pub struct Redrive {
    /// The name of the CloudFormation stack.
    #[arg(long, default_value = "ritmo")]
    pub stack: String,
    /// Only what this queue gave up; left out, all of them.
    #[arg(long, value_enum)]
    pub queue: Option<Origin>,
    /// Shows what there is, and moves nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Whose dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Origin {
    Enroll,
    Step,
    Send,
    Inbound,
    Scheduler,
}

impl Origin {
    const ALL: [Self; 5] = [Self::Enroll, Self::Step, Self::Send, Self::Inbound, Self::Scheduler];

    /// The resource in `infra/template.yaml`.
    fn resource(self) -> &'static str {
        match self {
            Self::Enroll => "EnrollDeadLetterQueue",
            Self::Step => "StepDeadLetterQueue",
            Self::Send => "SendDeadLetterQueue",
            Self::Inbound => "InboundDeadLetterQueue",
            Self::Scheduler => "SchedulerDeadLetterQueue",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Step => "step",
            Self::Send => "send",
            Self::Inbound => "inbound",
            Self::Scheduler => "scheduler",
        }
    }

    /// What a message is about; `None` when we cannot read it.
    fn subject(self, body: &str) -> Option<String> {
        match self {
            Self::Enroll => decode::<EnrollWork>(body).ok().map(|m| m.subject()),
            Self::Step | Self::Scheduler => decode::<StepDue>(body).ok().map(|m| m.subject()),
            Self::Send => decode::<PlannedSend>(body).ok().map(|m| m.subject()),
            Self::Inbound => decode::<InboundWork>(body).ok().map(|m| m.subject()),
        }
    }
}

/// Shows each dead-letter queue of the stack, and sets what it holds going again.
///
/// # Errors
/// No such stack here, or SQS refuses: what was shown as moving before that is.
pub async fn redrive(sqs: &Client, options: &Redrive, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    let queues = dead_letter_queues(sqs, &options.stack).await?;
    anyhow::ensure!(
        !queues.is_empty(),
        "there are no dead-letter queues of a stack named {} in this account and region",
        options.stack
    );
    for (origin, url) in queues.into_iter().filter(|(origin, _)| options.queue.is_none_or(|only| only == *origin)) {
        show_and_move(sqs, origin, &url, options.dry_run, now, out)
            .await
            .with_context(|| format!("the dead letters of {}", origin.name()))?;
    }
    Ok(())
}

/// CloudFormation names a queue `stack-Resource-RANDOM`.
async fn dead_letter_queues(sqs: &Client, stack: &str) -> anyhow::Result<Vec<(Origin, String)>> {
    let mut pages = sqs.list_queues().queue_name_prefix(format!("{stack}-")).max_results(PAGE).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.context("ListQueues")?;
        for url in page.queue_urls() {
            let name = url.rsplit('/').next().unwrap_or_default();
            let is_of = |origin: &Origin| name.starts_with(&format!("{stack}-{}-", origin.resource()));
            found.extend(Origin::ALL.into_iter().find(is_of).map(|origin| (origin, url.clone())));
        }
    }
    found.sort_by_key(|(origin, _)| Origin::ALL.iter().position(|o| o == origin));
    Ok(found)
}

async fn show_and_move(
    sqs: &Client,
    origin: Origin,
    url: &str,
    dry_run: bool,
    now: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (count, arn) = size(sqs, url).await?;
    let messages = if count == 0 { Vec::new() } else { look(sqs, url).await? };
    show(origin, count, &messages, now, out)?;
    if count == 0 {
        return Ok(());
    }
    if origin == Origin::Scheduler {
        writeln!(out, "           left as they are: the sweep has made up for them")?;
        return Ok(());
    }
    if dry_run {
        return Ok(());
    }
    match sqs.start_message_move_task().source_arn(arn).send().await {
        Ok(_) => writeln!(out, "           moving back")?,
        // As while an earlier move is under way.
        Err(error) if error.code().is_some_and(|code| code.contains("UnsupportedOperation")) => {
            writeln!(out, "           not moved: {}", error.message().unwrap_or("SQS refuses"))?;
        }
        Err(error) => return Err(error).context("StartMessageMoveTask"),
    }
    Ok(())
}

async fn size(sqs: &Client, url: &str) -> anyhow::Result<(u64, String)> {
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .context("GetQueueAttributes")?;
    let of = |name| attributes.attributes().and_then(|all| all.get(&name)).cloned().unwrap_or_default();
    let count = of(QueueAttributeName::ApproximateNumberOfMessages).parse().context("the queue's size is no number")?;
    Ok((count, of(QueueAttributeName::QueueArn)))
}

/// The first few, given back at once.
async fn look(sqs: &Client, url: &str) -> anyhow::Result<Vec<Message>> {
    let received = sqs
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(LOOKED_AT)
        .visibility_timeout(LOOK_SECONDS)
        .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
        .send()
        .await
        .context("ReceiveMessage")?;
    let messages = received.messages.unwrap_or_default();
    let mut entries = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(n.to_string())
            .set_receipt_handle(message.receipt_handle.clone())
            .visibility_timeout(0);
        entries.push(entry.build()?);
    }
    if !entries.is_empty() {
        // Not given back, they come by themselves after their time.
        let _ = sqs.change_message_visibility_batch().queue_url(url).set_entries(Some(entries)).send().await;
    }
    Ok(messages)
}

/// A queue a line, and what the messages are about: ids, never what they say.
fn show(origin: Origin, count: u64, messages: &[Message], now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let sent = |message: &Message| -> Option<i64> {
        message.attributes.as_ref()?.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()
    };
    let oldest = messages.iter().filter_map(sent).min().map(|ms| Timestamp(ms / 1_000));
    write!(out, "{:<10} {count}", origin.name())?;
    if let Some(oldest) = oldest {
        write!(out, ", of those looked at the oldest from {oldest}, {} h ago", now.seconds_since(oldest) / 3_600)?;
    }
    writeln!(out)?;
    for message in messages {
        let about = origin.subject(message.body.as_deref().unwrap_or_default());
        let about = about.as_deref().unwrap_or("cannot be read by this version");
        writeln!(out, "           {} {about}", message.message_id.as_deref().unwrap_or("?"))?;
    }
    Ok(())
}
