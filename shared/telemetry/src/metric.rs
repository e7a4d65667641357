//! What is counted: `noun_pastverb[_unit]`. Ids are fields, never dimensions.

/// A metric of CloudWatch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// As the embedded metric format spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])+ $name:ident = $text:literal in $unit:ident;)+) => {
        $($(#[$doc])+ pub const $name: Metric = Metric { name: $text, unit: Unit::$unit };)+
        /// All of them.
        pub const ALL: &[Metric] = &[$($name),+];
    };
}

metrics! {
    /// Handshakes that were let in.
    CONNECTIONS_OPENED = "connections_opened" in Count;
    /// Handshakes that were refused.
    CONNECTIONS_REFUSED = "connections_refused" in Count;
    /// Connections forgotten on `$disconnect`.
    CONNECTIONS_CLOSED = "connections_closed" in Count;
    /// Connections forgotten because the gateway said 410.
    CONNECTIONS_GONE = "connections_gone" in Count;
    /// Connections forgotten by the reaper.
    CONNECTIONS_REAPED = "connections_reaped" in Count;
    /// Connections closed because their token had expired.
    CONNECTIONS_EXPIRED = "connections_expired" in Count;
    /// Stale connections that turned out to live.
    CONNECTIONS_PROBED = "connections_probed" in Count;
    /// Connections closed because they were too slow, so that they return and sync.
    CONNECTIONS_EVICTED = "connections_evicted" in Count;
    /// Requests that were done.
    REQUESTS_SERVED = "requests_served" in Count;
    /// Requests refused with a code.
    REQUESTS_REJECTED = "requests_rejected" in Count;
    /// Memberships written.
    MEMBERS_JOINED = "members_joined" in Count;
    /// Memberships removed on request.
    MEMBERS_LEFT = "members_left" in Count;
    /// Tokens renewed on live connections.
    TOKENS_RENEWED = "tokens_renewed" in Count;
    /// Rooms that got more shards.
    ROOMS_GROWN = "rooms_grown" in Count;
    /// Resumes and joins that could not say that nothing was missed.
    RESUMES_LOST = "resumes_lost" in Count;
    /// Publications replayed in replies.
    PUBLICATIONS_REPLAYED = "publications_replayed" in Count;
    /// Publications accepted.
    PUBLICATIONS_ACCEPTED = "publications_accepted" in Count;
    /// Publications given a position.
    PUBLICATIONS_SEQUENCED = "publications_sequenced" in Count;
    /// Publications dropped as repeats.
    PUBLICATIONS_DEDUPED = "publications_deduped" in Count;
    /// From accepted to sequenced, the slowest of the batch.
    SEQUENCING_TOOK_MS = "sequencing_took_ms" in Milliseconds;
    /// Sequencing transactions that lost a race and were tried again.
    TRANSACTIONS_CONFLICTED = "transactions_conflicted" in Count;
    /// Jobs queued.
    JOBS_QUEUED = "jobs_queued" in Count;
    /// Jobs done, one per shard and range.
    JOBS_DELIVERED = "jobs_delivered" in Count;
    /// Posts made, whatever came of them.
    POSTS_SENT = "posts_sent" in Count;
    /// Posts the gateway took.
    POSTS_DELIVERED = "posts_delivered" in Count;
    /// Posts answered with 410.
    POSTS_GONE = "posts_gone" in Count;
    /// Posts answered with 410 while the connection was being made.
    POSTS_NOT_READY = "posts_not_ready" in Count;
    /// Posts answered with 429.
    POSTS_THROTTLED = "posts_throttled" in Count;
    /// Posts answered with 413.
    POSTS_TOO_LARGE = "posts_too_large" in Count;
    /// Posts without a meaningful answer.
    POSTS_FAILED = "posts_failed" in Count;
    /// Members that left the main line of their shard.
    MEMBERS_LATE = "members_late" in Count;
    /// From accepted to the end of a job, the slowest of the batch.
    DELIVERY_TOOK_MS = "delivery_took_ms" in Milliseconds;
    /// Messages handed back to their queue.
    MESSAGES_FAILED = "messages_failed" in Count;
    /// Messages that no try will help.
    MESSAGES_POISONOUS = "messages_poisonous" in Count;
    /// Commands of backends that were carried out.
    COMMANDS_OBEYED = "commands_obeyed" in Count;
    /// Records of a stream that failed and come again.
    RECORDS_FAILED = "records_failed" in Count;
    /// Rooms whose members were counted.
    ROOMS_COUNTED = "rooms_counted" in Count;
    /// Presence blocks announced to rooms.
    PRESENCE_ANNOUNCED = "presence_announced" in Count;
    /// Looks at a room that lost a race and began anew.
    PRESENCE_CONFLICTED = "presence_conflicted" in Count;
    /// Checks queued: looks at a room that were put off.
    CHECKS_QUEUED = "checks_queued" in Count;
    /// Memberships of gone connections that nobody else had removed.
    MEMBERS_FORGOTTEN = "members_forgotten" in Count;
    /// Messages published to the `activity` topic.
    ACTIVITIES_TOLD = "activities_told" in Count;
    /// Jobs dropped because what they say is no news any more.
    JOBS_DROPPED = "jobs_dropped" in Count;
    /// Jobs whose positions their shard had been given before: by a job before them, or by themselves.
    JOBS_REPEATED = "jobs_repeated" in Count;
    /// Invocations that ended in an error.
    INVOCATIONS_FAILED = "invocations_failed" in Count;
}
