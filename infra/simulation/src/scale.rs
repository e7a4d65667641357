//! The size of a run's limits. With small limits, few members and publications reach the end of
//! every page, frame and deadline. A crowd, large payloads and late indexes reach the real limits.

use std::time::Duration;

use domain::{Limits, limits};

use crate::chance::Dice;
use crate::faults::{Fault, Faults};
use crate::trouble::Trouble;

/// The limits and the size of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// The limits that functions work with.
    pub limits: Limits,
    /// When an invocation of the fan-out is killed.
    pub fanout_timeout: Duration,
    /// The number of additional members, all in the first room.
    pub crowd: usize,
    /// How far indexes lag behind, in runs where they lag.
    pub lag: Duration,
    /// True if a read of an index may show an older state than the read before it.
    pub wavers: bool,
    /// Bytes of the largest publication; 0 where publications have their usual size.
    pub largest_bytes: usize,
    /// True if one process serves several invocations, one after the other.
    pub warm: bool,
    /// True if members ask for history and member lists during the whole run.
    pub curious: bool,
    /// True if the run lasts longer than the log keeps its rows.
    pub day: bool,
}

/// The timeout of a function.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout of the fan-out in runs with short deadlines.
const HURRIED: Duration = Duration::from_millis(500);
/// The length of a run that lasts some hours longer than the log keeps its rows.
pub(crate) const DAY_MS: u64 = 26 * 60 * 60 * 1_000;
/// The largest number of members of a room.
const ROOM: u64 = 100;
/// The frame limit of a small run: a few publications fill a frame.
const SMALL_FRAME_BYTES: usize = 2 * 1024;
/// The size of a publication that fits such a frame.
const SMALL_DATA_BYTES: usize = 1_400;

impl Scale {
    /// The limits that a seed leads to.
    #[must_use]
    pub fn of(seed: u64, faults: &Faults, trouble: Option<Trouble>) -> Self {
        let dice = Dice::new(seed, 13);
        let (small, hurried, crowd) = (dice.happens(0.5), dice.happens(0.2), dice.happens(0.04));
        let (members, day) = (dice.within(20, ROOM - 8), dice.happens(0.004));
        let (late, wavers, large) = (dice.happens(0.3), dice.happens(0.4), dice.happens(0.2));
        let lag_ms = if late { dice.within(4_000, 30_000) } else { dice.below(4_000) };
        let (warm, curious) = (dice.happens(0.5), dice.happens(0.3));
        // In runs that check that others do not wait for a trouble, posts take almost as long as
        // they may: four posts in flight would be too few.
        let small = small && trouble.is_none();
        let hurried = small && hurried && !faults.is_calm();
        let mut limits = if small { small_limits() } else { Limits::default() };
        // Most shards of the wide room are empty, so their jobs are soon done. They do not wait for
        // each other, so that there are as many jobs as several rooms with full shards have.
        if trouble == Some(Trouble::Wide) {
            limits.jobs_per_room = u64::MAX;
        }
        if hurried {
            limits.post_timeout = Duration::from_millis(60);
            limits.time_on_the_main_line = Duration::from_millis(100);
            limits.hand_over = Duration::from_millis(280);
        }
        let largest_bytes = match (large, small) {
            (false, _) => 0,
            (true, true) => SMALL_DATA_BYTES,
            (true, false) => limits::DATA_BYTES,
        };
        Self {
            limits,
            fanout_timeout: if hurried { HURRIED } else { TIMEOUT },
            crowd: if crowd && trouble.is_none() && !day { usize::try_from(members).unwrap_or_default() } else { 0 },
            lag: Duration::from_millis(lag_ms),
            wavers,
            largest_bytes,
            warm,
            curious,
            day: day && trouble.is_none() && !faults.has(Fault::Restored),
        }
    }

    /// How far a read of an index may lag behind, including the time to settle.
    #[must_use]
    pub(crate) fn index_lags(&self) -> Duration {
        self.lag.max(limits::PRESENCE_SETTLES)
    }
}

fn small_limits() -> Limits {
    Limits {
        frame_bytes: SMALL_FRAME_BYTES,
        replay_bytes: SMALL_FRAME_BYTES,
        replay_page_rows: 4,
        log_page_rows: 8,
        log_rows_along: 4,
        publications_per_transaction: 7,
        members_per_late_job: 3,
        jobs_per_room: 1,
        posts_in_flight: 4,
        ..Limits::default()
    }
}
