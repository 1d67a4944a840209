//! WhatsApp's 24 h window and the templates that may go out beyond it.

use super::Findings;
use super::rules::channels;
use crate::message::Channel;
use crate::sender::{KnownTemplate, Sender};
use crate::sequence::{ContentType, OutsideWindow, Step, TemplateParameters, WhatsappTemplate};

/// A contact who never wrote is outside the window, so any step may be; and templates are judged
/// against each sender's synced list (API.md, Senders).
pub(super) fn check(step: &Step, at: &str, senders: &[&Sender], found: &mut Findings) {
    let with_window: Vec<&Sender> = senders.iter().copied().filter(|s| s.provider.has_reply_window()).collect();
    // Without a sender the channel decides: what is missing is said together, not one by one.
    let windowed = !with_window.is_empty() || (senders.is_empty() && channels(step).contains(&Channel::Whatsapp));
    if step.content.type_ == ContentType::WhatsappTemplate {
        let here = format!("{at}/content");
        if !channels(step).contains(&Channel::Whatsapp) {
            let detail = "a WhatsApp template only goes out by whatsapp, same_conversation or automatic";
            found.problem(&here, "channel_mismatch", detail);
        } else if let Some(template) = step.content.whatsapp_template() {
            with_window.iter().for_each(|sender| known(&template, sender, &here, found));
        }
        return;
    }
    if step.content.type_ == ContentType::Bot || !windowed || step.outside_window == OutsideWindow::Fail {
        return;
    }
    let here = format!("{at}/fallback_template");
    match &step.fallback_template {
        Some(template) => with_window.iter().for_each(|sender| known(template, sender, &here, found)),
        None => {
            let detail = "outside WhatsApp's 24 h window only an approved template goes out: add one, or set outside_window to fail";
            found.problem(here, "template_missing", detail);
        }
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
    let given = match &template.body {
        TemplateParameters::Positional(texts) => texts.len(),
        TemplateParameters::Named(texts) => texts.len(),
    };
    if given != found_one.body_parameters as usize {
        let detail = format!("the body of {name} takes {} parameters, not {given}", found_one.body_parameters);
        found.problem(format!("{at}/body"), "template_parameters", detail);
    }
}
