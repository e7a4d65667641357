//! `ROOM#<room>` / `PUB#<epoch>#<sequence>`: a publication at its position.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ConnectionId, Data, Position, Publication, PublicationId, RoomId, Timestamp, UserId, limits};

use crate::attributes::{Item, ItemBuilder, Read, Unreadable, n, s};
use crate::keys;

const ID: &str = "id";
const BY: &str = "by";
const SENDER: &str = "sender";
const SILENT: &str = "silent";
const ACCEPTED_AT: &str = "accepted_at";
const SEQUENCED_AT: &str = "sequenced_at";
const DATA: &str = "data";

/// Builds the item. It expires [`limits::RETENTION`] after the publication was sequenced.
pub(crate) fn to_item(room: &RoomId, publication: &Publication) -> Item {
    let Position { epoch, sequence } = &publication.position;
    ItemBuilder::default()
        .set(keys::PK, s(keys::room_key(room)))
        .set(keys::SK, s(keys::log_sk(epoch, *sequence)))
        .set(ID, s(publication.id.as_ref()))
        .set(BY, s(publication.by.as_ref()))
        .maybe(SENDER, publication.sender.as_ref().map(|sender| s(sender.as_ref())))
        .maybe(SILENT, (!publication.echo).then_some(AttributeValue::Bool(true)))
        .set(ACCEPTED_AT, n(publication.accepted_at.as_ms()))
        .set(SEQUENCED_AT, n(publication.sequenced_at.as_ms()))
        .set(DATA, s(publication.data.as_json()))
        .set(keys::TTL, n(publication.sequenced_at.plus(limits::RETENTION).as_s()))
        .build()
}

/// Reads the publication of an item.
pub(crate) fn from_item(item: &Item) -> Result<Publication, Unreadable> {
    let (epoch, sequence) = keys::parse_log_sk(item)?;
    Ok(Publication {
        position: Position { epoch, sequence },
        id: item.parsed(ID, PublicationId::parse)?,
        by: item.parsed(BY, UserId::parse)?,
        sender: item.maybe_text(SENDER).map(|_| item.parsed(SENDER, ConnectionId::parse)).transpose()?,
        echo: !item.contains_key(SILENT),
        accepted_at: item.moment(ACCEPTED_AT)?,
        sequenced_at: item.moment(SEQUENCED_AT)?,
        data: item.parsed(DATA, |json| Data::parse(&json))?,
    })
}

/// Reports whether the row has outlived its retention. DynamoDB may show it for days after that.
pub(crate) fn is_expired(item: &Item, now: Timestamp) -> bool {
    item.number(keys::TTL).is_ok_and(|ttl| ttl <= now.as_s())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Epoch, Sequence};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_publication_survives_its_row(sequence in any::<u64>(), text in ".{0,50}", at in 0_u64..1 << 53, sender in prop::option::of("[A-Za-z=]{1,16}")) {
            let publication = Publication {
                position: Position { epoch: Epoch::from_random(sequence), sequence: Sequence::new(sequence) },
                id: PublicationId::parse("01J9").unwrap(),
                by: UserId::parse("ada").unwrap(),
                echo: sender.is_none(),
                sender: sender.map(|id| ConnectionId::parse(id).unwrap()),
                accepted_at: Timestamp::from_ms(at),
                sequenced_at: Timestamp::from_ms(at + 5),
                data: Data::text(&text).unwrap(),
            };
            let item = to_item(&RoomId::parse("lobby").unwrap(), &publication);
            prop_assert_eq!(from_item(&item).unwrap(), publication);
            prop_assert!(!is_expired(&item, Timestamp::from_ms(at)));
            prop_assert!(is_expired(&item, Timestamp::from_ms(at + 5).plus(limits::RETENTION)));
        }
    }
}
