//! The shape of media, buttons and lists (WhatsApp's limits; other channels show them as text).

use std::collections::BTreeSet;

use super::Findings;
use crate::content::limits::{BUTTON_ID, LIST_ROWS, REPLY_BUTTONS, ROW_ID, WHATSAPP_CAPTION};
use crate::sequence::{Content, ContentButton, List, Media, MediaKind};

pub(super) fn check(content: &Content, at: &str, found: &mut Findings) {
    let buttons = content.buttons.as_deref().unwrap_or_default();
    if !buttons.is_empty() && content.list.is_some() {
        found.problem(format!("{at}/list"), "mutually_exclusive", "a message has either buttons or a list");
    }
    if let Some(media) = &content.media {
        self::media(media, content, at, found);
    }
    self::buttons(buttons, &format!("{at}/buttons"), found);
    if let Some(list) = &content.list {
        self::list(list, &format!("{at}/list"), found);
    }
}

fn media(media: &Media, content: &Content, at: &str, found: &mut Findings) {
    let here = format!("{at}/media");
    let audio = media.kind == MediaKind::Audio;
    if audio && media.caption.is_some() {
        found.problem(format!("{here}/caption"), "not_allowed", "an audio has no caption");
    }
    if audio && content.buttons.as_ref().is_some_and(|b| !b.is_empty()) {
        found.problem(format!("{here}/kind"), "not_allowed", "buttons stand under an image, video or document");
    }
    if content.list.is_some() {
        found.problem(
            &here,
            "mutually_exclusive",
            "a list opens from a text alone: leave the media out, or use buttons",
        );
    }
    // Where both say the same to everyone, they are counted as they will be sent.
    let plain = |t: &str| !t.contains("{{") && !t.contains("{%");
    if let (Some(text), Some(caption)) = (&content.text, &media.caption)
        && plain(text)
        && plain(caption)
    {
        let length = text.chars().count() + caption.chars().count() + 2;
        if length > WHATSAPP_CAPTION && text.chars().count() <= WHATSAPP_CAPTION {
            let detail =
                format!("text and caption are sent as one: at most {WHATSAPP_CAPTION} characters, not {length}");
            found.problem(format!("{here}/caption"), "too_long", detail);
        }
    }
}

fn buttons(buttons: &[ContentButton], at: &str, found: &mut Findings) {
    if buttons.len() > REPLY_BUTTONS {
        found.problem(at, "too_many", format!("at most {REPLY_BUTTONS} buttons, not {}; use a list", buttons.len()));
    }
    let mut ids = Ids::new(BUTTON_ID);
    let mut titles = BTreeSet::new();
    for (i, button) in buttons.iter().enumerate() {
        let here = format!("{at}/{i}");
        let strange = [
            ("index", button.index.is_some()),
            ("sub_type", button.sub_type.is_some()),
            ("value", button.value.is_some()),
        ];
        for (name, _) in strange.iter().filter(|(_, given)| *given) {
            found.problem(format!("{here}/{name}"), "not_allowed", "a button of a rich message has an id and a title");
        }
        ids.check(button.id.as_deref(), &format!("{here}/id"), found);
        match &button.title {
            None => found.problem(format!("{here}/title"), "required", "a button needs a title"),
            Some(title) if !titles.insert(title.trim()) => {
                found.problem(format!("{here}/title"), "duplicate", "another button has this title");
            }
            Some(_) => {}
        }
    }
}

fn list(list: &List, at: &str, found: &mut Findings) {
    if list.sections.is_empty() {
        found.problem(format!("{at}/sections"), "required", "a list has at least one section");
    }
    let rows: usize = list.sections.iter().map(|s| s.rows.len()).sum();
    if rows > LIST_ROWS {
        let detail = format!("at most {LIST_ROWS} rows in all sections together, not {rows}");
        found.problem(format!("{at}/sections"), "too_many", detail);
    }
    let mut ids = Ids::new(ROW_ID);
    for (s, section) in list.sections.iter().enumerate() {
        let here = format!("{at}/sections/{s}");
        if section.title.is_none() && list.sections.len() > 1 {
            found.problem(format!("{here}/title"), "required", "where there are several sections each has a title");
        }
        if section.rows.is_empty() {
            found.problem(format!("{here}/rows"), "required", "a section has at least one row");
        }
        for (r, row) in section.rows.iter().enumerate() {
            ids.check(Some(&row.id), &format!("{here}/rows/{r}/id"), found);
        }
    }
}

/// The ids by which answers are told apart: the same for everybody, each once.
struct Ids<'c> {
    most: usize,
    seen: BTreeSet<&'c str>,
}

impl<'c> Ids<'c> {
    fn new(most: usize) -> Self {
        Self { most, seen: BTreeSet::new() }
    }

    fn check(&mut self, id: Option<&'c str>, pointer: &str, found: &mut Findings) {
        let id = id.unwrap_or_default();
        if id.trim().is_empty() {
            return found.problem(pointer, "required", "an option needs an id: it comes back with the answer");
        }
        super::shape::longest(id, self.most, pointer, found);
        if id.contains("{{") || id.contains("{%") || id.contains(char::is_control) {
            found.problem(pointer, "invalid_value", "an id is the same for everybody: it has no variables");
        }
        if !self.seen.insert(id) {
            found.problem(pointer, "duplicate", "another option has this id");
        }
    }
}
