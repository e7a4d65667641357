//! Deliberate bugs, for whoever checks that a checker finds them.

/// One mistake that a pipeline like this one is easily built with. The memory has none unless it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A publication is accepted, and sometimes never queued.
    AcceptBeforeEnqueue,
    /// Every 410 is taken for the end, however fresh the connection.
    ForgetOnAny410,
    /// Only the first page of a shard is read.
    NoPaging,
    /// Of a 410 somebody else is forgotten.
    WrongConnectionForgotten,
    /// `sent` moves with the positions, and not after the jobs.
    SentBeforeJobs,
    /// What a crash left unsent is not looked for.
    JobsNotResent,
    /// The connection is not read after its memberships are written.
    JoinWithoutLook,
    /// Memberships of a connection that is gone, or has another token, are not taken back.
    JoinNotTakenBack,
    /// The connection is read before its memberships are written, and not after.
    ConnectionReadBeforeJoin,
    /// A call that conflicts with a transaction fails at once.
    ConflictsNotRetried,
    /// A joiner's head is read before its membership is written.
    HeadBeforeMembership,
    /// Positions are given whatever the number of shards has become.
    ShardsNotConditioned,
    /// A publication id is recognised whoever used it.
    DedupeWithoutPublisher,
    /// A publication id is never recognised.
    NoDedupe,
    /// Who could not be reached at once is not tried again.
    LateSkipped,
    /// All late jobs of a shard repeat one another, says their deduplication id.
    ReusedDeduplicationId,
    /// A job is lost now and then.
    JobsLost,
    /// Nothing stands where a connection was.
    NoTombstone,
    /// Nobody is ever forgotten.
    NothingForgotten,
    /// Counts follow what the stream says, repeats included.
    CountsIncremented,
    /// Changes of who is there are not told.
    AnnouncementsLost,
    /// The reaper believes what is not so.
    BlindReaping,
    /// A replay ends one publication early, and says that it is whole.
    ResumePartly,
    /// A log read that comes back short is believed, without the consistent look.
    ShortRunBelieved,
    /// Who leaves is heard of no more, and hears on.
    LeaveIgnored,
    /// What is said in one room is heard in another.
    ForeignRoom,
    /// Members are told whatever their tokens say.
    ExpiredTold,
    /// Nobody looks for connections whose token has expired.
    ExpiredNotClosed,
    /// A renewal leaves no room, whatever the new token allows.
    RenewalKeepsRooms,
    /// Requests are judged by the token of the handshake for ever.
    RenewalForgotten,
    /// A row of the outbox is published under a new id each time.
    OutboxIdsAnew,
    /// What is said to those who are there is stored.
    EphemeralStored,
    /// What is said to those who are there takes a position.
    EphemeralMoves,
    /// Everybody hears what they said themselves, whatever they asked.
    EchoForced,
    /// What can never be published is forgotten.
    PoisonForgotten,
    /// A job is queued once more under another name.
    JobsQueuedTwice,
    /// A shard is taken to be further than it is.
    DeliveredOverstated,
    /// How far a shard is is not noted.
    DeliveredForgotten,
    /// All jobs wait in one line.
    JobsInOneLine,
    /// Who could not be reached at once is tried again in the line of everybody else.
    LateOnMainLine,
    /// Jobs of wide rooms wait among those of narrow ones.
    WideThroughNarrow,
    /// A page of a shard looks at the members of every room.
    PageScans,
    /// Publications are let in, however many.
    RateIgnored,
    /// Who is too fast is told half the pause.
    PauseTooShort,
    /// The members of a shard are read before the log is: a member that joins in between is passed over.
    LogAfterMembers,
    /// Of a range of the log only the first page is delivered.
    FirstPageOnly,
    /// The deduplication id of a job does not say its epoch.
    EpochlessJobId,
    /// The reaper believes the index, however old that is.
    IndexTrusted,
}

impl Bug {
    /// Each that breaks a promise in some simulated life. The three of joins that are not among them
    /// are found by `testkit/tests/mistakes.rs`; [`Self::IndexTrusted`] is found by `reaper/tests/reap.rs`,
    /// because no index of a simulation is as late as that takes.
    pub const ALL: [Self; 44] = [
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
        Self::RateIgnored,
        Self::PauseTooShort,
        Self::LogAfterMembers,
        Self::FirstPageOnly,
        Self::EpochlessJobId,
    ];
}
