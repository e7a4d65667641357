//! Metrics, named `noun_pastverb[_unit]`. Ids are fields, never dimensions.

/// A metric of CloudWatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// What it counts, in a sentence.
    pub help: &'static str,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A time in milliseconds.
    Milliseconds,
}

impl Unit {
    /// Returns the name of the unit in the embedded metric format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal in $unit:ident;)+) => {
        $(
            $(#[doc = $doc])+
            pub const $name: Metric =
                Metric { name: $text, unit: Unit::$unit, help: concat!($($doc),+).trim_ascii_start() };
        )+
        /// All metrics, in this order.
        pub const ALL: &[Metric] = &[$($name),+];
    };
}

metrics! {
    /// Handshakes that were accepted.
    CONNECTIONS_OPENED = "connections_opened" in Count;
    /// Handshakes that were refused.
    CONNECTIONS_REFUSED = "connections_refused" in Count;
    /// Handshakes that `connect` answered with 5xx because of a fault of the deployment. They are
    /// also among those that were refused.
    CONNECTS_FAILED = "connects_failed" in Count;
    /// Connections removed on `$disconnect`.
    CONNECTIONS_CLOSED = "connections_closed" in Count;
    /// Connections removed because a post to them was answered with 410.
    CONNECTIONS_GONE = "connections_gone" in Count;
    /// Connections removed by the reaper.
    CONNECTIONS_REAPED = "connections_reaped" in Count;
    /// Connections closed because their token had expired.
    CONNECTIONS_EXPIRED = "connections_expired" in Count;
    /// Connections closed by the reaper because their user or device was banned, or their token
    /// revoked.
    CONNECTIONS_BANNED = "connections_banned" in Count;
    /// Connections ended because their user opened newer ones and has too many.
    CONNECTIONS_REPLACED = "connections_replaced" in Count;
    /// Stale connections that proved to be alive.
    CONNECTIONS_PROBED = "connections_probed" in Count;
    /// Connections closed because they did not read or answer. Their clients connect again and
    /// sync.
    CONNECTIONS_EVICTED = "connections_evicted" in Count;
    /// Requests that were carried out.
    REQUESTS_SERVED = "requests_served" in Count;
    /// Requests that were refused with a code.
    REQUESTS_REJECTED = "requests_rejected" in Count;
    /// Memberships written for joins.
    MEMBERS_JOINED = "members_joined" in Count;
    /// Memberships removed by a leave or a renewal.
    MEMBERS_LEFT = "members_left" in Count;
    /// Tokens renewed on live connections.
    TOKENS_RENEWED = "tokens_renewed" in Count;
    /// Rooms that got more shards.
    ROOMS_GROWN = "rooms_grown" in Count;
    /// Joins and resumes answered with `recovered: false`.
    RESUMES_LOST = "resumes_lost" in Count;
    /// Publications replayed in replies.
    PUBLICATIONS_REPLAYED = "publications_replayed" in Count;
    /// Publications accepted through any door.
    PUBLICATIONS_ACCEPTED = "publications_accepted" in Count;
    /// Publications of backends that are held because their room is beyond its rate.
    PUBLICATIONS_HELD = "publications_held" in Count;
    /// Publications that got a position.
    PUBLICATIONS_SEQUENCED = "publications_sequenced" in Count;
    /// Publications dropped as repeats.
    PUBLICATIONS_DEDUPED = "publications_deduped" in Count;
    /// Time from accepted to sequenced; the slowest of the batch.
    SEQUENCING_TOOK_MS = "sequencing_took_ms" in Milliseconds;
    /// Sequencing transactions that lost a race and were tried again.
    TRANSACTIONS_CONFLICTED = "transactions_conflicted" in Count;
    /// Jobs queued for the fan-out.
    JOBS_QUEUED = "jobs_queued" in Count;
    /// Jobs done; one job is a range for one shard.
    JOBS_DELIVERED = "jobs_delivered" in Count;
    /// Posts made, whatever their outcome.
    POSTS_SENT = "posts_sent" in Count;
    /// Posts that the gateway accepted.
    POSTS_DELIVERED = "posts_delivered" in Count;
    /// Posts answered with 410.
    POSTS_GONE = "posts_gone" in Count;
    /// Posts answered with 410 within 30 s of the connect.
    POSTS_NOT_READY = "posts_not_ready" in Count;
    /// Posts answered with 429.
    POSTS_THROTTLED = "posts_throttled" in Count;
    /// Posts answered with 413.
    POSTS_TOO_LARGE = "posts_too_large" in Count;
    /// Posts with another answer, or with none.
    POSTS_FAILED = "posts_failed" in Count;
    /// Members that left the main line of their shard.
    MEMBERS_LATE = "members_late" in Count;
    /// Time from accepted to the end of a job; the slowest of the batch.
    DELIVERY_TOOK_MS = "delivery_took_ms" in Milliseconds;
    /// Messages returned to their queue.
    MESSAGES_FAILED = "messages_failed" in Count;
    /// Messages that no retry can help: they became dead letters. Also stream records that
    /// `presence` cannot read and skips.
    MESSAGES_POISONOUS = "messages_poisonous" in Count;
    /// Commands of backends that were carried out.
    COMMANDS_OBEYED = "commands_obeyed" in Count;
    /// Stream records that failed and are delivered again.
    RECORDS_FAILED = "records_failed" in Count;
    /// Rooms whose members were counted.
    ROOMS_COUNTED = "rooms_counted" in Count;
    /// Presence blocks announced to rooms.
    PRESENCE_ANNOUNCED = "presence_announced" in Count;
    /// Updates of a room's presence that lost a race and started again.
    PRESENCE_CONFLICTED = "presence_conflicted" in Count;
    /// Checks queued: rooms to be counted later.
    CHECKS_QUEUED = "checks_queued" in Count;
    /// Memberships of closed connections that `presence` removed.
    MEMBERS_FORGOTTEN = "members_forgotten" in Count;
    /// Messages published to the topic `activity`.
    ACTIVITIES_TOLD = "activities_told" in Count;
    /// Jobs of presence or ephemeral content that were dropped because they were 10 s old.
    JOBS_DROPPED = "jobs_dropped" in Count;
    /// Jobs whose range their shard had already been delivered.
    JOBS_REPEATED = "jobs_repeated" in Count;
    /// Invocations that ended in an error.
    INVOCATIONS_FAILED = "invocations_failed" in Count;
}
