//! Decides which shards may be read and from which position. Parents are read before their
//! children.

use std::collections::BTreeSet;

use super::StartingPosition;

/// A shard as the stream lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) shard: String,
    pub(super) parent: Option<String>,
}

/// The shards that were listed first, that are being read, and that are finished.
#[derive(Debug)]
pub(super) struct Lineage {
    starting_position: StartingPosition,
    /// The shards of the first list. Shards that appear later are read from their start.
    at_start: Option<BTreeSet<String>>,
    started: BTreeSet<String>,
    finished: BTreeSet<String>,
}

impl Lineage {
    pub(super) fn new(starting_position: StartingPosition) -> Self {
        let (started, finished) = (BTreeSet::new(), BTreeSet::new());
        Self { starting_position, at_start: None, started, finished }
    }

    /// Takes the current list of shards. Returns the shards whose reading starts now.
    pub(super) fn listed(&mut self, listed: &[Listed]) -> Vec<(String, StartingPosition)> {
        let names: BTreeSet<String> = listed.iter().map(|one| one.shard.clone()).collect();
        let at_start = self.at_start.get_or_insert_with(|| names.clone()).clone();
        let mut ready = Vec::new();
        for Listed { shard, parent } in listed {
            // A parent that is no longer listed was trimmed.
            let waits = parent.as_ref().is_some_and(|parent| names.contains(parent) && !self.finished.contains(parent));
            if !waits && self.started.insert(shard.clone()) {
                let is_new = !at_start.contains(shard);
                let position = if is_new { StartingPosition::TrimHorizon } else { self.starting_position };
                ready.push((shard.clone(), position));
            }
        }
        ready
    }

    /// Records that every record of the shard is done and that the shard is closed.
    pub(super) fn finished(&mut self, shard: String) {
        self.finished.insert(shard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StartingPosition::{Latest, TrimHorizon};

    fn listed(shard: &str, parent: Option<&str>) -> Listed {
        Listed { shard: shard.to_owned(), parent: parent.map(str::to_owned) }
    }

    fn ready(lineage: &mut Lineage, list: &[Listed]) -> Vec<(String, StartingPosition)> {
        lineage.listed(list)
    }

    #[test]
    fn a_child_waits_until_its_parent_is_done() {
        let mut lineage = Lineage::new(TrimHorizon);
        let list = [listed("parent", None), listed("child", Some("parent")), listed("other", None)];
        assert_eq!(ready(&mut lineage, &list), [("parent".into(), TrimHorizon), ("other".into(), TrimHorizon)]);
        assert_eq!(ready(&mut lineage, &list), []);
        lineage.finished("parent".to_owned());
        assert_eq!(ready(&mut lineage, &list), [("child".into(), TrimHorizon)]);
    }

    #[test]
    fn a_child_whose_parent_was_trimmed_does_not_wait() {
        let mut lineage = Lineage::new(TrimHorizon);
        assert_eq!(ready(&mut lineage, &[listed("child", Some("gone"))]), [("child".into(), TrimHorizon)]);
    }

    #[test]
    fn latest_counts_for_the_shards_that_were_there_and_not_for_those_that_follow() {
        let mut lineage = Lineage::new(Latest);
        assert_eq!(ready(&mut lineage, &[listed("a", None)]), [("a".into(), Latest)]);
        lineage.finished("a".to_owned());
        let list = [listed("a", None), listed("b", Some("a"))];
        assert_eq!(ready(&mut lineage, &list), [("b".into(), TrimHorizon)]);
    }
}
