//! Whether a text can be rendered, and what is known of it before it is: one that says the same to
//! everyone is judged as it will be sent.

use super::Findings;
use super::shape::longest;
use super::texts::{Kind, Place};
use crate::content::{NOT_A_LINK, Text, is_address, is_public_link};

/// `on_whatsapp`: the step's words may go out there.
pub(super) fn check(place: &Place, on_whatsapp: bool, found: &mut Findings) {
    let text = match Text::parse(&place.source) {
        Ok(text) => text,
        Err(error) => return found.problem(&place.pointer, error.code.as_str(), error.detail),
    };
    let source = &place.source;
    let blank = source.trim().is_empty();
    if blank && place.kind.is_parameter() {
        return found.problem(&place.pointer, "required", "WhatsApp refuses an empty parameter");
    }
    if blank && matches!(place.kind, Kind::Line(_) | Kind::Link { .. }) {
        return found.problem(&place.pointer, "required", "must not be blank");
    }
    if !text.is_plain() {
        // What stands before the first variable is known.
        let scheme = source.split(['{']).next().unwrap_or_default();
        let begun = "https://".starts_with(scheme) || scheme.starts_with("https://");
        if matches!(place.kind, Kind::Link { .. }) && !begun {
            found.problem(&place.pointer, "invalid_link", NOT_A_LINK);
        }
        return;
    }
    match place.kind {
        Kind::Words(most) if on_whatsapp => longest(source, most, &place.pointer, found),
        Kind::Line(most) => longest(source.trim(), most, &place.pointer, found),
        Kind::Parameter(most) => {
            longest(source, most, &place.pointer, found);
            if source.contains(|c: char| c.is_control()) || source.contains("     ") {
                let detail = "WhatsApp refuses a parameter with a line break, a tab or more than four spaces in a row";
                found.problem(&place.pointer, "invalid_value", detail);
            }
        }
        Kind::Link { .. } if !is_public_link(source.trim()) => {
            found.problem(&place.pointer, "invalid_link", NOT_A_LINK);
        }
        Kind::Address if !is_address(source.trim()) => {
            let detail = "must be one email address, or a variable with one";
            found.problem(&place.pointer, "invalid_value", detail);
        }
        _ => {}
    }
}
