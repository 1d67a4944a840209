//! WhatsApp's 24 h window and the templates that may go out beyond it.

use super::rules::Senders;
use super::{Findings, part};
use crate::enrollment::choice::{candidates, channel_of};
use crate::message::Channel;
use crate::sender::{KnownTemplate, Sender};
use crate::sequence::{
    ContentType, OutsideWindow, Step, StepChannel, TemplateButtonType, TemplateHeaderType, TemplateParameters,
    WhatsappTemplate,
};

/// A contact who never wrote is outside the window, so any step may be; and templates are judged
/// against each sender's synced list (API.md, Senders).
pub(super) fn check(step: &Step, at: &str, senders: &Senders<'_>, found: &mut Findings) {
    // What a conversation runs through is judged only where nothing else is known.
    let own = if senders.own.is_empty() { &senders.conversation } else { &senders.own };
    let judged: Vec<&Sender> = own.iter().copied().filter(|s| s.has_reply_window()).collect();
    if step.content.type_ == ContentType::WhatsappTemplate {
        let here = format!("{at}/content");
        let mut all = senders.all().peekable();
        let mut wanted = candidates(step).iter().map(|asked| channel_of(*asked));
        let carried = |s: &Sender| s.has_reply_window() || s.channel == Channel::Conversation;
        if !wanted.any(|channel| channel.is_none_or(|c| c == Channel::Whatsapp)) {
            let detail = "a WhatsApp template only goes out by whatsapp, same_conversation or automatic";
            found.problem(&here, "channel_mismatch", detail);
        } else if all.peek().is_some() && !all.any(carried) {
            found.problem(&here, "channel_mismatch", "none of this step's senders sends WhatsApp templates");
        } else if let Some(template) = step.content.whatsapp_template() {
            judged.iter().for_each(|sender| known(&template, sender, &here, found));
        }
        return;
    }
    if step.content.type_ == ContentType::Bot || step.outside_window == OutsideWindow::Fail {
        return;
    }
    let here = format!("{at}/fallback_template");
    match &step.fallback_template {
        Some(template) => judged.iter().for_each(|sender| known(template, sender, &here, found)),
        // Without a sender the channel decides: what is missing is said together, not one by one.
        None if senders.all().all(Sender::has_reply_window)
            && (senders.all().next().is_some() || step.channel == StepChannel::Whatsapp) =>
        {
            let detail = "outside WhatsApp's 24 h window only an approved template goes out: add one, or set outside_window to fail";
            found.problem(here, "template_missing", detail);
        }
        None if senders.all().any(Sender::has_reply_window) => {
            let detail =
                "by WhatsApp it only goes out within 24 h of the contact's last message, since it has no template";
            found.warn(here, "template_missing", detail);
        }
        None => {}
    }
}

fn known(template: &WhatsappTemplate, sender: &Sender, at: &str, found: &mut Findings) {
    let (name, language) = (&template.name, &template.language);
    let Some(list) = &sender.templates else {
        let detail =
            format!("the templates of `{}` were never synced: nobody knows whether {name} is approved", sender.name);
        found.warn(at, "template_unverified", detail);
        return;
    };
    let same_name: Vec<&KnownTemplate> = list.iter().filter(|t| t.name == *name).collect();
    let Some(found_one) = same_name.iter().find(|t| t.language == *language) else {
        let languages: Vec<&str> = same_name.iter().map(|t| t.language.as_str()).collect();
        let (pointer, detail) = if languages.is_empty() {
            (format!("{at}/name"), format!("`{}` has no template {name}", sender.name))
        } else {
            (
                format!("{at}/language"),
                format!("the template {name} exists in {}, not in {language}", languages.join(", ")),
            )
        };
        found.problem(pointer, "template_not_approved", detail);
        return;
    };
    if !found_one.status.eq_ignore_ascii_case("approved") {
        let detail = format!("WhatsApp says that {name} ({language}) is {}", found_one.status.to_lowercase());
        found.problem(format!("{at}/name"), "template_not_approved", detail);
    }
    parameters(template, found_one, at, found);
}

/// Whether a use says what the template asks for, no more and no less.
fn parameters(template: &WhatsappTemplate, known: &KnownTemplate, at: &str, found: &mut Findings) {
    let mut wrong = |part: String, detail: String| found.problem(format!("{at}{part}"), "template_parameters", detail);
    let name = &template.name;
    let given = match &template.body {
        TemplateParameters::Positional(texts) => texts.len(),
        TemplateParameters::Named(texts) => texts.len(),
    };
    if given != known.body_parameters as usize {
        let detail = format!("the body of {name} takes {} parameters, not {given}", known.body_parameters);
        wrong("/body".into(), detail);
    }
    let Some(parts) = &known.parts else { return };
    match (&template.body, parts.body_names.as_slice()) {
        (TemplateParameters::Named(texts), []) if !texts.is_empty() => {
            wrong("/body".into(), format!("the parameters of {name} are numbered: give a list"));
        }
        (TemplateParameters::Positional(texts), names) if !texts.is_empty() && !names.is_empty() => {
            wrong("/body".into(), format!("the parameters of {name} have names: {}", names.join(", ")));
        }
        (TemplateParameters::Named(texts), names) => {
            for strange in texts.keys().filter(|text| !names.contains(text)) {
                let detail = format!("{name} has no parameter of this name, but {}", names.join(", "));
                wrong(format!("/body/{}", part(strange)), detail);
            }
        }
        _ => {}
    }
    let given = template.header.as_ref();
    match (given.map(|h| h.type_), parts.header) {
        (None, Some(header)) => {
            wrong("/header".into(), format!("the header of {name} takes {}", header_name(header)));
        }
        (Some(_), None) => wrong("/header".into(), format!("the header of {name} takes no parameter")),
        (Some(given), Some(header)) if given != header => {
            wrong("/header/type".into(), format!("the header of {name} takes {}", header_name(header)));
        }
        (Some(_), Some(_)) if given.and_then(|h| h.name.as_ref()) != parts.header_name.as_ref() => {
            let detail = match &parts.header_name {
                Some(named) => format!("the variable in the header of {name} is called {named}"),
                None => format!("the variable in the header of {name} has a number and no name"),
            };
            wrong("/header/name".into(), detail);
        }
        _ => {}
    }
    for (i, button) in template.buttons.iter().enumerate() {
        match parts.buttons.iter().find(|b| b.index == button.index) {
            Some(known) if known.sub_type == button.sub_type => {}
            Some(known) => {
                let detail = format!("button {} of {name} is a {}", button.index, known.sub_type.as_str());
                wrong(format!("/buttons/{i}/sub_type"), detail);
            }
            None => {
                let detail = format!("button {} of {name} takes no value, or does not exist", button.index);
                wrong(format!("/buttons/{i}/index"), detail);
            }
        }
    }
    // A quick reply without a payload answers with its own text.
    let needed = parts.buttons.iter().filter(|b| b.sub_type != TemplateButtonType::QuickReply);
    for missing in needed.filter(|b| template.buttons.iter().all(|given| given.index != b.index)) {
        let detail = format!("button {} of {name} ({}) needs its value", missing.index, missing.sub_type.as_str());
        wrong("/buttons".into(), detail);
    }
}

fn header_name(type_: TemplateHeaderType) -> &'static str {
    match type_ {
        TemplateHeaderType::Text => "a text",
        TemplateHeaderType::Image => "an image",
        TemplateHeaderType::Video => "a video",
        TemplateHeaderType::Document => "a document",
    }
}
