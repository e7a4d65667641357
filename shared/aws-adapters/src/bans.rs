//! The bans of each user, in the rooms table: `USER#<user>` / `BAN#` for the user, `USER#<user>` /
//! `BAN#<device>` for a device. `BANS` / `<time>#<user>#<device>` lists the recent ones.

use domain::ports::{Bans, Result};
use domain::{Ban, Device, Timestamp, UserId, limits};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::errors::{translate, unreadable};
use crate::keys;
use crate::tables::Tables;

const USER: &str = "user";
const DEVICE: &str = "device";
const UNTIL: &str = "until";

impl Bans for Tables {
    /// The entry of the list comes first: a ban that was stored is listed, whatever dies.
    async fn ban(&self, ban: &Ban, now: Timestamp) -> Result<()> {
        let listed_until = now.plus(limits::BAN_LISTED);
        for (key, ttl) in [(keys::recent_ban(ban, now), listed_until), (keys::ban(ban), ban.until)] {
            let call = self.client.put_item().table_name(&self.rooms).set_item(Some(to_item(ban, key, ttl)));
            call.send().await.map_err(|error| translate("DynamoDB PutItem (ban)", &error))?;
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
    if let Some(device) = &ban.device {
        key.insert(DEVICE.to_owned(), s(device.as_ref()));
    }
    key.insert(UNTIL.to_owned(), n(ban.until.as_ms()));
    key.insert(keys::TTL.to_owned(), n(ttl.as_s()));
    key
}

fn from_item(item: &Item) -> std::result::Result<Ban, Unreadable> {
    let device = item.maybe_text(DEVICE).map(|_| item.parsed(DEVICE, Device::parse)).transpose()?;
    Ok(Ban { user: item.parsed(USER, UserId::parse)?, device, until: item.moment(UNTIL)? })
}
