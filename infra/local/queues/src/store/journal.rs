//! The file to which every change is appended before its call is answered.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::record::Record;

/// A shorter journal is not compacted, because its replay takes only some tens of milliseconds.
const WORTH_COMPACTING_BYTES: u64 = 8 * 1024 * 1024;
/// A longer journal is compacted when its length is this multiple of the last snapshot. So each
/// byte is rewritten less than once on average, and the size of the folder stays within a few times
/// that of the queues.
const TIMES_THE_SNAPSHOT: u64 = 2;

/// Writes changes in the order in which they happened to each queue and topic. Each writer holds
/// the lock of the queue or topic that changed.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    writer: Mutex<Writer>,
    due: Notify,
}

#[derive(Debug)]
struct Writer {
    generation: u64,
    file: File,
    bytes: u64,
    compact_above: u64,
    /// The error of a failed write. Nothing is written after a line that may be torn.
    failure: Option<io::Error>,
}

impl Journal {
    /// Creates the journal of a generation.
    pub(super) fn begin(folder: &Path, generation: u64) -> io::Result<Self> {
        let file = create(folder, generation)?;
        let writer = Writer { generation, file, bytes: 0, compact_above: WORTH_COMPACTING_BYTES, failure: None };
        Ok(Self { folder: folder.to_owned(), writer: Mutex::new(writer), due: Notify::new() })
    }

    /// Writes the records of the queue or topic with the unique number `of`.
    pub(crate) fn write<'a>(&self, of: u64, records: impl Iterator<Item = Record<'a>>) {
        let mut lines = Vec::new();
        let mut encoded = Ok(());
        for record in records {
            encoded = encoded.and(serde_json::to_writer(&mut lines, &(of, record)));
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return;
        }
        let mut writer = self.writer();
        writer.append(&lines, encoded.map_err(io::Error::from));
        if writer.is_due() {
            self.due.notify_one();
        }
    }

    /// Starts the next generation. Returns its number.
    pub(super) fn rotate(&self) -> io::Result<u64> {
        let mut writer = self.writer();
        let generation = writer.generation + 1;
        writer.file = create(&self.folder, generation)?;
        (writer.generation, writer.bytes, writer.failure) = (generation, 0, None);
        Ok(generation)
    }

    /// Records that the snapshot of the current generation exists and has this length.
    pub(super) fn compacted(&self, snapshot_bytes: usize) {
        let snapshot_bytes = u64::try_from(snapshot_bytes).unwrap_or(u64::MAX);
        let above = snapshot_bytes.saturating_mul(TIMES_THE_SNAPSHOT).max(WORTH_COMPACTING_BYTES);
        self.writer().compact_above = above;
    }

    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.writer().failure.as_ref().map(ToString::to_string)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn append(&mut self, lines: &[u8], encoded: io::Result<()>) {
        if self.failure.is_none() {
            self.failure = encoded.and_then(|()| self.file.write_all(lines)).err();
            self.bytes += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        }
    }

    fn is_due(&self) -> bool {
        self.failure.is_some() || self.bytes > self.compact_above
    }
}

fn create(folder: &Path, generation: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(folder.join(format!("messages.{generation}.journal")))
}

/// Returns the journals in a folder with their generations, oldest first.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let generation = name.strip_prefix("messages.").and_then(|name| name.strip_suffix(".journal"));
        if let Some(generation) = generation.and_then(|generation| generation.parse().ok()) {
            files.push((generation, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_due_when_it_is_long_for_its_snapshot_or_broken() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::begin(folder.path(), 1).unwrap();
        journal.writer().bytes = WORTH_COMPACTING_BYTES;
        assert!(!journal.writer().is_due());
        journal.writer().bytes += 1;
        assert!(journal.writer().is_due());
        journal.compacted(WORTH_COMPACTING_BYTES as usize);
        assert!(!journal.writer().is_due(), "it may be twice as long as its snapshot");
        journal.writer().failure = Some(io::Error::other("no space left"));
        assert!(journal.writer().is_due());
        assert_eq!(journal.failure().as_deref(), Some("no space left"));
        assert_eq!(journal.rotate().unwrap(), 2);
        assert!(!journal.writer().is_due());
        assert_eq!(files(folder.path()).unwrap().into_iter().map(|(number, _)| number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn nothing_is_written_behind_a_line_that_may_be_torn() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::begin(folder.path(), 1).unwrap();
        journal.write(1, [Record::Purged { below: 1 }].into_iter());
        journal.writer().failure = Some(io::Error::other("no space left"));
        journal.write(1, [Record::Purged { below: 2 }].into_iter());
        let written = std::fs::read_to_string(folder.path().join("messages.1.journal")).unwrap();
        assert_eq!(written, "[1,{\"purged\":{\"below\":1}}]\n");
    }
}
