//! `HEAD#<room>` / `HEAD`: the end of a room's log.

use domain::{Epoch, Generation, Head, Load, Origin, RoomId, Sequence, Shards, Shares, Timestamp};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::keys;

/// The epoch of the room.
pub(crate) const EPOCH: &str = "epoch";
/// The last sequence that was assigned.
pub(crate) const SEQ: &str = "seq";
/// The sequence up to which jobs are queued.
pub(crate) const SENT: &str = "sent";
/// The time at which jobs were queued last in this epoch, in milliseconds.
pub(crate) const SENT_AT: &str = "sent_at";
/// The number of shards of the room's members.
pub(crate) const SHARDS: &str = "shards";
/// The time until which publications take up the room's rate, in milliseconds.
pub(crate) const BUSY_UNTIL: &str = "busy_until";
/// The publishers that take it up: the text of [`Shares`].
pub(crate) const SHARES: &str = "used_by";

/// The generation of the deployment in which the epoch began.
pub(crate) const GENERATION: &str = "generation";

/// Builds the item. Its `ttl` grows with appends and joins.
pub(crate) fn to_item(room: &RoomId, head: &Head) -> Item {
    let mut item = keys::head(room);
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set(GENERATION, n(head.generation.get()));
    set(keys::TTL, n(head.expires_at.as_s()));
    set(EPOCH, s(head.epoch.as_str()));
    set(SEQ, n(head.sequence.get()));
    set(SENT, n(head.sent.get()));
    set(SENT_AT, n(head.sent_at.as_ms()));
    set(SHARDS, n(head.shards.get()));
    set(BUSY_UNTIL, n(head.busy_until.as_ms()));
    set(SHARES, s(head.shares.to_text()));
    item
}

/// Reads the head of an item.
pub(crate) fn from_item(item: &Item) -> Result<Head, Unreadable> {
    let shards = u16::try_from(item.number(SHARDS)?);
    Ok(Head {
        origin: Origin::Stored,
        generation: Generation::new(item.number(GENERATION)?),
        expires_at: Timestamp::from_ms(item.number(keys::TTL)?.saturating_mul(1_000)),
        epoch: item.parsed(EPOCH, Epoch::parse)?,
        sequence: Sequence::new(item.number(SEQ)?),
        sent: Sequence::new(item.number(SENT)?),
        sent_at: item.maybe_moment(SENT_AT)?.unwrap_or_default(),
        shards: shards.map(Shards::new).map_err(|error| Unreadable::Invalid(SHARDS, error.to_string()))?,
        busy_until: busy_until(item)?,
        shares: shares(item)?,
    })
}

/// Reads the time until which the room's rate is taken up. For an item without it, it is the
/// beginning of 1970.
pub(crate) fn busy_until(item: &Item) -> Result<Timestamp, Unreadable> {
    item.maybe_moment(BUSY_UNTIL).map(Option::unwrap_or_default)
}

/// Reads the publishers that take up the room's rate. An item without them has none.
fn shares(item: &Item) -> Result<Shares, Unreadable> {
    match item.maybe_text(SHARES) {
        Some(text) => Shares::parse(text).ok_or_else(|| Unreadable::Invalid(SHARES, text.to_owned())),
        None => Ok(Shares::default()),
    }
}

/// Reads the load of the room.
pub(crate) fn load(item: &Item) -> Result<Load, Unreadable> {
    Ok(Load { busy_until: busy_until(item)?, shares: shares(item)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Publisher, UserId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_survives_its_item(seq in any::<u64>(), sent in any::<u64>(), shards in 1_u16.., busy in any::<u64>(), sent_at in any::<u64>(), random in any::<u64>()) {
            let publisher = Publisher::user(&UserId::parse("ada").unwrap());
            let head = Head {
                shares: Shares::default().note((0..busy % 3).map(|_| &publisher), Timestamp::from_ms(seq >> 9)),
                origin: Origin::Stored,
                generation: Generation::new(busy),
                expires_at: Timestamp::from_ms(u64::from(shards) * 1_000),
                epoch: Epoch::from_random(random),
                sequence: Sequence::new(seq),
                sent: Sequence::new(sent),
                sent_at: Timestamp::from_ms(sent_at),
                shards: Shards::new(shards),
                busy_until: Timestamp::from_ms(busy),
            };
            let room = RoomId::parse("lobby").unwrap();
            prop_assert_eq!(from_item(&to_item(&room, &head)).unwrap(), head);
        }
    }
}
