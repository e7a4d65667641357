//! Publication ids that identify their publication: `<run>.<room>.<number>`.

use std::fmt::Write;

/// The prefix of the ids of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pids {
    run: String,
}

/// The content of a publication id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid {
    /// The number of its room in the run.
    pub room: usize,
    /// The number of the publication in the room.
    pub number: usize,
}

impl Pids {
    /// Ids of a run. The name must not contain dots.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }

    /// The name of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Formats the id of a publication.
    #[must_use]
    pub fn write(&self, pid: Pid) -> String {
        let mut text = String::with_capacity(self.run.len() + 16);
        // Writing to a string cannot fail.
        let _ = write!(text, "{}.{}.{}", self.run, pid.room, pid.number);
        text
    }

    /// Parses an id; `None` if it is not of this run.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Pid> {
        let rest = text.strip_prefix(self.run.as_str())?.strip_prefix('.')?;
        let (room, number) = rest.split_once('.')?;
        Some(Pid { room: room.parse().ok()?, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_was_written_and_others_say_nothing() {
        let pids = Pids::new("k3f");
        let pid = Pid { room: 7, number: 41 };
        assert_eq!(pids.read(&pids.write(pid)), Some(pid));
        for other in ["", "k3f", "k3g.7.41", "k3f.7", "k3f.7.x", "k3f7.41"] {
            assert_eq!(pids.read(other), None, "{other}");
        }
    }
}
