//! What must outlive a restart, one JSON line each.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use domain::message::ProviderKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::local::AcceptedMessage;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Accepted(Box<AcceptedMessage>),
    /// What one provider's stand-in keeps, in a form that only it reads.
    Kept {
        provider: ProviderKind,
        entry: Value,
    },
    /// Numbers up to this one may have been given out.
    Numbers(u64),
}

/// An open journal. Without a file nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Journal {
    file: Option<File>,
}

impl Journal {
    /// Opens or creates the file and reads it. What follows the last whole line is the trace of a
    /// crash while writing: it was never answered, so it is cut off.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut entries = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.last() != Some(&b'\n') {
                break;
            }
            whole += line.len() as u64;
            entries.push(serde_json::from_slice(&line)?);
            line.clear();
        }
        drop(reader);
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self { file: Some(file) }, entries))
    }

    /// Writes one entry; it is with the operating system when this returns.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.flush()
    }
}
