//! The faults of a run, by number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::chance::Dice;

macro_rules! faults {
    ($($name:ident = $number:literal, $most:literal, $text:literal;)+) => {
        /// A fault that a run may have. The coverage table and the fault switches of the local
        /// stack use the same numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $text] $name,)+
        }

        impl Fault {
            /// Every fault, in the order of the coverage table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The number of the fault: 33 for `F33`.
            #[must_use]
            pub fn number(self) -> u32 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The description in the coverage table.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The highest probability for one opportunity that a run may give to the fault.
            fn most(self) -> f64 {
                match self { $(Self::$name => $most,)+ }
            }
        }
    };
}

faults! {
    Killed = 1, 0.02, "A function is killed at an await point.";
    TimedOut = 2, 0.02, "A function hangs until its deadline and is killed, with its calls in flight.";
    Aborted = 3, 0.02, "A function is killed in the middle of the posts of a chunk.";
    SameChunk = 5, 0.05, "A second worker receives messages that a first one still processes.";
    ColdStorm = 6, 0.3, "Invocations start up to 3 s late.";
    NotInvoked = 7, 0.05, "An invocation is throttled and never starts.";
    DeliveredAgain = 8, 0.1, "A finished message is delivered again.";
    Reordered = 9, 0.3, "A standard queue delivers in another order.";
    Delayed = 10, 0.02, "A queue delivers nothing for up to 30 s.";
    ResponseLost = 11, 0.05, "A batch is processed, but its response is lost: all of it returns.";
    Poison = 12, 1.0, "A message cannot be parsed.";
    Redriven = 13, 1.0, "All dead letters are redriven twice when the faults end.";
    ToldTwice = 15, 0.3, "A topic delivers a message to a queue twice.";
    SendHalfFailed = 16, 0.05, "A batch of sends fails in part.";
    TableThrottled = 17, 0.05, "A table is throttled.";
    ConditionFailed = 18, 1.0, "The condition of a write is not met, because another write was faster.";
    IndexThrottled = 17, 0.05, "An index is throttled, and its table is not.";
    IndexLags = 19, 1.0, "The indexes lag up to 4 s behind.";
    SmallPages = 20, 1.0, "A query comes in pages of two, after empty ones.";
    Unprocessed = 21, 0.1, "A batch of writes stays unprocessed in part.";
    UnknownOutcome = 22, 0.03, "A write is done, and its answer is lost.";
    ServerError = 24, 0.03, "A call fails.";
    Replayed = 25, 0.1, "A batch of stream records is processed and delivered again.";
    Bisected = 26, 0.1, "A batch of stream records is delivered again in halves.";
    PoisonRecord = 27, 1.0, "A stream record cannot be parsed.";
    ShardsOvertake = 28, 0.3, "Records of different items are delivered in another order.";
    Gone = 31, 1.0, "A connection is gone, and answered 410.";
    NotReady = 32, 0.5, "A connection is answered 410 right after it opened.";
    AccountThrottled = 33, 0.05, "The account's posts are throttled.";
    BufferFull = 34, 0.05, "A connection's buffer is full for a while.";
    PostFails = 35, 0.05, "A post is answered 500.";
    Forbidden = 36, 0.01, "All posts are refused for a while: credentials have expired.";
    PostHangs = 38, 0.03, "A post is never answered, and not delivered.";
    PostSlow = 39, 0.03, "A post is delivered and answered after 5 s.";
    PostAnswerLost = 40, 0.05, "A frame is delivered, and the answer is lost.";
    NotConnected = 41, 0.05, "The management API cannot be reached.";
    NeverDisconnected = 43, 0.5, "`$disconnect` is not invoked for a closed connection.";
    DisconnectFirst = 44, 0.3, "A connection closes before it was stored.";
    DisconnectLate = 45, 0.5, "`$disconnect` is invoked twice for a closed connection, up to a minute late.";
    ReaperRaces = 46, 0.5, "The reaper runs while its connections come, join and go.";
    ReapersOverlap = 47, 0.5, "Two reapers run at the same time, or one is killed.";
    Cut = 48, 1.0, "The gateway closes connections.";
    ClocksDiffer = 49, 1.0, "Functions' clocks differ by up to 25 s (half a second where indexes lag), and run backwards.";
    Storm = 50, 1.0, "All connections are reset and return in the same second.";
    TokenExpires = 62, 0.3, "Tokens last for a minute or two, and for a while there is no other.";
    Conflict = 65, 0.05, "A transaction conflicts with another one.";
    JobLost = 66, 0.02, "A job is lost for ever.";
    Restored = 67, 1.0, "A room is restored from a backup.";
    Refused = 69, 0.01, "A call is refused, or all calls of its kind for some seconds: a grant is missing, or an item cannot be parsed.";
    BlackHole = 68, 1.0, "A socket takes all messages and delivers none.";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F{}", self.number())
    }
}

/// The faults of one run, with their probabilities.
#[derive(Debug)]
pub struct Faults {
    rates: BTreeMap<Fault, f64>,
    dice: Dice,
    fired: BTreeMap<Fault, u64>,
    healed: bool,
    /// True if functions are never killed in this run.
    spared: bool,
    calm: bool,
}

impl Faults {
    /// Draws the faults of a seed. Each fault is chosen or not, with a higher or lower probability,
    /// so that some runs have many faults of one kind and none of another. The faults in `without`
    /// never happen.
    #[must_use]
    pub fn of(seed: u64, without: &BTreeSet<Fault>) -> Self {
        let dice = Dice::new(seed, 1);
        let mut rates = BTreeMap::new();
        let calm = dice.happens(0.15);
        for &fault in Fault::ALL {
            // Drawn for every fault, so that leaving one out does not change the others.
            let (chosen, share) = (dice.happens(0.4), 0.1 + 0.9 * dice.fraction());
            if chosen && !calm && !without.contains(&fault) {
                rates.insert(fault, fault.most() * share);
            }
        }
        // Poison must not delay anything, least of all in runs without other faults.
        if calm && dice.happens(0.6) {
            let poison = [Fault::Poison, Fault::PoisonRecord].into_iter().filter(|fault| !without.contains(fault));
            rates.extend(poison.map(|fault| (fault, 1.0)));
        }
        Self {
            rates,
            dice: Dice::new(seed, 2),
            fired: BTreeMap::new(),
            healed: false,
            spared: calm || without.contains(&Fault::Killed),
            calm,
        }
    }

    /// The faults that may happen in this run.
    #[must_use]
    pub fn chosen(&self) -> BTreeSet<Fault> {
        self.rates.keys().copied().collect()
    }

    /// Reports whether the run has no faults, apart from poison.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// Reports whether the run may have poison.
    #[must_use]
    pub fn knows_poison(&self) -> bool {
        self.could(Fault::Poison) || self.could(Fault::PoisonRecord)
    }

    /// Reports whether a fault may happen from now on.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        !self.healed && self.rates.contains_key(&fault)
    }

    /// Reports whether a fault may have happened at any time of the run.
    #[must_use]
    pub fn could(&self, fault: Fault) -> bool {
        self.rates.contains_key(&fault)
    }

    /// Draws whether a fault happens now, and counts it.
    pub fn fires(&mut self, fault: Fault) -> bool {
        let fires = !self.healed && self.rates.get(&fault).is_some_and(|rate| self.dice.happens(*rate));
        if fires {
            *self.fired.entry(fault).or_default() += 1;
        }
        fires
    }

    /// Reports whether functions may be killed from now on.
    #[must_use]
    pub fn may_kill(&self) -> bool {
        !self.healed && !self.spared
    }

    /// Counts a fault that happened by another cause than a draw.
    pub fn note(&mut self, fault: Fault) {
        *self.fired.entry(fault).or_default() += 1;
    }

    /// Ends all faults.
    pub fn heal(&mut self) {
        self.healed = true;
    }

    /// Reports whether all faults have ended.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.healed
    }

    /// The number of times that each fault has happened.
    #[must_use]
    pub fn fired(&self) -> &BTreeMap<Fault, u64> {
        &self.fired
    }
}
