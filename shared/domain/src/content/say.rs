//! What a step says on a channel, in that channel's own form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{ContentError, ContentErrorCode as Code};
use super::filler::Filler;
use super::limits::EMAIL_SUBJECT;
use super::texts::truncate;
use super::variables::Variables;
use super::{rich, sms};
use crate::message::{Channel, Message};
use crate::sequence::{Content, ContentType, EmailThread, EmailVariant, MessageTemplate, Sequence, SmsVariant};

/// Message templates by their id, as the steps that use them name it.
pub type Templates = BTreeMap<String, MessageTemplate>;

/// An email as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedEmail {
    pub subject: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    pub thread: EmailThread,
    /// The provider's ids of the emails that it continues, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continues: Vec<String>,
    /// Of this person and channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe_url: Option<String>,
    /// Names the person in the address that answers go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_token: Option<String>,
}

/// A rendered message and the names that left a hole in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub message: Message,
    pub blank: Vec<String>,
    /// An SMS before its accents were taken away.
    pub accented: Option<String>,
}

/// A content's words, wherever they are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'c> {
    pub(crate) text: &'c str,
    pub(crate) email: Option<&'c EmailVariant>,
    pub(crate) sms: Option<&'c SmsVariant>,
    pub(crate) values: Option<&'c BTreeMap<String, String>>,
}

/// None for a template that is not there, and for content without words of its own.
pub(crate) fn words<'c>(content: &'c Content, templates: &'c Templates) -> Option<Words<'c>> {
    match content.type_ {
        ContentType::Text | ContentType::Rich => Some(Words {
            text: content.text.as_deref().unwrap_or_default(),
            email: content.email.as_ref(),
            sms: content.sms.as_ref(),
            values: None,
        }),
        ContentType::Template => {
            let template = templates.get(content.template_id.as_ref()?)?;
            let variants = &template.channel_variants;
            Some(Words {
                text: &template.text,
                email: variants.email.as_ref(),
                sms: variants.sms.as_ref(),
                values: content.values.as_ref(),
            })
        }
        ContentType::WhatsappTemplate | ContentType::Bot => None,
    }
}

/// The templates that a sequence uses, of those that there are.
pub fn used(sequence: &Sequence, templates: &Templates) -> Templates {
    let ids = sequence.steps.iter().filter(|s| s.content.type_ == ContentType::Template);
    let ids = ids.filter_map(|s| s.content.template_id.as_ref());
    ids.filter_map(|id| Some((id.clone(), templates.get(id)?.clone()))).collect()
}

/// Whether a content's email begins a thread of its own.
pub fn thread(content: &Content, templates: &Templates) -> EmailThread {
    words(content, templates).and_then(|w| w.email).map(|e| e.thread).unwrap_or_default()
}

/// Renders a content for a channel. `first` is the content with which the email's thread began, for an
/// email that stays in it.
///
/// # Errors
/// Those of rendering; `blank` where nothing would be said, or there are no words to say;
/// `content_too_long` for what the channel does not take.
pub fn say(
    content: &Content,
    first: Option<&Content>,
    channel: Channel,
    templates: &Templates,
    variables: &Variables,
) -> Result<Said, ContentError> {
    let mut filler = Filler::new(variables);
    let filled = &mut filler;
    if let (Channel::Conversation, ContentType::Bot, Some(bot_id)) = (channel, content.type_, &content.bot_id) {
        let text = content.text.as_deref().map(|text| filled.text(text)).transpose()?;
        let text = text.filter(|text| !text.trim().is_empty());
        let message = Message::Bot { bot_id: bot_id.clone(), text };
        return Ok(Said { message, blank: filler.into_blank(), accented: None });
    }
    let words = words(content, templates).ok_or_else(|| blank("there is no text to say"))?;
    let mut accented = None;
    let message = match (channel, words.sms) {
        (Channel::Email, _) => {
            let first = first.and_then(|first| self::words(first, templates));
            Message::Email(email(content, &words, first, filled)?)
        }
        (Channel::Sms, Some(variant)) => {
            filled.own(words.values)?;
            let mut text = not_blank(filled.text(&variant.text)?)?;
            if variant.transliterate {
                let plain = sms::transliterate(&text);
                accented = Some(std::mem::replace(&mut text, plain));
            }
            Message::Text { text }
        }
        (Channel::Whatsapp, _) if content.type_ == ContentType::Rich => {
            let rich = rich::render(content, filled)?;
            rich.check_whatsapp()?;
            Message::Rich(rich)
        }
        (Channel::Whatsapp, _) => {
            let text = plain(content, &words, filled)?;
            super::text::check_whatsapp(&text)?;
            Message::Text { text }
        }
        (Channel::Sms | Channel::Conversation, _) => Message::Text { text: plain(content, &words, filled)? },
    };
    if let (Channel::Sms, Message::Text { text }) = (channel, &message) {
        super::text::check_sms(text)?;
    }
    Ok(Said { message, blank: filler.into_blank(), accented })
}

/// The words as plain text.
fn plain(content: &Content, words: &Words<'_>, filler: &mut Filler<'_>) -> Result<String, ContentError> {
    filler.own(words.values)?;
    match content.type_ {
        ContentType::Rich => rich::render(content, filler).map(|rich| rich.plain()),
        _ => not_blank(filler.text(words.text)?),
    }
}

fn email(
    content: &Content,
    words: &Words<'_>,
    first: Option<Words<'_>>,
    filler: &mut Filler<'_>,
) -> Result<RenderedEmail, ContentError> {
    let thread = words.email.map(|e| e.thread).unwrap_or_default();
    let first = first.filter(|_| thread == EmailThread::Same);
    let of = first.as_ref().unwrap_or(words);
    filler.own(of.values)?;
    let mut subject = filler.line(of.email.and_then(|e| e.subject.as_deref()).unwrap_or_default())?;
    if subject.is_empty() {
        return Err(blank("an email needs a subject"));
    }
    if first.is_some() {
        subject.insert_str(0, "Re: ");
    }
    let text = plain(content, words, filler)?;
    let html = words.email.and_then(|e| e.html.as_ref()).map(|html| filler.html(html)).transpose()?;
    let mut cc: Vec<String> = Vec::new();
    for source in words.email.iter().flat_map(|e| &e.cc) {
        let address = filler.optional(source)?.filter(|address| is_address(address));
        cc.extend(address.filter(|address| !cc.contains(address)));
    }
    let most = i64::try_from(EMAIL_SUBJECT).unwrap_or(i64::MAX);
    Ok(RenderedEmail {
        subject: truncate(&subject, most, "…"),
        text,
        html,
        cc,
        thread,
        continues: Vec::new(),
        unsubscribe_url: None,
        reply_token: None,
    })
}

/// Something at a name with a dot, and nothing that would begin another header or another address.
pub(crate) fn is_address(text: &str) -> bool {
    let odd =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '<' | '>' | '"' | '(' | ')' | ':');
    let Some((local, host)) = text.split_once('@') else { return false };
    text.len() <= 254
        && !local.is_empty()
        && !text.contains(odd)
        && !host.contains('@')
        && host.split('.').count() > 1
        && host.split('.').all(|label| !label.is_empty())
}

fn not_blank(text: String) -> Result<String, ContentError> {
    if text.trim().is_empty() { Err(blank("the text came out blank")) } else { Ok(text) }
}

fn blank(detail: &str) -> ContentError {
    ContentError::new(Code::Blank, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
