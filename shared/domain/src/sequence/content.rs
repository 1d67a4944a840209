//! What a step says: the fields of `content`, and a use of an approved WhatsApp template.

use serde::{Deserialize, Serialize};

/// What a step says. `type` decides which of the other fields may and must stand beside it:
/// [`crate::publish`] checks that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    #[serde(rename = "type")]
    pub type_: ContentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailVariant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsVariant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<TemplateParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<TemplateHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buttons: Option<Vec<ContentButton>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<String>,
}

impl Content {
    /// The template that a `whatsapp_template` content always sends.
    pub fn whatsapp_template(&self) -> Option<WhatsappTemplate> {
        if self.type_ != ContentType::WhatsappTemplate {
            return None;
        }
        let buttons: Option<Vec<_>> = self.buttons.iter().flatten().map(ContentButton::of_template).collect();
        Some(WhatsappTemplate {
            name: self.name.clone()?,
            language: self.language.clone()?,
            body: self.body.clone().unwrap_or_default(),
            header: self.header.clone(),
            buttons: buttons?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    Text,
    Template,
    WhatsappTemplate,
    Rich,
    Bot,
}

/// A button of a `rich` message (`id` and `title`) or of a `whatsapp_template` (`index`, `sub_type` and
/// `value`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContentButton {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<TemplateButtonType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl ContentButton {
    /// As a template's; `None` while a part is missing.
    pub fn of_template(&self) -> Option<TemplateButton> {
        Some(TemplateButton { index: self.index?, sub_type: self.sub_type?, value: self.value.clone()? })
    }
}

/// A picture, film, file or sound beside a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Media {
    pub kind: MediaKind,
    /// Public https: the provider fetches it from there.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Video,
    Document,
    Audio,
}

impl MediaKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
            Self::Audio => "audio",
        }
    }
}

/// Options behind one button, in sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What the button that opens the list says.
    pub button: String,
    pub sections: Vec<ListSection>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// Needed where there are several sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub rows: Vec<ListRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A reusable text with variables of its own: bare names (`{{ amount }}`) that each step which uses it
/// fills in by its `values`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTemplate {
    pub name: String,
    pub text: String,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub channel_variants: ChannelVariants,
}

/// What is said otherwise by email and by SMS.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelVariants {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailVariant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsVariant>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailVariant {
    #[serde(default)]
    pub subject: Option<String>,
    /// Liquid in which every `{{ … }}` is escaped.
    #[serde(default)]
    pub html: Option<String>,
    #[serde(default)]
    pub cc: Vec<String>,
    #[serde(default)]
    pub thread: EmailThread,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailThread {
    #[default]
    Same,
    New,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsVariant {
    pub text: String,
    /// Writes accents and typographic signs with GSM-7's letters: fewer parts, plainer names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transliterate: bool,
}

/// A use of an approved WhatsApp template: its name, language and the texts (Liquid) that fill it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatsappTemplate {
    pub name: String,
    /// With an underscore, as WhatsApp writes it: `pt_BR`.
    pub language: String,
    #[serde(default)]
    pub body: TemplateParameters,
    #[serde(default)]
    pub header: Option<TemplateHeader>,
    #[serde(default)]
    pub buttons: Vec<TemplateButton>,
}

/// Positional (`["Ana", "10,00"]`) or named (`{"first_name": "Ana"}`), never both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum TemplateParameters {
    Positional(Vec<String>),
    Named(std::collections::BTreeMap<String, String>),
}

impl Default for TemplateParameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateHeader {
    #[serde(rename = "type")]
    pub type_: TemplateHeaderType,
    /// The text, or the link of the image, video or document.
    pub value: String,
    /// Of a text's variable, where the template's parameters have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateHeaderType {
    Text,
    Image,
    Video,
    Document,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateButton {
    /// The button's place in the template, static buttons counted.
    pub index: u8,
    pub sub_type: TemplateButtonType,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateButtonType {
    Url,
    QuickReply,
    CopyCode,
}

impl TemplateButtonType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::QuickReply => "quick_reply",
            Self::CopyCode => "copy_code",
        }
    }
}
