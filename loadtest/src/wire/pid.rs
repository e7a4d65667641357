//! Publication ids that say what they are: `<run>.<room>.<number>`.

use std::fmt::Write;

/// What the ids of one run begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pids {
    run: String,
}

/// What a publication id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid {
    /// Which room of the run it was published in.
    pub room: usize,
    /// Which publication of that room.
    pub number: usize,
}

impl Pids {
    /// Ids of a run: its name must have no dots.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The id of a publication.
    #[must_use]
    pub fn write(&self, pid: Pid) -> String {
        let mut text = String::with_capacity(self.run.len() + 16);
        // Writing to a string does not fail.
        let _ = write!(text, "{}.{}.{}", self.run, pid.room, pid.number);
        text
    }

    /// Reads an id; `None` if it is not of this run.
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
