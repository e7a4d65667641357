//! The bans of each user, in the rooms table: `USER#<user>` / `BAN#<scope>`. The scope is empty for
//! the user, the name of a device, `TOKEN#<id>` for a token, and `ISSUED#` for the tokens that were
//! issued before a time. `BANS` / `<time>#<user>#<scope>` lists the recent ones.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use domain::ports::{Bans, Result};
use domain::{Ban, BanScope, Device, Timestamp, TokenId, UserId, limits};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::errors::{translate, unreadable};
use crate::keys;
use crate::tables::Tables;

const USER: &str = "user";
const DEVICE: &str = "device";
const TOKEN_ID: &str = "token_id";
const ISSUED_BEFORE: &str = "issued_before";
const UNTIL: &str = "until";

impl Bans for Tables {
    /// The entry of the list comes first: a ban that was stored is listed, whatever dies.
    async fn ban(&self, ban: &Ban, now: Timestamp) -> Result<()> {
        let listed_until = now.plus(limits::BAN_LISTED);
        for (key, ttl) in [(keys::recent_ban(ban, now), listed_until), (keys::ban(ban), ban.until)] {
            self.put_ban(ban, key, ttl).await?;
        }
        Ok(())
    }

    async fn bans_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ban>> {
        let bans = self.read_bans(keys::directory_pk(user), "begins_with(sk, :bound)", keys::BAN).await?;
        Ok(bans.into_iter().filter(|ban| now < ban.until).collect())
    }

    async fn bans_since(&self, since: Timestamp) -> Result<Vec<Ban>> {
        self.read_bans(keys::BANS.to_owned(), "sk >= :bound", &keys::recent_bans_since(since)).await
    }
}

impl Tables {
    /// Puts a ban. A revocation of tokens does not replace one of a later time: commands may arrive
    /// twice, and in another order.
    async fn put_ban(&self, ban: &Ban, key: Item, ttl: Timestamp) -> Result<()> {
        let call = self.client.put_item().table_name(&self.rooms).set_item(Some(to_item(ban, key, ttl)));
        let call = match &ban.scope {
            BanScope::IssuedBefore(moment) => call
                .condition_expression("attribute_not_exists(issued_before) OR issued_before <= :moment")
                .expression_attribute_values(":moment", n(moment.as_ms())),
            BanScope::User | BanScope::Device(_) | BanScope::Token(_) => call,
        };
        let Err(error) = call.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(translate("DynamoDB PutItem (ban)", &error)),
        }
    }

    /// Reads the bans of a partition whose sort keys satisfy this condition.
    async fn read_bans(&self, partition: String, condition: &str, bound: &str) -> Result<Vec<Ban>> {
        const OPERATION: &str = "DynamoDB Query (bans)";
        let (mut bans, mut start) = (Vec::new(), None::<Item>);
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.rooms)
                .key_condition_expression(format!("pk = :partition AND {condition}"))
                .expression_attribute_values(":partition", s(partition.clone()))
                .expression_attribute_values(":bound", s(bound))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                bans.push(from_item(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(bans);
            }
        }
    }
}

fn to_item(ban: &Ban, mut key: Item, ttl: Timestamp) -> Item {
    key.insert(USER.to_owned(), s(ban.user.as_ref()));
    match &ban.scope {
        BanScope::User => {}
        BanScope::Device(device) => drop(key.insert(DEVICE.to_owned(), s(device.as_ref()))),
        BanScope::Token(id) => drop(key.insert(TOKEN_ID.to_owned(), s(id.as_ref()))),
        BanScope::IssuedBefore(moment) => drop(key.insert(ISSUED_BEFORE.to_owned(), n(moment.as_ms()))),
    }
    key.insert(UNTIL.to_owned(), n(ban.until.as_ms()));
    key.insert(keys::TTL.to_owned(), n(ttl.as_s()));
    key
}

fn from_item(item: &Item) -> std::result::Result<Ban, Unreadable> {
    let scope = if let Some(moment) = item.maybe_moment(ISSUED_BEFORE)? {
        BanScope::IssuedBefore(moment)
    } else if item.contains_key(TOKEN_ID) {
        BanScope::Token(item.parsed(TOKEN_ID, TokenId::parse)?)
    } else if item.contains_key(DEVICE) {
        BanScope::Device(item.parsed(DEVICE, Device::parse)?)
    } else {
        BanScope::User
    };
    Ok(Ban { user: item.parsed(USER, UserId::parse)?, scope, until: item.moment(UNTIL)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> impl Strategy<Value = BanScope> {
        prop_oneof![
            Just(BanScope::User),
            "[a-zA-Z0-9:.-]{1,64}".prop_map(|name| BanScope::Device(Device::parse(name).unwrap())),
            "[!-\"$-~]{1,128}".prop_map(|id| BanScope::Token(TokenId::parse(id).unwrap())),
            (0_u64..1 << 53).prop_map(|moment| BanScope::IssuedBefore(Timestamp::from_ms(moment))),
        ]
    }

    proptest! {
        #[test]
        fn a_ban_survives_its_item_and_no_two_bans_of_a_user_share_a_key_unless_one_replaces_the_other(
            scopes in (scope(), scope()), until in 0_u64..1 << 53
        ) {
            let of = |scope: &BanScope| Ban {
                user: UserId::parse("ada").unwrap(),
                scope: scope.clone(),
                until: Timestamp::from_ms(until),
            };
            let (one, other) = (of(&scopes.0), of(&scopes.1));
            prop_assert_eq!(&from_item(&to_item(&one, keys::ban(&one), one.until)).unwrap(), &one);
            prop_assert_eq!(keys::ban(&one) == keys::ban(&other), one.scope.has_place_of(&other.scope));
        }
    }
}
