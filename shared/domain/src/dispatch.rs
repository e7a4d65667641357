//! When the jobs of a room are queued: at once, or when its shards are done with most of the jobs
//! before.
//!
//! SQS searches only the first messages of a FIFO queue for groups that can be received, and gives
//! out the oldest of them first. A room whose members cannot be posted all that it publishes would
//! fill the queue with its jobs, and other rooms would wait behind them. So before the sequencer
//! queues more jobs for a room, it reads the progress of the room's shards. If they are far behind,
//! it sends a reminder instead, and queues one job for each shard later, for everything until then.
//!
//! The progress decides only about the time. Whatever it is, a reminder stands in the queue until
//! jobs are queued, so a read that is stale or fails costs no delivery.

use std::time::Duration;

use crate::limits;
use crate::position::Sequence;
use crate::sequencing::Head;
use crate::shard::Shard;
use crate::timestamp::Timestamp;

/// The time at which the jobs of a room are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// The jobs are queued at once.
    Now,
    /// Not before a pause, after which the progress is read again.
    After(Duration),
}

impl Head {
    /// The shards whose progress decides about the next jobs: up to
    /// [`limits::SHARDS_COMPARED`], spread evenly. There are none if the jobs are queued whatever
    /// the progress is: nothing waits, and the last jobs were queued some time ago.
    #[must_use]
    pub fn shards_to_compare(&self, now: Timestamp) -> Vec<Shard> {
        let is_quiet = self.unsent().is_none() && now.since(self.sent_at) >= limits::SHARDS_WAIT;
        if is_quiet || now.since(self.sent_at) >= limits::SHARDS_WAIT_LONGEST {
            return Vec::new();
        }
        let step = usize::from(self.shards.get().div_ceil(limits::SHARDS_COMPARED));
        self.shards.iter().skip(step - 1).step_by(step).collect()
    }

    /// Decides when the next jobs are queued, given the ends of the ranges that shards were
    /// delivered last. A shard without any is new, or has not begun.
    ///
    /// While each shard has enough to do, nothing is lost by a wait. If some shards are done, the
    /// others may have lost a job, and the members of all wait for them only a short time.
    #[must_use]
    pub fn dispatch(&self, progress: &[Option<Sequence>], jobs_per_room: u64, now: Timestamp) -> Dispatch {
        let near = jobs_per_room / u64::from(self.shards.get());
        let behind = |through: &Sequence| self.sent.beyond(*through);
        let behind: Vec<u64> = progress.iter().flatten().map(behind).collect();
        let wait = match (behind.iter().min(), behind.iter().max()) {
            _ if progress.is_empty() => Duration::ZERO,
            (_, Some(most)) if *most <= near => Duration::ZERO,
            (Some(least), _) if *least > near => longest_wait(*least),
            (None, _) if self.sent.get() <= near => Duration::ZERO,
            _ => limits::SHARDS_WAIT,
        };
        let since = now.since(self.sent_at);
        let left = wait.saturating_sub(since);
        if left.is_zero() {
            Dispatch::Now
        } else {
            Dispatch::After(left.min((since / 4).clamp(limits::REMINDER_PAUSE, limits::SHARDS_WAIT)))
        }
    }
}

/// The longest wait for shards that lack at least so many publications: the time in which a room
/// publishes as many. So each job covers twice as much as the one before, and a shard that is not
/// served at all has few.
fn longest_wait(least: u64) -> Duration {
    let count = u32::try_from(least).unwrap_or(u32::MAX);
    limits::ROOM_RATE.takes(count).clamp(limits::SHARDS_WAIT, limits::SHARDS_WAIT_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::RoomId;
    use crate::position::Epoch;
    use crate::shard::Shards;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    /// A head of a room whose last jobs, through 1,000, were queued so long ago.
    fn head(shards: u16, since: Duration) -> Head {
        let room = RoomId::parse("lobby").unwrap();
        Head {
            shards: Shards::new(shards),
            sequence: Sequence::new(1_000),
            sent: Sequence::new(1_000),
            sent_at: NOW.minus(since),
            ..Head::new(&room, Epoch::parse("e").unwrap())
        }
    }

    fn dispatch(shards: u16, since_ms: u64, progress: &[u64]) -> Dispatch {
        let progress: Vec<_> = progress.iter().map(|through| Some(Sequence::new(*through))).collect();
        head(shards, Duration::from_millis(since_ms)).dispatch(&progress, limits::JOBS_PER_ROOM, NOW)
    }

    #[test]
    fn a_room_whose_shards_are_nearly_done_gets_its_jobs_at_once() {
        assert_eq!(dispatch(1, 0, &[936]), Dispatch::Now);
        assert_eq!(dispatch(16, 0, &[996; 16]), Dispatch::Now);
        assert_eq!(dispatch(16, 0, &[]), Dispatch::Now, "nothing was compared");
    }

    #[test]
    fn a_room_with_shards_far_behind_waits_and_asks_ever_less_often() {
        assert_eq!(dispatch(1, 0, &[935]), Dispatch::After(limits::REMINDER_PAUSE));
        assert_eq!(dispatch(16, 0, &[995; 16]), Dispatch::After(limits::REMINDER_PAUSE));
        assert_eq!(dispatch(16, 4_000, &[995; 16]), Dispatch::After(Duration::from_secs(1)));
        assert_eq!(dispatch(16, 4_900, &[995; 16]), Dispatch::After(Duration::from_millis(100)));
        assert_eq!(dispatch(16, 5_000, &[995; 16]), Dispatch::Now);
    }

    #[test]
    fn shards_that_are_done_wait_a_short_time_for_the_others() {
        assert_eq!(dispatch(2, 4_900, &[0, 1_000]), Dispatch::After(Duration::from_millis(100)));
        assert_eq!(dispatch(2, 5_000, &[0, 1_000]), Dispatch::Now);
    }

    #[test]
    fn shards_that_are_all_far_behind_wait_for_as_long_as_their_backlog_took_to_publish() {
        assert_eq!(dispatch(2, 11_900, &[0, 400]), Dispatch::After(Duration::from_millis(100)));
        assert_eq!(dispatch(2, 12_000, &[0, 400]), Dispatch::Now);
        let far = Head { sent: Sequence::new(1_000_000), ..head(2, limits::SHARDS_WAIT_LONGEST) };
        assert_eq!(far.dispatch(&[Some(Sequence::ZERO)], limits::JOBS_PER_ROOM, NOW), Dispatch::Now);
    }

    #[test]
    fn shards_without_progress_count_only_if_no_shard_has_any() {
        let dispatch = |head: &Head, progress: &[Option<Sequence>]| head.dispatch(progress, limits::JOBS_PER_ROOM, NOW);
        let old = head(2, Duration::ZERO);
        assert_eq!(dispatch(&old, &[Some(Sequence::new(1_000)), None]), Dispatch::Now);
        assert_eq!(dispatch(&old, &[None, None]), Dispatch::After(limits::REMINDER_PAUSE));
        let new = Head { sent: Sequence::new(32), ..old };
        assert_eq!(dispatch(&new, &[None, None]), Dispatch::Now);
    }

    #[test]
    fn a_quiet_room_and_a_room_that_has_waited_long_compare_nothing() {
        let compared = |head: Head| head.shards_to_compare(NOW).len();
        assert_eq!(compared(head(4, limits::SHARDS_WAIT)), 0);
        assert_eq!(compared(head(4, limits::SHARDS_WAIT - Duration::from_millis(1))), 4);
        let waiting = |since| Head { sequence: Sequence::new(1_001), ..head(4, since) };
        assert_eq!(compared(waiting(limits::SHARDS_WAIT)), 4);
        assert_eq!(compared(waiting(limits::SHARDS_WAIT_LONGEST)), 0);
    }

    #[test]
    fn a_wide_room_compares_some_shards_from_every_part_of_it() {
        let compared = |shards| head(shards, Duration::ZERO).shards_to_compare(NOW);
        assert_eq!(
            compared(32).iter().map(|shard| shard.get()).collect::<Vec<_>>(),
            (1..32).step_by(2).collect::<Vec<_>>()
        );
        assert_eq!(compared(1_024).len(), usize::from(limits::SHARDS_COMPARED));
        assert_eq!(compared(1).len(), 1);
    }
}
