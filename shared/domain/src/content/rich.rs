//! A message with media, buttons or a list, as it will be sent, and its form in plain text.

use serde::{Deserialize, Serialize};

use super::error::{ContentError, ContentErrorCode as Code};
use super::filler::Filler;
use super::limits::{
    BUTTON_TITLE, LIST_BUTTON, ROW_DESCRIPTION, ROW_TITLE, SECTION_TITLE, WHATSAPP_CAPTION, WHATSAPP_TEXT,
};
use super::links::{NOT_A_LINK, is_public_link};
use super::texts::truncate;
use crate::sequence::{Content, List, ListRow, ListSection, Media, MediaKind};

/// At most one of buttons and list stands beside the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedRich {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ReplyButton>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
}

/// A button that answers with its title; `id` comes back with the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplyButton {
    pub id: String,
    pub title: String,
}

impl RenderedRich {
    /// The text and, below it, the media's caption: WhatsApp has one place for both.
    pub fn words(&self) -> String {
        match self.media.as_ref().and_then(|m| m.caption.as_deref()) {
            Some(caption) => format!("{}\n\n{caption}", self.text),
            None => self.text.clone(),
        }
    }

    /// For channels that show text alone: the options are numbered, the media is a link at the end.
    pub fn plain(&self) -> String {
        let mut parts = vec![self.words()];
        let rows = self.list.iter().flat_map(|list| &list.sections).flat_map(|section| &section.rows);
        let of_rows = rows.map(|row| match &row.description {
            Some(description) => format!("{}: {description}", row.title),
            None => row.title.clone(),
        });
        let options: Vec<String> = self.buttons.iter().map(|b| b.title.clone()).chain(of_rows).collect();
        if !options.is_empty() {
            let numbered = (1..).zip(&options).map(|(n, option): (u32, _)| format!("{n}. {option}"));
            parts.push(numbered.collect::<Vec<_>>().join("\n"));
        }
        parts.extend(self.media.as_ref().map(|media| media.url.clone()));
        parts.join("\n\n")
    }

    /// Whether it fits a WhatsApp message.
    ///
    /// # Errors
    /// `content_too_long`.
    pub fn check_whatsapp(&self) -> Result<(), ContentError> {
        let captioned = self.media.is_some() || !self.buttons.is_empty() || self.list.is_some();
        let most = if captioned { WHATSAPP_CAPTION } else { WHATSAPP_TEXT };
        match self.words().chars().count() {
            length if length <= most => Ok(()),
            length => {
                let detail =
                    format!("a WhatsApp message of this form may have {most} characters, this one has {length}");
                Err(ContentError::new(Code::ContentTooLong, detail))
            }
        }
    }
}

/// Fills in a `rich` content, whose shape was checked when it was saved. A title that came out longer
/// than WhatsApp shows is cut: its id still says what was chosen.
///
/// # Errors
/// Those of [`super::Text::parse`] and [`super::Text::render`]; `blank` for an option without a title,
/// `invalid_link` for media that nobody could fetch.
pub(crate) fn render(content: &Content, filler: &mut Filler<'_>) -> Result<RenderedRich, ContentError> {
    let text = filler.text(content.text.as_deref().unwrap_or_default())?;
    if text.trim().is_empty() {
        return Err(ContentError::new(Code::Blank, "the text came out blank"));
    }
    let media = content.media.as_ref().map(|m| media(m, filler)).transpose()?;
    let mut buttons = Vec::new();
    for button in content.buttons.iter().flatten() {
        let title = label(button.title.as_deref().unwrap_or_default(), BUTTON_TITLE, filler)?;
        buttons.push(ReplyButton { id: button.id.clone().unwrap_or_default(), title });
    }
    let list = content.list.as_ref().map(|l| list(l, filler)).transpose()?;
    Ok(RenderedRich { text, media, buttons, list })
}

fn media(media: &Media, filler: &mut Filler<'_>) -> Result<Media, ContentError> {
    let url = filler.line(&media.url)?;
    if !is_public_link(&url) {
        return Err(ContentError::new(
            Code::InvalidLink,
            format!("the link of the {} {NOT_A_LINK}", media.kind.as_str()),
        ));
    }
    let caption = media.caption.as_ref().filter(|_| media.kind != MediaKind::Audio);
    let caption = caption.map(|c| filler.text(c)).transpose()?.filter(|c| !c.trim().is_empty());
    Ok(Media { kind: media.kind, url, caption })
}

fn list(list: &List, filler: &mut Filler<'_>) -> Result<List, ContentError> {
    let button = label(&list.button, LIST_BUTTON, filler)?;
    let mut sections = Vec::with_capacity(list.sections.len());
    for section in &list.sections {
        let title = section.title.as_ref().map(|t| label(t, SECTION_TITLE, filler)).transpose()?;
        let mut rows = Vec::with_capacity(section.rows.len());
        for row in &section.rows {
            let description = row.description.as_ref().map(|d| filler.line(d)).transpose()?;
            let description = description.filter(|d| !d.is_empty()).map(|d| cut(&d, ROW_DESCRIPTION));
            rows.push(ListRow { id: row.id.clone(), title: label(&row.title, ROW_TITLE, filler)?, description });
        }
        sections.push(ListSection { title, rows });
    }
    Ok(List { button, sections })
}

fn label(source: &str, most: usize, filler: &mut Filler<'_>) -> Result<String, ContentError> {
    let line = filler.line(source)?;
    if line.is_empty() {
        return Err(ContentError::new(Code::Blank, "a button or a row has no title"));
    }
    Ok(cut(&line, most))
}

fn cut(line: &str, most: usize) -> String {
    truncate(line, i64::try_from(most).unwrap_or(i64::MAX), "…")
}
