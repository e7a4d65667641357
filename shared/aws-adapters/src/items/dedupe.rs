//! `DEDUPE#<room>#<publisher>#<publication id>`: the id has been used, for the publication at this
//! position.

use domain::{DedupeKey, Epoch, Position, Remembered, Sequence, Timestamp, limits};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::keys;

/// The epoch of its publication.
pub(crate) const EPOCH: &str = "epoch";
/// The sequence of its publication.
pub(crate) const SEQ: &str = "seq";

/// Builds the item. It expires [`limits::DEDUPE`] after the publication was sequenced.
pub(crate) fn to_item(key: &DedupeKey, Remembered { position, sequenced_at }: &Remembered) -> Item {
    let mut item = keys::dedupe(key);
    item.insert(EPOCH.to_owned(), s(position.epoch.as_str()));
    item.insert(SEQ.to_owned(), n(position.sequence.get()));
    item.insert(keys::TTL.to_owned(), n(sequenced_at.plus(limits::DEDUPE).as_s()));
    item
}

/// Reads the position and the time from an item.
pub(crate) fn from_item(item: &Item) -> Result<Remembered, Unreadable> {
    let (epoch, sequence) = (item.parsed(EPOCH, Epoch::parse)?, Sequence::new(item.number(SEQ)?));
    let expires_at = Timestamp::from_ms(item.number(keys::TTL)?.saturating_mul(1_000));
    Ok(Remembered { position: Position { epoch, sequence }, sequenced_at: expires_at.minus(limits::DEDUPE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{PublicationId, Publisher, RoomId, UserId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_survives_its_item_to_the_second(sequence in any::<u64>(), at_s in 0_u64..1 << 40) {
            let key = DedupeKey {
                room: RoomId::parse("lobby").unwrap(),
                publisher: Publisher::user(&UserId::parse("ada").unwrap()),
                id: PublicationId::parse("01J9").unwrap(),
            };
            let position = Position { epoch: Epoch::from_random(sequence), sequence: Sequence::new(sequence) };
            let remembered = Remembered { position, sequenced_at: Timestamp::from_ms(at_s * 1_000) };
            prop_assert_eq!(from_item(&to_item(&key, &remembered)).unwrap(), remembered);
        }
    }
}
