//! Every text of a step that is Liquid, with its place.

use super::part;
use crate::sequence::{
    Content, ContentType, Step, TemplateButton, TemplateHeader, TemplateParameters, WhatsappTemplate,
};

/// A Liquid text and the pointer of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pointer: String,
    pub(super) source: String,
    /// A parameter of an approved WhatsApp template: WhatsApp refuses it when it is blank.
    pub(super) parameter: bool,
}

/// All texts of a step whose pointer is `at`, in the order of the document.
pub(super) fn texts(step: &Step, at: &str) -> Vec<Place> {
    let mut places = Places::default();
    places.content(&step.content, &format!("{at}/content"));
    if let Some(template) = &step.fallback_template {
        places.template(template, &format!("{at}/fallback_template"));
    }
    places.0
}

#[derive(Default)]
struct Places(Vec<Place>);

impl Places {
    fn add(&mut self, pointer: String, source: &str, parameter: bool) {
        self.0.push(Place { pointer, source: source.to_owned(), parameter });
    }

    fn content(&mut self, content: &Content, at: &str) {
        if let Some(text) = &content.text {
            self.add(format!("{at}/text"), text, false);
        }
        if let Some(email) = &content.email {
            for (name, text) in [("subject", &email.subject), ("html", &email.html)] {
                if let Some(text) = text {
                    self.add(format!("{at}/email/{name}"), text, false);
                }
            }
            for (i, text) in email.cc.iter().enumerate() {
                self.add(format!("{at}/email/cc/{i}"), text, false);
            }
        }
        if let Some(sms) = &content.sms {
            self.add(format!("{at}/sms/text"), &sms.text, false);
        }
        for (name, text) in content.values.iter().flatten() {
            self.add(format!("{at}/values/{}", part(name)), text, false);
        }
        if content.type_ == ContentType::WhatsappTemplate {
            let buttons = content.buttons.clone().and_then(|b| serde_json::from_value(b).ok()).unwrap_or_default();
            let body = content.body.clone().unwrap_or_default();
            self.parameters(&body, content.header.as_ref(), buttons, at);
        }
    }

    fn template(&mut self, template: &WhatsappTemplate, at: &str) {
        self.parameters(&template.body, template.header.as_ref(), template.buttons.clone(), at);
    }

    fn parameters(
        &mut self,
        body: &TemplateParameters,
        header: Option<&TemplateHeader>,
        buttons: Vec<TemplateButton>,
        at: &str,
    ) {
        match body {
            TemplateParameters::Positional(texts) => {
                for (i, text) in texts.iter().enumerate() {
                    self.add(format!("{at}/body/{i}"), text, true);
                }
            }
            TemplateParameters::Named(texts) => {
                for (name, text) in texts {
                    self.add(format!("{at}/body/{}", part(name)), text, true);
                }
            }
        }
        if let Some(header) = header {
            self.add(format!("{at}/header/value"), &header.value, true);
            if let Some(filename) = &header.filename {
                self.add(format!("{at}/header/filename"), filename, false);
            }
        }
        for (i, button) in buttons.iter().enumerate() {
            self.add(format!("{at}/buttons/{i}/value"), &button.value, true);
        }
    }
}
