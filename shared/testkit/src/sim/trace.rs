//! The story of a run: hashed always, kept when somebody wants to read it.

use std::fmt::{Arguments, Write as _};

/// FNV-1a over every line, so that two runs can be compared without keeping them.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
    buffer: String,
}

impl Trace {
    pub(super) fn new(keep: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keep.then(Vec::new), buffer: String::new() }
    }

    /// A line; `event` and `now` stand before it.
    pub(super) fn line(&mut self, event: u64, now: i64, text: Arguments<'_>) {
        self.buffer.clear();
        let time = domain::time::Timestamp(now);
        // Dates are written only for readers: the hash takes the number.
        let written = match &self.lines {
            Some(_) => write!(self.buffer, "{event:>5} {time} {text}"),
            None => write!(self.buffer, "{text}"),
        };
        debug_assert!(written.is_ok());
        if let Some(lines) = &mut self.lines {
            lines.push(self.buffer.clone());
            self.buffer.clear();
            let _ = write!(self.buffer, "{text}");
        }
        for byte in event.to_be_bytes().into_iter().chain(now.to_be_bytes()).chain(self.buffer.bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
