//! What one text may cost. A text is written by a customer, so each of these is a wall, not a hint.

/// Bytes of a text's source.
pub const MAX_SOURCE: usize = 16 * 1024;
/// Bytes of a rendered text.
pub const MAX_OUTPUT: usize = 64 * 1024;
/// Characters of a WhatsApp text message (Cloud API, `text.body`).
pub const WHATSAPP_TEXT: usize = 4096;
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
/// Work units of one rendering. A unit is at most some 10 ns: a node costs [`NODE`], a byte made
/// or read costs one. So no rendering takes 10 ms, and none holds more than this many bytes.
pub(crate) const FUEL: u64 = 400_000;
pub(crate) const NODE: u64 = 12;
/// A phone number is formatted by matching it against a country's patterns.
pub(crate) const PHONE: u64 = 4_000;
