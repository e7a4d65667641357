//! DynamoDB: the two tables, and the calls to them.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder;
use domain::Generation;
use domain::ports::Result;

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::attributes::Item;
use crate::errors::{translate, undone};

/// The time limit of a call to DynamoDB, its retry included: two such calls fit a function's 5 s.
pub const TABLE_TIMEOUT: Duration = Duration::from_millis(2_000);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Keys that one `BatchGetItem` takes.
pub(crate) const KEYS_PER_BATCH: usize = 100;
/// Rounds after which a batch that is never done entirely is given up.
const ROUNDS_PER_BATCH: usize = 5;

/// The connections table and the rooms table.
///
/// Implements [`domain::ports::Connections`], [`domain::ports::Memberships`],
/// [`domain::ports::Rooms`], [`domain::ports::Charges`], [`domain::ports::Rosters`] and
/// [`domain::ports::Presences`].
#[derive(Debug, Clone)]
pub struct Tables {
    pub(crate) client: Client,
    pub(crate) connections: String,
    pub(crate) rooms: String,
    pub(crate) generation: Generation,
}

/// The way in which a batch is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Whole items, as they are now.
    Consistent,
    /// These attributes, as they are or were a moment ago, at half the price.
    Attributes(&'static [&'static str]),
}

fn project(wanted: KeysAndAttributesBuilder, names: &[&str]) -> KeysAndAttributesBuilder {
    let placeholders: Vec<String> = (0..names.len()).map(|at| format!("#{at}")).collect();
    let wanted = wanted.projection_expression(placeholders.join(", "));
    placeholders
        .into_iter()
        .zip(names)
        .fold(wanted, |wanted, (placeholder, name)| wanted.expression_attribute_names(placeholder, *name))
}

impl Tables {
    /// Uses the tables with these names.
    #[must_use]
    pub fn new(account: &Account, connections: impl Into<String>, rooms: impl Into<String>) -> Self {
        let limits = time_limits(TABLE_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_dynamodb, account, account.endpoint(), limits, one_retry());
        let client = Client::from_conf(config);
        Self { client, connections: connections.into(), rooms: rooms.into(), generation: Generation::default() }
    }

    /// Sets the generation of the deployment. Heads of older generations are read in another epoch.
    #[must_use]
    pub fn in_generation(self, generation: Generation) -> Self {
        Self { generation, ..self }
    }

    pub(crate) async fn get(&self, operation: &'static str, table: &str, key: Item) -> Result<Option<Item>> {
        let call = self.client.get_item().table_name(table).set_key(Some(key)).consistent_read(true);
        call.send().await.map(|answer| answer.item).map_err(|error| translate(operation, &error))
    }

    /// Reads whole items consistently, in any number. Absent items are left out.
    pub(crate) async fn batch_get(&self, operation: &'static str, table: &str, keys: Vec<Item>) -> Result<Vec<Item>> {
        self.batch_read(operation, table, keys, Reading::Consistent).await
    }

    /// Reads items, in any number. Absent items are left out.
    pub(crate) async fn batch_read(
        &self,
        operation: &'static str,
        table: &str,
        keys: Vec<Item>,
        reading: Reading,
    ) -> Result<Vec<Item>> {
        let mut items = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_BATCH) {
            self.batch_get_chunk(operation, table, keys.to_vec(), reading, &mut items).await?;
        }
        Ok(items)
    }

    async fn batch_get_chunk(
        &self,
        operation: &'static str,
        table: &str,
        mut keys: Vec<Item>,
        reading: Reading,
        items: &mut Vec<Item>,
    ) -> Result<()> {
        for _ in 0..ROUNDS_PER_BATCH {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys));
            let wanted = match reading {
                Reading::Consistent => wanted.consistent_read(true),
                Reading::Attributes(names) => project(wanted, names),
            };
            let wanted = wanted.build().map_err(|error| undone(operation, error))?;
            let answer = self.client.batch_get_item().request_items(table, wanted).send().await;
            let answer = answer.map_err(|error| translate(operation, &error))?;
            items.extend(answer.responses.unwrap_or_default().remove(table).unwrap_or_default());
            keys = answer.unprocessed_keys.unwrap_or_default().remove(table).map(|rest| rest.keys).unwrap_or_default();
            if keys.is_empty() {
                return Ok(());
            }
        }
        Err(undone(operation, format_args!("{} keys stayed unprocessed", keys.len())))
    }
}
