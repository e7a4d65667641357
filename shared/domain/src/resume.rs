//! What somebody who comes back is given.

use crate::limits;
use crate::position::{Position, Sequence};
use crate::publication::Publication;
use crate::sequencing::Head;

/// What somebody who asks from a position is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Asked from nowhere: where the room stands, and nothing else.
    Fresh,
    /// The rows after this one, up to the head. None, if it is the head.
    After(Sequence),
    /// Another epoch, beyond the head, or too far back: where the room stands, and that something was missed.
    Lost,
}

/// Decides what is owed to somebody who has everything up to `since`.
#[must_use]
pub fn resume(since: Option<&Position>, head: &Head) -> Resume {
    let Some(since) = since else { return Resume::Fresh };
    let lost = since.epoch != head.epoch
        || since.sequence > head.sequence
        || head.sequence.beyond(since.sequence) > limits::RESUME_PUBLICATIONS;
    if lost { Resume::Lost } else { Resume::After(since.sequence) }
}

/// How many of `rows` make up an unbroken run after `after` whose sizes stay within `budget_bytes`.
/// `None` if the run does not even begin: its first row has expired or was never there.
#[must_use]
pub fn fit(
    rows: &[Publication],
    after: Sequence,
    budget_bytes: usize,
    size_bytes: impl Fn(&Publication) -> usize,
) -> Option<usize> {
    let (mut taken, mut bytes, mut expected) = (0, 0, after.next());
    for row in rows {
        bytes += size_bytes(row);
        if row.position.sequence != expected {
            return (taken > 0).then_some(taken);
        }
        if bytes > budget_bytes {
            break;
        }
        taken += 1;
        expected = expected.next();
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Epoch, PublicationId, RoomId, Timestamp, UserId};
    use proptest::prelude::*;

    fn head(sequence: u64) -> Head {
        let room = RoomId::parse("lobby").unwrap();
        Head { sequence: Sequence::new(sequence), ..Head::new(&room, Epoch::parse("e").unwrap()) }
    }

    fn at(epoch: &str, sequence: u64) -> Position {
        Position { epoch: Epoch::parse(epoch).unwrap(), sequence: Sequence::new(sequence) }
    }

    fn row(sequence: u64) -> Publication {
        Publication {
            position: at("e", sequence),
            id: PublicationId::parse("p").unwrap(),
            by: UserId::parse("ada").unwrap(),
            sender: None,
            echo: true,
            accepted_at: Timestamp::default(),
            sequenced_at: Timestamp::default(),
            data: Data::parse("1").unwrap(),
        }
    }

    #[test]
    fn another_epoch_the_future_and_the_distant_past_are_lost() {
        assert_eq!(resume(None, &head(7)), Resume::Fresh);
        assert_eq!(resume(Some(&at("e", 5)), &head(7)), Resume::After(Sequence::new(5)));
        assert_eq!(resume(Some(&at("e", 7)), &head(7)), Resume::After(Sequence::new(7)));
        assert_eq!(resume(Some(&at("e", 8)), &head(7)), Resume::Lost);
        assert_eq!(resume(Some(&at("f", 5)), &head(7)), Resume::Lost);
        assert_eq!(resume(Some(&at("e", 0)), &head(1_000)), Resume::After(Sequence::ZERO));
        assert_eq!(resume(Some(&at("e", 0)), &head(1_001)), Resume::Lost);
    }

    #[test]
    fn a_run_whose_first_row_is_gone_is_no_run() {
        assert_eq!(fit(&[row(7)], Sequence::new(5), 1_000, |_| 1), None);
        assert_eq!(fit(&[row(6), row(8)], Sequence::new(5), 1_000, |_| 1), Some(1));
        assert_eq!(fit(&[], Sequence::new(5), 1_000, |_| 1), Some(0));
    }

    proptest! {
        #[test]
        fn what_fits_is_unbroken_and_within_the_budget(count in 0_u64..50, budget in 0_usize..60, size in 1_usize..9) {
            let rows: Vec<_> = (1..=count).map(row).collect();
            let taken = fit(&rows, Sequence::ZERO, budget, |_| size).unwrap();
            prop_assert!(taken * size <= budget);
            prop_assert!(taken == rows.len() || (taken + 1) * size > budget);
        }
    }
}
