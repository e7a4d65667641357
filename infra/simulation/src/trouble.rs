//! Trouble of one room or one member, in runs that check that others do not wait for it.

use domain::{Epoch, RoomId, Shards};
use testkit::memory::Store;
use testkit::samples;

use crate::chance::Dice;
use crate::faults::Faults;
use crate::run::Run;
use crate::step::{PLAZA, ROOMS, Step, Torrent};

/// The trouble of one room or one member, beside the ordinary steps of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// A room of 128 shards gets more publications than its queue carries, and its members take
    /// posts slowly.
    Wide,
    /// A room gets a hundred publications at once, and its members take posts slowly.
    Hot,
    /// Every read and write for one room fails, for some seconds.
    Failing,
    /// One member takes posts slowly, or not at all, during the whole run.
    Slow,
    /// One member publishes as fast as it can.
    Flood,
}

/// The behaviour of a slow member's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    /// Its buffer is always full.
    Full,
    /// It never responds to a post.
    Hangs,
    /// It responds just before the post times out.
    Crawls,
}

/// The number of shards of the wide room.
const WIDE: u16 = 128;
/// The time for which other members go on publishing during the trouble, in milliseconds.
const TALK_MS: u64 = 12_000;
/// The shortest and the longest response time of a slow member, in milliseconds: below the timeout
/// of a post.
pub(crate) const SLOW_MS: (u64, u64) = (250, 380);

/// The steps of a run: milliseconds after the beginning, the index of the member, and the step.
pub(crate) type Steps = Vec<(u64, usize, Step)>;

impl Trouble {
    /// Every kind of trouble.
    pub const ALL: [Self; 5] = [Self::Wide, Self::Hot, Self::Failing, Self::Slow, Self::Flood];

    /// The trouble of a seed. Most runs without faults have one, because there it shows which
    /// members wait for it.
    #[must_use]
    pub fn of(seed: u64, faults: &Faults) -> Option<Self> {
        let dice = Dice::new(seed, 9);
        let (which, there_is) = (dice.below(5), dice.happens(if faults.is_calm() { 0.75 } else { 0.12 }));
        let which = usize::try_from(which).unwrap_or_default();
        there_is.then(|| Self::ALL[which])
    }

    /// The devices of the user that makes the trouble, in addition to the usual members.
    #[must_use]
    pub(crate) fn devices(self) -> Vec<&'static str> {
        let devices = if self == Self::Flood { 2 } else { 1 };
        self.user().into_iter().cycle().take(devices).collect()
    }

    /// The user that makes the trouble.
    #[must_use]
    fn user(self) -> Option<&'static str> {
        match self {
            Self::Slow => Some("hal"),
            Self::Flood => Some("gus"),
            Self::Wide | Self::Hot | Self::Failing => None,
        }
    }

    /// The steps that the trouble adds to a run with this number of members and rooms.
    #[must_use]
    pub(crate) fn steps(self, seed: u64, members: usize, rooms: u64, calm: bool) -> Steps {
        let dice = Dice::new(seed, 10);
        let index = |number: u64| usize::try_from(number).unwrap_or_default();
        let mut steps = Vec::new();
        let begins = dice.within(5_000, 7_000);
        let mut events = |count: u64, every_ms: u64, from: u64| {
            steps.extend((0..count).map(|n| (from + n * every_ms, 0, Step::Event(PLAZA))));
        };
        match self {
            // The events are far enough apart that each is sequenced alone, with one job for each
            // shard.
            Self::Wide => events(if calm { 40 } else { 3 }, 100, begins),
            Self::Hot => (0..3).for_each(|n| events(if calm { 60 } else { 10 }, 5, begins + n * 2_000)),
            Self::Failing => events(if calm { 50 } else { 10 }, 120, begins),
            Self::Slow | Self::Flood => {}
        }
        match self {
            Self::Wide | Self::Hot => {}
            Self::Failing => {
                steps.push((begins, 0, Step::Fail));
                steps.push((begins + dice.within(4_000, 8_000), 0, Step::Mend));
                let goes = |member: usize| (begins + 500 + dice.below(2_000), member, Step::Leave(PLAZA));
                steps.extend((0..members).filter(|member| member % 2 == 1).map(goes));
            }
            Self::Slow => steps.push((dice.below(3_000), members, Step::Join(0))),
            Self::Flood => {
                steps.extend([0, 1].map(|device| (dice.below(3_000), members + device, Step::Join(0))));
                steps.extend((0..3).map(|n| (begins + n * 3_000, members, Step::Flood(0, Torrent::Publications))));
                steps.push((begins + 9_000, members, Step::Flood(0, Torrent::Others)));
            }
        }
        if self.user().is_none() {
            steps.extend((0..members).map(|member| (dice.below(3_000), member, Step::Join(PLAZA))));
        }
        // Other members publish meanwhile, in rooms that have no trouble.
        let many = match self {
            _ if !calm => 8,
            Self::Failing => 120,
            _ => 40,
        };
        for n in 0..many {
            let at = begins + n * TALK_MS / many;
            let (member, room) = (index(dice.below(members as u64)), index(dice.below(rooms)));
            steps.push((at, member, Step::Publish(room, 1)));
        }
        steps
    }

    /// The room that has the trouble.
    #[must_use]
    pub(crate) fn room(self) -> Option<RoomId> {
        self.user().is_none().then(|| samples::room(ROOMS[PLAZA]))
    }

    /// Reports whether the trouble slows a post with this text.
    #[must_use]
    pub(crate) fn slows(self, text: &str) -> bool {
        matches!(self, Self::Wide | Self::Hot) && text.contains(&format!("\"{}\"", ROOMS[PLAZA]))
    }

    /// Prepares the room before the first member joins.
    pub(crate) fn prepares(self, store: &Store) {
        use domain::ports::Rooms;
        let Some(room) = self.room().filter(|_| self == Self::Wide) else { return };
        let grown = async {
            let head = store.create(&room, &Epoch::from_random(9), samples::NOW).await?;
            store.grow(&room, head.shards, Shards::new(WIDE)).await
        };
        // The memory adapters do not fail here.
        let _ = futures::executor::block_on(grown);
    }
}

impl Slow {
    /// The behaviour of the slow member of a seed.
    #[must_use]
    pub(crate) fn of(seed: u64) -> Self {
        match Dice::new(seed, 11).below(3) {
            0 => Self::Full,
            1 => Self::Hangs,
            _ => Self::Crawls,
        }
    }
}

impl Run {
    /// Reports whether a room is the one that has the trouble.
    #[must_use]
    pub(crate) fn has_trouble(&self, room: &RoomId) -> bool {
        self.trouble.and_then(Trouble::room).is_some_and(|troubled| troubled == *room)
    }

    /// Makes every operation for the room fail from now on, or succeed again.
    pub(crate) fn set_failing(&self, failing: bool) {
        let room = self.trouble.and_then(Trouble::room).filter(|_| failing);
        self.pipeline.store.set_failing(room);
    }
}
