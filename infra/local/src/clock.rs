//! The one source of "now": the machine's clock, or one that stands still until it is moved.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;
use engine::ports::Clock;
use runtime::SystemClock;

/// Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct LocalClock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Real,
    Manual { now: AtomicI64, file: Option<PathBuf> },
}

impl LocalClock {
    pub(crate) fn real() -> Self {
        Self(Arc::new(Kind::Real))
    }

    /// Stands where the file says, else at `start`; keeps the file up to date.
    ///
    /// # Errors
    /// When the file cannot be read, understood or written.
    pub(crate) fn manual(start: Option<Timestamp>, file: Option<PathBuf>) -> io::Result<Self> {
        let kept = file.as_deref().map(read).transpose()?.flatten();
        let at = kept.or(start).unwrap_or_else(|| SystemClock.now());
        let clock = Self(Arc::new(Kind::Manual { now: AtomicI64::new(at.0), file }));
        clock.keep(at)?;
        Ok(clock)
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(*self.0, Kind::Manual { .. })
    }

    /// Moves the manual clock. The file comes first: after a crash it must not be earlier than
    /// anything that has happened.
    pub(crate) fn set(&self, at: Timestamp) -> io::Result<()> {
        self.keep(at)?;
        if let Kind::Manual { now, .. } = &*self.0 {
            now.store(at.0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// How long until `at` in real time; `None` on the manual clock, which no waiting moves.
    pub(crate) fn until(&self, at: Timestamp) -> Option<Duration> {
        if self.is_manual() {
            return None;
        }
        let target = UNIX_EPOCH + Duration::from_secs(u64::try_from(at.0).unwrap_or(0));
        Some(target.duration_since(SystemTime::now()).unwrap_or_default())
    }

    fn keep(&self, at: Timestamp) -> io::Result<()> {
        match &*self.0 {
            Kind::Manual { file: Some(file), .. } => write_whole(file, at.to_string().as_bytes()),
            _ => Ok(()),
        }
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        match &*self.0 {
            Kind::Real => SystemClock.now(),
            Kind::Manual { now, .. } => Timestamp(now.load(Ordering::SeqCst)),
        }
    }
}

fn read(file: &Path) -> io::Result<Option<Timestamp>> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let at = Timestamp::parse(text.trim());
            at.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the clock's file holds no time"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file whole or not at all.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, file)
}
