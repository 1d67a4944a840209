//! Every text of a step that is Liquid, with its place and what it has to be.

use super::part;
use crate::content::limits;
use crate::sequence::{
    Content, ContentType, EmailVariant, SmsVariant, Step, TemplateButton, TemplateHeader, TemplateHeaderType,
    TemplateParameters, WhatsappTemplate,
};

/// A Liquid text and the pointer of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pointer: String,
    pub(super) source: String,
    pub(super) kind: Kind,
}

/// What a text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The step's own words, of at most so many characters on WhatsApp.
    Words(usize),
    /// Any other text, with line breaks as they are.
    Text,
    Html,
    /// One line of at most so many characters.
    Line(usize),
    /// A parameter of an approved WhatsApp template: WhatsApp refuses it when it is blank.
    Parameter(usize),
    /// A public https link; of a template's header, a parameter too.
    Link {
        parameter: bool,
    },
    /// An email address, or nobody.
    Address,
    /// A message template's own variable.
    Value,
}

impl Kind {
    /// Blank, it keeps the step from going out.
    pub(super) fn is_parameter(self) -> bool {
        matches!(self, Self::Parameter(_) | Self::Link { parameter: true })
    }
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

/// The texts of what is said otherwise by email and SMS.
pub(super) fn variants(email: Option<&EmailVariant>, sms: Option<&SmsVariant>, at: &str) -> Vec<Place> {
    let mut places = Places::default();
    places.variants(email, sms, at);
    places.0
}

#[derive(Default)]
struct Places(Vec<Place>);

impl Places {
    fn add(&mut self, pointer: String, source: &str, kind: Kind) {
        self.0.push(Place { pointer, source: source.to_owned(), kind });
    }

    fn content(&mut self, content: &Content, at: &str) {
        if let Some(text) = &content.text {
            let options = content.buttons.as_ref().is_some_and(|b| !b.is_empty()) || content.list.is_some();
            let captioned = content.type_ == ContentType::Rich && (options || content.media.is_some());
            let most = if captioned { limits::WHATSAPP_CAPTION } else { limits::WHATSAPP_TEXT };
            self.add(format!("{at}/text"), text, Kind::Words(most));
        }
        self.variants(content.email.as_ref(), content.sms.as_ref(), at);
        for (name, text) in content.values.iter().flatten() {
            self.add(format!("{at}/values/{}", part(name)), text, Kind::Value);
        }
        if content.type_ == ContentType::WhatsappTemplate {
            let body = content.body.clone().unwrap_or_default();
            let buttons = content.buttons.iter().flatten().enumerate();
            let buttons: Vec<_> = buttons.filter_map(|(i, b)| Some((i, b.of_template()?))).collect();
            self.parameters(&body, content.header.as_ref(), &buttons, at);
        } else {
            self.rich(content, at);
        }
    }

    fn variants(&mut self, email: Option<&EmailVariant>, sms: Option<&SmsVariant>, at: &str) {
        if let Some(email) = email {
            if let Some(subject) = &email.subject {
                self.add(format!("{at}/email/subject"), subject, Kind::Line(limits::EMAIL_SUBJECT));
            }
            if let Some(html) = &email.html {
                self.add(format!("{at}/email/html"), html, Kind::Html);
            }
            for (i, text) in email.cc.iter().enumerate() {
                self.add(format!("{at}/email/cc/{i}"), text, Kind::Address);
            }
        }
        if let Some(sms) = sms {
            self.add(format!("{at}/sms/text"), &sms.text, Kind::Text);
        }
    }

    fn rich(&mut self, content: &Content, at: &str) {
        if let Some(media) = &content.media {
            self.add(format!("{at}/media/url"), &media.url, Kind::Link { parameter: false });
            if let Some(caption) = &media.caption {
                self.add(format!("{at}/media/caption"), caption, Kind::Text);
            }
        }
        for (i, button) in content.buttons.iter().flatten().enumerate() {
            if let Some(title) = &button.title {
                self.add(format!("{at}/buttons/{i}/title"), title, Kind::Line(limits::BUTTON_TITLE));
            }
        }
        let Some(list) = &content.list else { return };
        self.add(format!("{at}/list/button"), &list.button, Kind::Line(limits::LIST_BUTTON));
        for (s, section) in list.sections.iter().enumerate() {
            let at = format!("{at}/list/sections/{s}");
            if let Some(title) = &section.title {
                self.add(format!("{at}/title"), title, Kind::Line(limits::SECTION_TITLE));
            }
            for (r, row) in section.rows.iter().enumerate() {
                self.add(format!("{at}/rows/{r}/title"), &row.title, Kind::Line(limits::ROW_TITLE));
                if let Some(text) = &row.description {
                    self.add(format!("{at}/rows/{r}/description"), text, Kind::Line(limits::ROW_DESCRIPTION));
                }
            }
        }
    }

    fn template(&mut self, template: &WhatsappTemplate, at: &str) {
        let buttons: Vec<_> = template.buttons.iter().cloned().enumerate().collect();
        self.parameters(&template.body, template.header.as_ref(), &buttons, at);
    }

    fn parameters(
        &mut self,
        body: &TemplateParameters,
        header: Option<&TemplateHeader>,
        buttons: &[(usize, TemplateButton)],
        at: &str,
    ) {
        let parameter = Kind::Parameter(limits::TEMPLATE_PARAMETER);
        match body {
            TemplateParameters::Positional(texts) => {
                for (i, text) in texts.iter().enumerate() {
                    self.add(format!("{at}/body/{i}"), text, parameter);
                }
            }
            TemplateParameters::Named(texts) => {
                for (name, text) in texts {
                    self.add(format!("{at}/body/{}", part(name)), text, parameter);
                }
            }
        }
        if let Some(header) = header {
            let kind = match header.type_ {
                TemplateHeaderType::Text => Kind::Parameter(limits::template_header(header.type_)),
                _ => Kind::Link { parameter: true },
            };
            self.add(format!("{at}/header/value"), &header.value, kind);
            if let Some(filename) = &header.filename {
                self.add(format!("{at}/header/filename"), filename, Kind::Parameter(limits::TEMPLATE_FILENAME));
            }
        }
        for (i, button) in buttons {
            let kind = Kind::Parameter(limits::template_button(button.sub_type));
            self.add(format!("{at}/buttons/{i}/value"), &button.value, kind);
        }
    }
}
