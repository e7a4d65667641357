//! All faults that can be enabled, by their number in the list of faults.

/// A fault on demand. The numbers are those of the list of faults. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Fault {
    /// F1: a function's process is killed in the middle of an invocation.
    Killed,
    /// F2: an invocation ends as at its deadline: its process is killed, and the invoker receives a
    /// timeout error.
    TimedOut,
    /// F7: an invocation is throttled, and nothing runs.
    InvocationThrottled,
    /// F8: the delete of a message is lost, so the message is delivered again after its visibility
    /// timeout.
    MessageAgain,
    /// F11: the answer to a batch of messages is lost, so the whole batch is delivered again.
    BatchAgain,
    /// F16: one entry of a batch to a queue fails, while the others may succeed.
    EntryFailed,
    /// F17: DynamoDB throttles a call.
    TableThrottled,
    /// F19: an index answers with its state of some time ago.
    IndexLag,
    /// F22: DynamoDB carries out a write and answers 500.
    WriteUnanswered,
    /// F25: the answer to a batch of a stream is lost, so the whole batch is delivered again.
    StreamAgain,
    /// F32: a connection that is a few seconds old is answered with 410, as if its `$connect` had
    /// not finished.
    NotReady,
    /// F33: the account is throttled (429) for any call of `@connections`.
    AccountThrottled,
    /// F34: the client's buffer is full (429). Affects only posts.
    BufferFull,
    /// F35: `@connections` answers 500.
    Unavailable,
    /// F36: `@connections` answers 403.
    Forbidden,
    /// F38: a call of `@connections` is accepted and never answered.
    Hang,
    /// F39: a call of `@connections` is carried out and answered after 5 s.
    Slow,
    /// F40: a call of `@connections` is carried out, but the caller's connection is cut before the
    /// answer.
    AnswerLost,
    /// F42: the caller's connection is closed after an answer.
    CloseAfter,
    /// F43: `$disconnect` is never invoked.
    NoDisconnect,
    /// F45: `$disconnect` is invoked late, or a second time.
    DisconnectAgain,
    /// F48: a connection is cut, and the last accepted post is lost.
    Cut,
}

/// The kind of a fault's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A rate: the probability at each occasion.
    Rate,
    /// A range of times.
    Delay,
}

impl Fault {
    /// All faults, in the order of their numbers.
    pub const ALL: [Self; 22] = [
        Self::Killed,
        Self::TimedOut,
        Self::InvocationThrottled,
        Self::MessageAgain,
        Self::BatchAgain,
        Self::EntryFailed,
        Self::TableThrottled,
        Self::IndexLag,
        Self::WriteUnanswered,
        Self::StreamAgain,
        Self::NotReady,
        Self::AccountThrottled,
        Self::BufferFull,
        Self::Unavailable,
        Self::Forbidden,
        Self::Hang,
        Self::Slow,
        Self::AnswerLost,
        Self::CloseAfter,
        Self::NoDisconnect,
        Self::DisconnectAgain,
        Self::Cut,
    ];

    /// Returns the fault's number and a short description.
    #[must_use]
    pub const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Killed => ("F1", "a process is killed in the middle of its invocation"),
            Self::TimedOut => ("F2", "an invocation ends as at its deadline"),
            Self::InvocationThrottled => ("F7", "an invocation is throttled"),
            Self::MessageAgain => ("F8", "the delete of a message is lost: it comes again"),
            Self::BatchAgain => ("F11", "the answer to a batch is lost: all of it comes again"),
            Self::EntryFailed => ("F16", "an entry of SendMessageBatch fails"),
            Self::TableThrottled => ("F17", "DynamoDB throttles a call"),
            Self::IndexLag => ("F19", "an index lags, by milliseconds"),
            Self::WriteUnanswered => ("F22", "DynamoDB answers 500 after the write was done"),
            Self::StreamAgain => ("F25", "a batch of a stream comes again"),
            Self::NotReady => ("F32", "a fresh connection is gone (410)"),
            Self::AccountThrottled => ("F33", "the account is throttled (429)"),
            Self::BufferFull => ("F34", "a client's buffer is full (429)"),
            Self::Unavailable => ("F35", "@connections answers 500"),
            Self::Forbidden => ("F36", "@connections answers 403"),
            Self::Hang => ("F38", "a post is accepted and never answered"),
            Self::Slow => ("F39", "a post is answered after 5 s"),
            Self::AnswerLost => ("F40", "a post is delivered and its answer lost"),
            Self::CloseAfter => ("F42", "the caller's connection is closed after an answer"),
            Self::NoDisconnect => ("F43", "$disconnect never happens"),
            Self::DisconnectAgain => ("F45", "$disconnect happens late, or twice"),
            Self::Cut => ("F48", "a connection is cut, and the last post to it lost"),
        }
    }

    /// Returns the fault's number, such as `F33`.
    #[must_use]
    pub const fn number(self) -> &'static str {
        self.describe().0
    }

    /// Returns the kind of the fault's setting.
    #[must_use]
    pub const fn kind(self) -> Kind {
        if matches!(self, Self::IndexLag) { Kind::Delay } else { Kind::Rate }
    }

    /// Returns the fault with this number.
    #[must_use]
    pub fn of_number(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_stands_at_its_place_and_is_found_by_its_number() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
            assert_eq!(Fault::of_number(fault.number()), Some(fault));
        }
        assert_eq!(Fault::of_number("F99"), None);
    }
}
