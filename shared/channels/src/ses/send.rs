//! One call of SendEmail, and what is known after it.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::operation::send_email::builders::SendEmailFluentBuilder;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message as Simple, MessageHeader, MessageTag};
use domain::content::RenderedEmail;
use domain::message::{Message, Outbound, Reaction, Recipient, Refusal, SendOutcome};

use super::ATTEMPT_TAG;
use super::address::is_address;
use super::config::Config;
use super::headers::headers;
use crate::aws::Failure;
use crate::call::{by_status, refused};

/// Sends one message, once.
///
/// `Refused` is only for what is known not to have been accepted: nothing has left, or an answer that
/// refuses. A time-out, a broken connection or an answer of success that cannot be read is `Ambiguous`.
pub(crate) async fn send(client: &Client, config: &Config, outbound: &Outbound) -> SendOutcome {
    let Recipient::Email(to) = &outbound.to else { return refused(Reaction::Recipient, "not_an_email") };
    let Message::Email(email) = &outbound.message else { return refused(Reaction::Message, "no_email") };
    if !is_address(to) {
        return refused(Reaction::Recipient, "not_an_address");
    }
    let Some(region) = client.config().region().map(ToString::to_string) else {
        return refused(Reaction::Sender, "no_region");
    };
    let Some(request) = request(client, config, &region, outbound, to, email) else {
        return refused(Reaction::Message, "request");
    };
    match request.send().await {
        Ok(answer) => match answer.message_id.filter(|id| !id.is_empty()) {
            Some(provider_message_id) => SendOutcome::Accepted { provider_message_id, recipient_id: None },
            None => SendOutcome::Ambiguous,
        },
        Err(error) => {
            // SES says "rejected" of an address too that it has not verified: ours, as a rule.
            let said = error.as_service_error().and_then(|error| error.message()).unwrap_or_default();
            let unverified = said.contains("not verified") && said.contains(config.mailbox().domain());
            match Failure::of(&error) {
                Failure::Refused { code, .. } if unverified => refused(Reaction::Sender, &code),
                failure => outcome(&failure),
            }
        }
    }
}

fn request(
    client: &Client,
    config: &Config,
    region: &str,
    outbound: &Outbound,
    to: &str,
    email: &RenderedEmail,
) -> Option<SendEmailFluentBuilder> {
    let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().ok();
    let mut message = Simple::builder()
        .subject(content(&email.subject)?)
        .body(Body::builder().text(content(&email.text)?).set_html(email.html.as_deref().and_then(content)).build());
    for (name, value) in headers(config, region, &outbound.reference, email) {
        message = message.headers(MessageHeader::builder().name(name).value(value).build().ok()?);
    }
    // One who is on copy and cannot be written to keeps nobody else from getting it.
    let copies = email.cc.iter().filter(|cc| is_address(cc) && !cc.eq_ignore_ascii_case(to));
    let destination = Destination::builder().to_addresses(to).set_cc_addresses(Some(copies.cloned().collect()));
    let tag = MessageTag::builder().name(ATTEMPT_TAG).value(super::tag_of(&outbound.reference)).build().ok()?;
    Some(
        client
            .send_email()
            .from_email_address(config.mailbox().encoded())
            .destination(destination.build())
            .set_reply_to_addresses(reply_to(config, email).map(|address| vec![address]))
            .content(EmailContent::builder().simple(message.build()).build())
            .set_configuration_set_name(config.configuration_set.clone())
            .email_tags(tag),
    )
}

fn reply_to(config: &Config, email: &RenderedEmail) -> Option<String> {
    match (&config.inbound_domain, &email.reply_token) {
        (Some(domain), Some(token)) => Some(format!("r+{token}@{domain}")),
        _ => config.reply_to.clone(),
    }
}

fn outcome(failure: &Failure) -> SendOutcome {
    match failure {
        Failure::Ambiguous => SendOutcome::Ambiguous,
        Failure::NotSent { code: code @ "request" } => refused(Reaction::Message, code),
        Failure::NotSent { code } => refused(Reaction::Transient, code),
        Failure::Refused { code, status } => {
            let reaction = classify(code).unwrap_or_else(|| by_status(*status));
            SendOutcome::Refused(Refusal { reaction, code: code.clone(), retry_after: None })
        }
    }
}

/// SES's own codes. Some that stop a whole account are 400s, so HTTP's word does not count where there is one.
fn classify(code: &str) -> Option<Reaction> {
    Some(match code {
        // The rate, or the day's quota.
        "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException" | "Throttling" => {
            Reaction::Throttled
        }
        "AccountSuspendedException"
        | "SendingPausedException"
        | "MailFromDomainNotVerifiedException"
        // Its configuration set.
        | "NotFoundException"
        | "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException" => Reaction::Sender,
        "MessageRejected" | "BadRequestException" | "ValidationException" => Reaction::Message,
        _ => return None,
    })
}
