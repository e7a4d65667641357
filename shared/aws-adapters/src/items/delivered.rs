//! `ROOM#<room>#<shard>` / `DELIVERED#<epoch>`: the last run of the log that a shard has received.

use domain::{Epoch, Range, RoomId, Sequence, Shard, Timestamp, limits};

use crate::attributes::{Item, ItemBuilder, Read, Unreadable, n, s};
use crate::keys;

/// The epoch of the run.
const EPOCH: &str = "epoch";
/// The last sequence of the run.
pub(crate) const THROUGH: &str = "through";
const AFTER: &str = "after";

/// Builds the item. It is of use only as long as the rows of its run exist.
pub(crate) fn to_item(room: &RoomId, shard: Shard, range: &Range, now: Timestamp) -> Item {
    let item = ItemBuilder::default()
        .set(EPOCH, s(range.epoch.as_str()))
        .set(AFTER, n(range.after.get()))
        .set(THROUGH, n(range.through.get()))
        .set(keys::TTL, n(now.plus(limits::RETENTION).as_s()));
    let mut item = item.build();
    item.extend(keys::delivered(room, shard, &range.epoch));
    item
}

/// Reads the range of an item.
pub(crate) fn from_item(item: &Item) -> Result<Range, Unreadable> {
    Ok(Range {
        epoch: item.parsed(EPOCH, Epoch::parse)?,
        after: Sequence::new(item.number(AFTER)?),
        through: Sequence::new(item.number(THROUGH)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_range_survives_its_item(after in any::<u64>(), through in any::<u64>(), random in any::<u64>(), shard in 0_u16..1_024) {
            let epoch = Epoch::from_random(random);
            let range = Range { epoch, after: Sequence::new(after), through: Sequence::new(through) };
            let (room, now) = (RoomId::parse("lobby").unwrap(), Timestamp::from_ms(1_764_000_000_000));
            let item = to_item(&room, Shard::new(shard), &range, now);
            prop_assert_eq!(from_item(&item).unwrap(), range);
        }
    }
}
