//! Resume: the replay for a client that returns.

use crate::limits;
use crate::position::{Position, Sequence};
use crate::publication::Publication;
use crate::sequencing::Head;

/// The rows that a client is owed after its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The client has no position. It gets the position of the head and no rows.
    Fresh,
    /// The client gets the rows after this sequence, up to the head. There are none if it is the
    /// head's.
    After(Sequence),
    /// The position is of another epoch, beyond the head, or too far back. The client gets the
    /// position of the head, and `recovered: false`.
    Lost,
}

/// The part of a log that a member may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// All of it: the member may read the room's history.
    Whole,
    /// The publications since its membership began, when the head of the room was this one.
    Since(Option<&'a Position>),
}

impl Reach<'_> {
    /// Returns true if the member may read all publications after `since`. If the epochs differ,
    /// the log of `since` is younger than the membership.
    fn covers(self, since: &Position) -> bool {
        match self {
            Self::Whole | Self::Since(None) => true,
            Self::Since(Some(began_at)) => since.epoch != began_at.epoch || since.sequence >= began_at.sequence,
        }
    }
}

/// Decides which rows a client is owed that has everything up to `since`.
#[must_use]
pub fn resume(since: Option<&Position>, head: &Head, reach: Reach<'_>) -> Resume {
    let Some(since) = since else { return Resume::Fresh };
    let lost = since.epoch != head.epoch
        || since.sequence > head.sequence
        || head.sequence.beyond(since.sequence) > limits::RESUME_PUBLICATIONS;
    if lost || !reach.covers(since) { Resume::Lost } else { Resume::After(since.sequence) }
}

/// Rows of a log to read first, while their size is unknown. Two rows of the largest size are
/// little more than one reply.
const ROWS_OF_UNKNOWN_SIZE: usize = 2;
/// Rows to read next for each row read so far, since later rows may be larger.
const ROWS_FOR_EACH_READ: usize = 4;

/// The remaining bytes of a reply, and the average size of its log rows so far. Both determine the
/// number of rows to read, so that a reply reads little more than it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    left_bytes: usize,
    rows: usize,
    row_bytes: usize,
}

impl Budget {
    /// A budget for a reply of `bytes` bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left_bytes: bytes, rows: 0, row_bytes: 0 }
    }

    /// The number of rows to read next; 0 if the next row is not expected to fit.
    #[must_use]
    pub fn rows_to_read(&self) -> usize {
        if self.rows == 0 {
            return ROWS_OF_UNKNOWN_SIZE;
        }
        let average = self.row_bytes.div_ceil(self.rows).max(1);
        (self.left_bytes / average).min(self.rows * ROWS_FOR_EACH_READ)
    }

    /// Keeps the rows that fit, and drops the others. The first row that does not fit ends the
    /// reply.
    pub fn take(&mut self, rows: &mut Vec<Publication>, size_bytes: impl Fn(&Publication) -> usize) {
        let mut taken = 0;
        for row in rows.iter() {
            let bytes = size_bytes(row);
            self.rows += 1;
            self.row_bytes += bytes;
            if bytes > self.left_bytes {
                self.left_bytes = 0;
                break;
            }
            self.left_bytes -= bytes;
            taken += 1;
        }
        rows.truncate(taken);
    }
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
    fn a_member_without_history_resumes_from_the_beginning_of_its_membership_on() {
        let began_at = at("e", 5);
        let since = |epoch: &str, sequence| resume(Some(&at(epoch, sequence)), &head(7), Reach::Since(Some(&began_at)));
        assert_eq!((since("e", 4), since("e", 0)), (Resume::Lost, Resume::Lost));
        assert_eq!((since("e", 5), since("e", 7)), (Resume::After(Sequence::new(5)), Resume::After(Sequence::new(7))));
        assert_eq!(resume(Some(&at("e", 0)), &head(7), Reach::Since(None)), Resume::After(Sequence::ZERO));
        let in_an_older_epoch = at("d", 900);
        let since = resume(Some(&at("e", 0)), &head(7), Reach::Since(Some(&in_an_older_epoch)));
        assert_eq!(since, Resume::After(Sequence::ZERO), "the epoch began after the membership");
    }

    #[test]
    fn another_epoch_the_future_and_the_distant_past_are_lost() {
        fn whole(since: Option<&Position>, head: &Head) -> Resume {
            resume(since, head, Reach::Whole)
        }
        assert_eq!(whole(None, &head(7)), Resume::Fresh);
        assert_eq!(whole(Some(&at("e", 5)), &head(7)), Resume::After(Sequence::new(5)));
        assert_eq!(whole(Some(&at("e", 7)), &head(7)), Resume::After(Sequence::new(7)));
        assert_eq!(whole(Some(&at("e", 8)), &head(7)), Resume::Lost);
        assert_eq!(whole(Some(&at("f", 5)), &head(7)), Resume::Lost);
        assert_eq!(whole(Some(&at("e", 0)), &head(1_000)), Resume::After(Sequence::ZERO));
        assert_eq!(whole(Some(&at("e", 0)), &head(1_001)), Resume::Lost);
    }

    /// Fills a reply from rows of these sizes. Returns the number of rows read and the number
    /// carried.
    fn filled(budget: usize, sizes: &[usize]) -> (usize, usize) {
        let mut budget = Budget::new(budget);
        let (mut read, mut carried) = (0, 0);
        loop {
            let count = budget.rows_to_read().min(sizes.len() - carried);
            if count == 0 {
                return (read, carried);
            }
            read += count;
            let mut rows: Vec<_> = (1..).take(count).map(|n| row(carried as u64 + n)).collect();
            budget.take(&mut rows, |row| sizes[row.position.sequence.get() as usize - 1]);
            carried += rows.len();
        }
    }

    #[test]
    fn a_reply_reads_as_many_rows_as_it_carries_where_they_are_of_one_size() {
        assert_eq!(filled(30_720, &[4_200; 1_000]), (7, 7));
        assert_eq!(filled(30_720, &[300; 64]), (64, 64));
        assert_eq!(filled(30_720, &[24_700; 10]), (2, 1));
        assert_eq!(filled(30_720, &[]), (0, 0));
    }

    #[test]
    fn rows_that_become_larger_are_not_all_read() {
        let mut sizes = vec![100; 2];
        sizes.extend([24_700; 300]);
        let (read, carried) = filled(30_720, &sizes);
        assert!(read <= 10 && carried == 3, "{read} rows read, {carried} carried");
    }

    proptest! {
        #[test]
        fn what_a_reply_carries_is_within_its_bytes_and_it_carries_something(
            sizes in prop::collection::vec(1_usize..25_000, 1..80),
        ) {
            let (read, carried) = filled(30_720, &sizes);
            prop_assert!(carried >= 1 && carried <= read);
            prop_assert!(sizes[..carried].iter().sum::<usize>() <= 30_720);
        }
    }
}
