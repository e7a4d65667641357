//! Mistakes that are made on purpose, to see that they are found.

use testkit::memory::Bug;

/// A mistake that is made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// By what functions are wired to.
    Memory(Bug),
    /// A batch is reported as done, whatever failed.
    WholeBatchDone,
    /// A client drops what comes above a gap.
    HoldDropped,
    /// A client does not check its position after joining.
    SettlingSkipped,
    /// Everybody is let in, with or without a token, from whatever page.
    EverybodyAdmitted,
    /// Connections that are to be closed are not.
    CloseIgnored,
    /// Every frame is posted twice.
    PostedTwice,
    /// What fails in a batch fails all of it.
    WholeBatchFails,
    /// The events function is not told which messages are of one group.
    GroupForgotten,
    /// Pongs name no room that has moved on.
    PongsSilent,
    /// The last publication of a replay is left out of it.
    ReplayCut,
    /// Members that the deadline kept from their posts are dropped, and not late.
    DeadlineDrops,
    /// A dead letter omits members that have the first part of its range.
    DeadLetterOmits,
    /// A batch names only the last of its messages that failed.
    LastFailureOnly,
}

impl Mistake {
    /// Every one of them.
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
            Self::DeadLetterOmits,
            Self::LastFailureOnly,
        ];
        Bug::ALL.into_iter().map(Self::Memory).chain(others).collect()
    }

    /// As the command line names it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Memory(bug) => format!("{bug:?}"),
            other => format!("{other:?}"),
        }
    }
}
