//! Stores the position in each stream, from which reading continues after a restart.
//!
//! A checkpoint is never ahead of the records that were processed. If a checkpoint is lost, records
//! are delivered again; none is missed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stores one sequence number for each mapping and shard: every record up to it is done.
pub trait Checkpoints: Send + Sync + 'static {
    /// Returns the sequence number that was saved last, or `None` if none was saved.
    fn load(&self, mapping: &str, shard: &str) -> Option<String>;

    /// Saves a sequence number. The mapping calls this after each batch, so it should return
    /// quickly.
    ///
    /// # Errors
    /// If the sequence number could not be saved. The mapping continues; after a restart it
    /// delivers records again.
    fn save(&self, mapping: &str, shard: &str, sequence_number: &str) -> io::Result<()>;
}

/// Sequence numbers by shard, by mapping.
type Table = BTreeMap<String, BTreeMap<String, String>>;

/// Keeps checkpoints in memory only. They are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<Table>);

/// Keeps all checkpoints in one JSON file. Each save replaces the whole file.
#[derive(Debug)]
pub struct FileCheckpoints {
    path: PathBuf,
    table: Mutex<Table>,
}

/// The reason why a file of checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file exists and cannot be read.
    #[error("cannot read the checkpoints in {}: {source}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file does not contain checkpoints as this type writes them.
    #[error("the checkpoints in {} are damaged ({source}); without the file, streams are read from their start", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// The first error in the JSON.
        source: serde_json::Error,
    },
}

impl Checkpoints for MemoryCheckpoints {
    fn load(&self, mapping: &str, shard: &str) -> Option<String> {
        lock(&self.0).get(mapping)?.get(shard).cloned()
    }

    fn save(&self, mapping: &str, shard: &str, sequence_number: &str) -> io::Result<()> {
        put(&mut lock(&self.0), mapping, shard, sequence_number);
        Ok(())
    }
}

impl FileCheckpoints {
    /// Reads the file at `path`, if it exists, and saves all later checkpoints in it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let table = match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(table) => table,
                Err(source) => return Err(OpenError::Damaged { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Table::new(),
            Err(source) => return Err(OpenError::Read { path, source }),
        };
        Ok(Self { path, table: Mutex::new(table) })
    }
}

impl Checkpoints for FileCheckpoints {
    fn load(&self, mapping: &str, shard: &str) -> Option<String> {
        lock(&self.table).get(mapping)?.get(shard).cloned()
    }

    fn save(&self, mapping: &str, shard: &str, sequence_number: &str) -> io::Result<()> {
        // The lock is held during the write, so that an older table never replaces a newer one.
        let mut table = lock(&self.table);
        put(&mut table, mapping, shard, sequence_number);
        let next = self.path.with_extension("next");
        std::fs::write(&next, serde_json::to_vec_pretty(&*table)?)?;
        std::fs::rename(next, &self.path)
    }
}

fn put(table: &mut Table, mapping: &str, shard: &str, sequence_number: &str) {
    table.entry(mapping.to_owned()).or_default().insert(shard.to_owned(), sequence_number.to_owned());
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(checkpoints: &dyn Checkpoints) {
        assert_eq!(checkpoints.load("m", "s"), None);
        checkpoints.save("m", "s", "1").unwrap();
        checkpoints.save("m", "s", "2").unwrap();
        checkpoints.save("m", "t", "9").unwrap();
        assert_eq!(checkpoints.load("m", "s").as_deref(), Some("2"));
        assert_eq!(checkpoints.load("n", "s"), None);
    }

    #[test]
    fn memory_returns_what_was_saved_last() {
        contract(&MemoryCheckpoints::default());
    }

    #[test]
    fn a_file_returns_what_was_saved_last_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.json");
        contract(&FileCheckpoints::open(&path).unwrap());
        assert_eq!(FileCheckpoints::open(&path).unwrap().load("m", "t").as_deref(), Some("9"));
    }

    #[test]
    fn a_damaged_file_is_refused_with_what_it_would_mean_to_delete_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.json");
        std::fs::write(&path, "{").unwrap();
        let sentence = FileCheckpoints::open(&path).unwrap_err().to_string();
        assert!(sentence.contains("are damaged") && sentence.contains("from their start"), "{sentence}");
    }
}
