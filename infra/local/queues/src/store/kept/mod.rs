//! Stores queues and topics in a folder, so that they survive any end of their process.
//!
//! A change is in a file before its call is answered. Each change is appended to a journal with one
//! `write`, which the operating system completes even if the process is killed immediately
//! afterwards. The write does not wait for the disk, so a machine that loses its power may lose the
//! last seconds. When the journal is long, all state is written as one snapshot and a new journal
//! starts. So both files stay in proportion to the content of the queues.
//!
//! After a restart, messages that were in flight are visible, as if their receivers had died. In a
//! FIFO queue their receipt handles are no longer valid. Delays continue. Counters start at zero.
//!
//! | file | content |
//! | --- | --- |
//! | `messages.json` | all state at or after the start of the journal of its generation |
//! | `messages.7.journal` | the changes since the start of generation 7, one JSON array a line |
//!
//! A snapshot is taken queue by queue while other queues change, so it may already contain the
//! first changes of its journal. Therefore every line can be applied twice: messages are identified
//! by their sequence, which only grows, and all other lines contain the new state instead of a
//! difference.

mod replay;
mod snapshot;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::replay::State;
use self::snapshot::Snapshot;
use crate::model::config::Config;
use crate::store::journal::{self, Journal};
use crate::store::service::Service;

const SNAPSHOT_FILE: &str = "messages.json";
const UNFINISHED_FILE: &str = "messages.unfinished";

/// The reason why a folder of queues and topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file does not contain the data of this module.
    #[error("{} cannot be read: {source}; delete it to start without the messages in it", file.display())]
    Form {
        /// Path of the file.
        file: PathBuf,
        /// The first error in the JSON.
        source: serde_json::Error,
    },
    /// The file was written by another version of this program.
    #[error("{} has version {found}, and {needed} is needed; delete it and its journals to start anew", file.display())]
    Version {
        /// Path of the file.
        file: PathBuf,
        /// Version of the file.
        found: u32,
        /// The only version that this program reads.
        needed: u32,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be used: {source}", file.display())]
    File {
        /// Path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Compacts the journal of a folder when its owner calls it. Each folder has one.
#[derive(Debug)]
pub struct Keeper {
    service: Service,
    journal: Arc<Journal>,
    folder: PathBuf,
}

impl Service {
    /// Loads the queues and topics of a folder, and stores all later changes there. No other
    /// process may use the folder meanwhile.
    ///
    /// # Errors
    /// The folder cannot be written to, or contains other data.
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
    /// Waits until [`Keeper::compact`] is useful because the journal is long, or necessary because
    /// a write failed.
    pub async fn due(&self) {
        self.journal.due().await;
    }

    /// Returns the error of a failed write, if there was one. Until the next [`Keeper::compact`] no
    /// change is written: the folder contains the state before the failure.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.journal.failure()
    }

    /// Writes a new snapshot and starts a new journal. Blocks on files.
    ///
    /// # Errors
    /// A file cannot be written. Nothing is lost: the old files stay in use.
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

/// Replaces the snapshot. The new snapshot is on the disk before the rename, because the files that
/// it replaces are deleted next.
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
