//! The ledger: what was published, who was there, who heard what. Pure: time is an argument, and nothing is read or sent.
//!
//! A room's ledger is a matrix of publications and members. Membership is an interval between acknowledgements: it begins
//! at the position of the reply to a join and ends when the member asks to leave. So every pair of publication and member is
//! **required** (missing, if not heard), **allowed** (excused, if not heard) or, if nobody published it, a **phantom**.

mod account;
mod bits;
mod findings;
mod member;
mod publication;
mod room;
mod tally;

pub use account::{Account, Excused, Lost};
pub use bits::Bits;
pub use member::{Member, Owed};
pub use publication::{Answer, Publication};
pub use room::{Heard, How, Room};
pub use tally::{Sample, Tally};

/// Microseconds since the run began. Signed, so that a clock that steps shows.
pub type Micros = i64;
/// The place of a publication in its room.
pub type Sequence = u64;

/// One second.
pub const SECOND: Micros = 1_000_000;

/// A member that leaves is owed what it could have heard by then: below what it has heard, and what existed this long before it
/// asked to leave. The rest may or may not have reached it in time.
pub const LEAVING_GRACE: Micros = 10 * SECOND;

/// A member that waits this long for a publication is stalled, unless it is slow on purpose.
pub const STALL: Micros = 5 * SECOND;
