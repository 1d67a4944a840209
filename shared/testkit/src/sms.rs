//! What the stand-ins for SMS providers have in common: numbers, and people who do not want to be written to.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use domain::message::ProviderKind;
use serde::{Deserialize, Serialize};

use crate::stand_in::{Desk, recipient_key};

/// Characters of a message, at both providers.
pub(crate) const MAX_TEXT: usize = 1_600;

/// The words by which both providers take people off their lists, and those that bring them back.
const STOP: [&str; 6] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"];
const START: [&str; 3] = ["START", "UNSTOP", "YES"];

/// E.164: a plus and 8 to 15 digits.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// What a text means to the provider before it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Stop,
    Start,
}

impl Keyword {
    pub(crate) fn of(text: &str) -> Option<Self> {
        let word = text.trim().to_uppercase();
        let is = |words: &[&str]| words.contains(&word.as_str());
        if is(&STOP) { Some(Self::Stop) } else { is(&START).then_some(Self::Start) }
    }
}

/// Who has told which of a provider's senders to stop. Clones are the same list.
#[derive(Clone)]
pub(crate) struct OptOuts {
    desk: Desk,
    provider: ProviderKind,
    pairs: Arc<Mutex<HashSet<(String, String)>>>,
}

/// What must outlive a restart.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    sender: String,
    person: String,
    out: bool,
}

impl OptOuts {
    /// Takes up what the desk kept.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub(crate) fn new(desk: Desk, provider: ProviderKind) -> io::Result<Self> {
        let mut pairs = HashSet::new();
        for kept in desk.take_kept::<Kept>(provider)? {
            set(&mut pairs, (kept.sender, kept.person), kept.out);
        }
        Ok(Self { desk, provider, pairs: Arc::new(Mutex::new(pairs)) })
    }

    fn pairs(&self) -> std::sync::MutexGuard<'_, HashSet<(String, String)>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contains(&self, sender: &str, person: &str) -> bool {
        self.pairs().contains(&(sender.to_owned(), recipient_key(person)))
    }

    /// A person writes to a sender.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn note(&self, sender: &str, person: &str, text: &str) -> io::Result<()> {
        let Some(keyword) = Keyword::of(text) else { return Ok(()) };
        let pair = (sender.to_owned(), recipient_key(person));
        let out = keyword == Keyword::Stop;
        self.desk.keep(self.provider, &Kept { sender: pair.0.clone(), person: pair.1.clone(), out })?;
        set(&mut self.pairs(), pair, out);
        Ok(())
    }
}

fn set(pairs: &mut HashSet<(String, String)>, pair: (String, String), out: bool) {
    if out {
        pairs.insert(pair);
    } else {
        pairs.remove(&pair);
    }
}
