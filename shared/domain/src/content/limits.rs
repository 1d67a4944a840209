//! What one text may cost. A text is written by a customer, so each of these is a wall, not a hint.

use crate::sequence::{TemplateButtonType, TemplateHeaderType};

/// Bytes of a text's source.
pub const MAX_SOURCE: usize = 16 * 1024;
/// Bytes of one message's rendered texts together.
pub const MAX_OUTPUT: usize = 64 * 1024;
/// Characters of a WhatsApp text message (Cloud API, `text.body`).
pub const WHATSAPP_TEXT: usize = 4096;
/// Characters of a caption, and of the text above buttons or a list.
pub const WHATSAPP_CAPTION: usize = 1024;
/// Reply buttons of a message, and characters of each part of them.
pub const REPLY_BUTTONS: usize = 3;
pub const BUTTON_ID: usize = 256;
pub const BUTTON_TITLE: usize = 20;
/// Rows of a list in all its sections, and characters of each part of them.
pub const LIST_ROWS: usize = 10;
pub const LIST_BUTTON: usize = 20;
pub const SECTION_TITLE: usize = 24;
pub const ROW_ID: usize = 200;
pub const ROW_TITLE: usize = 24;
pub const ROW_DESCRIPTION: usize = 72;
/// Characters of a template's parameter: in its body, and a document's name.
pub const TEMPLATE_PARAMETER: usize = 1024;
pub const TEMPLATE_FILENAME: usize = 240;
/// Characters of a link.
pub const LINK: usize = 2_000;
/// Characters of an email's subject.
pub const EMAIL_SUBJECT: usize = 255;
/// Characters of an SMS: AWS and Twilio take no more.
pub const SMS_TEXT: usize = 1_600;
/// SMS parts of one text beyond which people are warned: each is billed.
pub const SMS_PARTS: usize = 3;

/// Characters of a template's header parameter.
pub fn template_header(type_: TemplateHeaderType) -> usize {
    match type_ {
        TemplateHeaderType::Text => 60,
        TemplateHeaderType::Image | TemplateHeaderType::Video | TemplateHeaderType::Document => LINK,
    }
}

/// Characters of a template's button parameter.
pub fn template_button(type_: TemplateButtonType) -> usize {
    match type_ {
        TemplateButtonType::Url => LINK,
        TemplateButtonType::QuickReply => BUTTON_ID,
        TemplateButtonType::CopyCode => 15,
    }
}

/// Elements of a range or of a list that a template makes or walks.
pub(crate) const MAX_ELEMENTS: usize = 1_000;
/// Turns of nested ranges multiplied.
pub(crate) const MAX_RANGE_PRODUCT: usize = 10_000;
/// Blocks within blocks.
pub(crate) const MAX_NESTING: usize = 8;
/// `for` within `for`.
pub(crate) const MAX_LOOP_NESTING: usize = 2;
/// Brackets within brackets in a name: `a[b[c]]`.
pub(crate) const MAX_INDEX_NESTING: usize = 4;
/// Names, dots and brackets in one path.
pub(crate) const MAX_PATH: usize = 16;
/// Work units of one message's texts together. A unit is at most some 10 ns: a node costs [`NODE`], a byte made
/// or read costs one. So no rendering takes 10 ms, and none holds more than this many bytes.
pub(crate) const FUEL: u64 = 400_000;
pub(crate) const NODE: u64 = 12;
/// A phone number is formatted by matching it against a country's patterns.
pub(crate) const PHONE: u64 = 4_000;
