//! The ledger: publications, members, and deliveries. It is pure: time is an argument, and it does
//! no I/O.
//!
//! A room's ledger is a matrix of publications and members. Membership is an interval between
//! acknowledgements. It begins at the position in the reply to a join, and ends when the member
//! asks to leave. A pair that was not delivered is either **required** (it counts as missing) or
//! **allowed** (it counts as excused). A delivery without a publication is a **phantom**.

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

/// Microseconds since the run began. Signed, so that a clock that steps back is visible.
pub type Micros = i64;
/// The place of a publication in its room.
pub type Sequence = u64;

/// One second in [`Micros`].
pub const SECOND: Micros = 1_000_000;

/// A member that leaves is owed the publications below its position, and those that existed this
/// long before it asked to leave. Other publications may or may not have reached it in time.
pub const LEAVING_GRACE: Micros = 10 * SECOND;

/// A member that waits this long for a publication is stalled, unless it is slow on purpose.
pub const STALL: Micros = 5 * SECOND;
