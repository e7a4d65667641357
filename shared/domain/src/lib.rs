//! Decisions, types and ports of Roomcast: no I/O, no clock, no randomness, no AWS. The types rule
//! out invalid states.
//!
//! Each function of the product is split in two. The decision is a plain function here: the next
//! positions, the members of a range, the meaning of a failed post, the stale connections. The
//! action goes through a port ([`ports`]). Ports use the words of this crate, and would survive a
//! change of cloud. Time and random bits are arguments.

mod activity;
mod backend;
mod ban;
mod change;
mod charge;
mod check;
mod conflict;
mod connection;
mod data;
mod delivery;
mod dispatch;
mod duration;
mod ephemeral;
pub mod flow;
mod hold;
mod identity;
mod job;
mod late;
pub mod limits;
mod membership;
mod name;
mod pacing;
mod portable;
pub mod ports;
mod position;
mod post_rate;
mod presence;
mod publication;
mod range;
mod rate;
mod reject;
mod renewal;
mod resume;
mod retry;
mod sequencing;
mod shard;
mod share;
mod stale;
mod surplus;
mod timestamp;

pub use activity::{Activity, Kind, Kinds, UnknownKind};
pub use backend::{Backend, Scope};
pub use ban::{Ban, BanScope};
pub use change::Change;
pub use charge::Charge;
pub use check::Check;
pub use conflict::conflict_pause;
pub use connection::{Connection, Endpoint, Format, Member};
pub use data::Data;
pub use delivery::{Delivery, Next, Probe};
pub use dispatch::Dispatch;
pub use duration::{BadDuration, parse_duration};
pub use ephemeral::{Said, Whisper, latest, whisper};
pub use hold::{Door, Hold, Intake, Turn};
pub use identity::{Identity, Pattern, Permissions, TokenStamp};
pub use job::{Job, Line, Work};
pub use late::{LateMember, Strike, late_pause};
pub use limits::Limits;
pub use membership::{Membership, too_many};
pub use name::{ConnectionId, Device, GUEST, Key, PublicationId, RoomId, TokenId, UserId};
pub use pacing::{NotAPostRate, Pacer};
pub use portable::{is_portable, portable_json};
pub use position::{Epoch, Generation, Position, Sequence};
pub use post_rate::PostRate;
pub use presence::{Announcement, Census, Owed, Presence, Step};
pub use publication::{Ephemeral, Held, Item, Publication, Publisher, Submission};
pub use range::{Range, coalesce};
pub use rate::Rate;
pub use reject::{Code, Reject};
pub use renewal::{Extension, Holding, Renewal, may_renew, renewal, renewal_pause, told_apart};
pub use resume::{Budget, Reach, Resume, resume};
pub use retry::{Retry, retry_pause};
pub use sequencing::{Append, DedupeKey, Head, Origin, Remembered, plan};
pub use shard::{Growth, Shard, Shards, growth, growth_among_many};
pub use share::{Load, Shares};
pub use stale::{LIVENESS_SHARDS, Stale, Suspect, judge, liveness_shard};
pub use surplus::{Enlisted, surplus};
pub use timestamp::Timestamp;
