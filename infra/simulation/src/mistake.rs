//! Mistakes that a run makes on purpose, to prove that a check finds each of them.

use testkit::memory::Bug;

/// A mistake that a run makes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// A memory adapter makes this mistake.
    Memory(Bug),
    /// A batch is reported as done although messages of it failed.
    WholeBatchDone,
    /// A client drops publications that arrive beyond a gap.
    HoldDropped,
    /// A client does not check its position after a join.
    SettlingSkipped,
    /// Every handshake is allowed, with or without a token, from any page.
    EverybodyAdmitted,
    /// The gateway ignores requests to close a connection.
    CloseIgnored,
    /// Every frame is posted twice.
    PostedTwice,
    /// One failed message in a batch fails the whole batch.
    WholeBatchFails,
    /// Messages arrive at the events function without their group, in the reverse order.
    GroupForgotten,
    /// Pongs list no rooms whose heads have moved.
    PongsSilent,
    /// The last publication of a replay is missing from it.
    ReplayCut,
    /// Members whose posts did not fit before the deadline are dropped instead of becoming late.
    DeadlineDrops,
    /// A reminder that has to wait is reported as done.
    ReminderDropped,
    /// A batch reports only the last one of its failed messages.
    LastFailureOnly,
}

impl Mistake {
    /// All mistakes, those of the memory adapters first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let others = [
            Self::WholeBatchDone,
            Self::HoldDropped,
            Self::SettlingSkipped,
            Self::EverybodyAdmitted,
            Self::CloseIgnored,
            Self::PostedTwice,
            Self::WholeBatchFails,
            Self::GroupForgotten,
            Self::PongsSilent,
            Self::ReplayCut,
            Self::DeadlineDrops,
            Self::ReminderDropped,
            Self::LastFailureOnly,
        ];
        Bug::ALL.into_iter().map(Self::Memory).chain(others).collect()
    }

    /// The name of the mistake on the command line.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Memory(bug) => format!("{bug:?}"),
            other => format!("{other:?}"),
        }
    }
}
