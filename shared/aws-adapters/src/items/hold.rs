//! `HELD#<room>` / `HELD`: the hold of a room.

use domain::{Hold, Timestamp};

use crate::attributes::{Item, Read, Unreadable};

/// The time at which the hold began, in milliseconds.
pub(crate) const BEGAN: &str = "began";
/// The time at which the hold ends, in milliseconds. The `ttl` is the same time.
pub(crate) const HELD_UNTIL: &str = "held_until";
/// The time at which the hold whose gate was reached began, in milliseconds.
pub(crate) const PASSED: &str = "passed";
/// The number of the last held publication.
pub(crate) const NUMBERED: &str = "numbered";
/// The number of the last held publication that has left the queue.
pub(crate) const RELEASED: &str = "released";

/// The hold of an item.
pub(crate) fn from_item(item: &Item) -> Result<Hold, Unreadable> {
    let began = item.moment(BEGAN)?;
    let released = item.maybe_moment(RELEASED)?.map(Timestamp::as_ms);
    Ok(Hold {
        began,
        until: item.moment(HELD_UNTIL)?,
        is_passed: item.maybe_moment(PASSED)? == Some(began),
        numbered: item.number(NUMBERED)?,
        released: released.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{ItemBuilder, n};

    #[test]
    fn a_gate_counts_for_the_hold_that_it_names() {
        let item = |passed: u64| {
            let item = ItemBuilder::default().set(BEGAN, n(5_u64)).set(HELD_UNTIL, n(9_u64)).set(NUMBERED, n(7_u64));
            item.set(PASSED, n(passed)).build()
        };
        let hold = from_item(&item(5)).unwrap();
        let at = Timestamp::from_ms;
        assert_eq!(hold, Hold { began: at(5), until: at(9), is_passed: true, numbered: 7, released: 0 });
        assert!(!from_item(&item(4)).unwrap().is_passed);
    }

    #[test]
    fn a_hold_without_a_number_cannot_be_read() {
        let item = ItemBuilder::default().set(BEGAN, n(5_u64)).set(HELD_UNTIL, n(9_u64)).build();
        assert_eq!(from_item(&item), Err(Unreadable::Missing(NUMBERED)));
    }
}
