//! Where a stream is taken up again after a restart.
//!
//! A checkpoint never runs ahead of what was processed, so a lost one means that records come again, never that they
//! are missed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers, per mapping and shard, the last sequence number up to which everything is done.
pub trait Checkpoints: Send + Sync + 'static {
    /// What was saved last.
    fn load(&self, mapping: &str, shard: &str) -> Option<String>;

    /// Saves; called after each batch, so it should be quick.
    ///
    /// # Errors
    /// If it could not be saved. The mapping goes on; a restart repeats records.
    fn save(&self, mapping: &str, shard: &str, sequence_number: &str) -> io::Result<()>;
}

/// Sequence numbers by shard, by mapping.
type Table = BTreeMap<String, BTreeMap<String, String>>;

/// Forgets everything with the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<Table>);

/// Keeps everything in one JSON file that is replaced as a whole.
#[derive(Debug)]
pub struct FileCheckpoints {
    path: PathBuf,
    table: Mutex<Table>,
}

/// Why a file of checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It exists and cannot be read.
    #[error("cannot read the checkpoints in {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the checkpoints in {} are damaged ({source}); without the file, streams are read from their start", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
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
    /// Reads the file at `path`, if there is one, and writes there from now on.
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
        // The lock is held while writing, so that an older table never replaces a newer one.
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
