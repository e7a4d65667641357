//! Deliberate bugs, to prove that a check finds each of them.

/// A bug that a pipeline of this kind may easily have. The memory adapters have none unless a test
/// sets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A publication is accepted, and sometimes never queued.
    AcceptBeforeEnqueue,
    /// Every 410 counts as gone, even for a connection that has just opened.
    ForgetOnAny410,
    /// Only the first page of a shard is read.
    NoPaging,
    /// A 410 removes another connection than the one that was posted to.
    WrongConnectionForgotten,
    /// `sent` moves with the positions, before the jobs are queued.
    SentBeforeJobs,
    /// Jobs that a killed sequencer did not queue are never queued.
    JobsNotResent,
    /// The connection is not read again after its memberships are written.
    JoinWithoutLook,
    /// Memberships of a connection that is gone, or has another token, are not taken back.
    JoinNotTakenBack,
    /// The connection is read before its memberships are written, and not after.
    ConnectionReadBeforeJoin,
    /// A call that conflicts with a transaction fails at once.
    ConflictsNotRetried,
    /// The head of a joined room is read before the membership is written.
    HeadBeforeMembership,
    /// Positions are given without a condition on the number of shards.
    ShardsNotConditioned,
    /// A publication id counts as a repeat, even of another publisher.
    DedupeWithoutPublisher,
    /// A publication id never counts as a repeat.
    NoDedupe,
    /// Late members are not tried again.
    LateSkipped,
    /// All late jobs of a shard have the same deduplication id.
    ReusedDeduplicationId,
    /// All reminders of a room have the same deduplication id.
    ReusedReminderId,
    /// Reminders are not sent.
    RemindersLost,
    /// A job is lost now and then.
    JobsLost,
    /// No tombstone replaces a closed connection.
    NoTombstone,
    /// Closed connections are never removed.
    NothingForgotten,
    /// Counts add up the changes of the stream, including repeats.
    CountsIncremented,
    /// Changes of presence are not announced.
    AnnouncementsLost,
    /// The reaper considers every connection silent.
    BlindReaping,
    /// A replay ends one publication early, and claims to be whole.
    ResumePartly,
    /// A replica's short page of the log is used without a consistent read.
    ShortRunBelieved,
    /// A leave has no effect.
    LeaveIgnored,
    /// Publications of one room are delivered to a member of another.
    ForeignRoom,
    /// Deliveries ignore the expiry of tokens.
    ExpiredTold,
    /// The reaper does not look for connections with expired tokens.
    ExpiredNotClosed,
    /// A renewal leaves no room, even if the new token forbids it.
    RenewalKeepsRooms,
    /// Requests are always judged by the token of the handshake.
    RenewalForgotten,
    /// A row of the outbox is published under a new id each time.
    OutboxIdsAnew,
    /// Ephemeral publications are stored.
    EphemeralStored,
    /// Ephemeral publications take a position.
    EphemeralMoves,
    /// Publishers receive an echo even if they asked for none.
    EchoForced,
    /// Poison is dropped instead of becoming a dead letter.
    PoisonForgotten,
    /// A job is queued once more under another name.
    JobsQueuedTwice,
    /// The stored progress of a shard is further than its deliveries.
    DeliveredOverstated,
    /// The progress of a shard is not stored.
    DeliveredForgotten,
    /// All jobs wait in one line.
    JobsInOneLine,
    /// Late members are tried again in the main line of their shard.
    LateOnMainLine,
    /// Jobs of wide rooms wait among those of narrow ones.
    WideThroughNarrow,
    /// A page of a shard reads the members of every room.
    PageScans,
    /// Bans are not stored.
    BanForgotten,
    /// The rates of connections and of users are not applied.
    RateIgnored,
    /// The rates of users are not applied: each connection has its own alone.
    UserRateIgnored,
    /// A publisher above the rate gets half of the pause that it needs.
    PauseTooShort,
    /// The members of a shard are read up to a second before the log: a member that joins in
    /// between is skipped.
    LogAfterMembers,
    /// Only the first page of a range of the log is delivered.
    FirstPageOnly,
    /// The deduplication id of a job does not contain its epoch.
    EpochlessJobId,
    /// The reaper trusts the index, however old its state is.
    IndexTrusted,
}

impl Bug {
    /// The bugs that break a promise in some simulated run. `testkit/tests/mistakes.rs` finds the
    /// three bugs of joins that are not among them. `reaper/tests/reap.rs` finds
    /// [`Self::IndexTrusted`], because no index of a simulation lags that far.
    pub const ALL: [Self; 48] = [
        Self::AcceptBeforeEnqueue,
        Self::ForgetOnAny410,
        Self::NoPaging,
        Self::WrongConnectionForgotten,
        Self::SentBeforeJobs,
        Self::JobsNotResent,
        Self::ConflictsNotRetried,
        Self::HeadBeforeMembership,
        Self::ShardsNotConditioned,
        Self::DedupeWithoutPublisher,
        Self::NoDedupe,
        Self::LateSkipped,
        Self::ReusedDeduplicationId,
        Self::ReusedReminderId,
        Self::RemindersLost,
        Self::JobsLost,
        Self::NoTombstone,
        Self::NothingForgotten,
        Self::CountsIncremented,
        Self::AnnouncementsLost,
        Self::BlindReaping,
        Self::ResumePartly,
        Self::ShortRunBelieved,
        Self::LeaveIgnored,
        Self::ForeignRoom,
        Self::ExpiredTold,
        Self::ExpiredNotClosed,
        Self::RenewalKeepsRooms,
        Self::RenewalForgotten,
        Self::OutboxIdsAnew,
        Self::EphemeralStored,
        Self::EphemeralMoves,
        Self::EchoForced,
        Self::PoisonForgotten,
        Self::JobsQueuedTwice,
        Self::DeliveredOverstated,
        Self::DeliveredForgotten,
        Self::JobsInOneLine,
        Self::LateOnMainLine,
        Self::WideThroughNarrow,
        Self::PageScans,
        Self::BanForgotten,
        Self::RateIgnored,
        Self::UserRateIgnored,
        Self::PauseTooShort,
        Self::LogAfterMembers,
        Self::FirstPageOnly,
        Self::EpochlessJobId,
    ];
}
