//! Queues and topics that outlive their process, however it ends.
//!
//! What was answered is in a file before the answer: each change is appended to a journal with one `write`, which the
//! operating system completes even if the process is killed in the next instant. (It is not told to wait for the disk:
//! a machine that loses its power may lose the last seconds.) When the journal has grown long, everything is written
//! anew as one snapshot and the journal starts again, so that both stay in proportion to what is in the queues.
//!
//! What was in flight is visible after a restart, as if its receivers had died, which they have: in a FIFO queue their
//! receipt handles are no good. Delays go on where they were. Counters start again.
//!
//! | file | says |
//! | --- | --- |
//! | `messages.json` | everything as it was when the journal of its generation began, or later |
//! | `messages.7.journal` | what happened since the beginning of generation 7, one JSON array a line |
//!
//! A snapshot is taken queue by queue while others go on, so it may already have what the first lines of its journal
//! say. Every line can therefore be applied twice: messages are known by their sequence, which only grows, and all
//! other lines say what is, not what is to be added.

mod journal;
mod record;
mod replay;
mod snapshot;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::journal::Journal;
pub(crate) use self::record::Record;

use self::replay::State;
use self::snapshot::Snapshot;
use crate::config::Config;
use crate::service::Service;

const SNAPSHOT_FILE: &str = "messages.json";
const UNFINISHED_FILE: &str = "messages.unfinished";

/// Queues and topics that cannot be kept, or taken up again.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It is not what was written.
    #[error("{} cannot be read: {source}; delete it to start without the messages in it", file.display())]
    Form {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It was written by another version of this program.
    #[error("{} has version {found}, and {needed} is needed; delete it and its journals to start anew", file.display())]
    Version {
        /// Which file.
        file: PathBuf,
        /// What it says.
        found: u32,
        /// What can be read.
        needed: u32,
    },
    /// A file is out of reach.
    #[error("{} cannot be used: {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Shortens the journal when somebody finds the time. There is one per folder.
#[derive(Debug)]
pub struct Keeper {
    service: Service,
    journal: Arc<Journal>,
    folder: PathBuf,
}

impl Service {
    /// Takes up the queues and topics that a folder has, and keeps there whatever happens to them from now on. Nobody
    /// else may use the folder meanwhile.
    ///
    /// # Errors
    /// The folder cannot be written to, or has something else in it.
    pub fn open(config: Config, folder: &Path) -> Result<(Self, Keeper), KeepError> {
        let (state, generation) = State::read(folder)?;
        let journal = Journal::begin(folder, generation).map_err(|source| file_error(folder, source))?;
        let journal = Arc::new(journal);
        let service = Self::kept_in(config, Some(Arc::clone(&journal)));
        state.install(&service);
        let keeper = Keeper { service: service.clone(), journal, folder: folder.to_owned() };
        keeper.compact()?;
        Ok((service, keeper))
    }
}

impl Keeper {
    /// Waits until [`Keeper::compact`] is worth its time, or needed because a change could not be written down.
    pub async fn due(&self) {
        self.journal.due().await;
    }

    /// Why a change could not be written down, if one could not. Until the next [`Keeper::compact`] nothing more is:
    /// what is in the folder is what was before.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.journal.failure()
    }

    /// Writes everything anew and starts the journal again. Blocks on files.
    ///
    /// # Errors
    /// A file cannot be written. Nothing is lost by that: what was there goes on.
    pub fn compact(&self) -> Result<(), KeepError> {
        let refused = |source| file_error(&self.folder, source);
        let generation = self.journal.rotate().map_err(refused)?;
        let snapshot = Snapshot::of(&self.service, generation);
        let snapshot = serde_json::to_vec(&snapshot).map_err(|error| refused(error.into()))?;
        replace(&self.folder, &snapshot).map_err(refused)?;
        self.journal.compacted(snapshot.len());
        for (older, file) in journal::files(&self.folder).map_err(refused)? {
            if older < generation {
                std::fs::remove_file(file).map_err(refused)?;
            }
        }
        Ok(())
    }
}

/// The new snapshot is on the disk before it takes the place of the old one: what it replaces is deleted next.
fn replace(folder: &Path, snapshot: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED_FILE);
    let mut file = File::create(&unfinished)?;
    file.write_all(snapshot)?;
    file.sync_data()?;
    std::fs::rename(&unfinished, folder.join(SNAPSHOT_FILE))
}

fn file_error(file: &Path, source: io::Error) -> KeepError {
    KeepError::File { file: file.to_owned(), source }
}
