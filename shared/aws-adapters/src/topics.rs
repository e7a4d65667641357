//! SNS: the topic for the backends.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use domain::Activity;
use domain::ports::{Activities, Result};
use futures::{StreamExt, TryStreamExt, stream};

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::{translate, undone, unreadable};

/// The time limit of a call to SNS, its retry included.
pub const TOPIC_TIMEOUT: Duration = Duration::from_millis(2_000);
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Entries that one `PublishBatch` takes.
/// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
const ENTRIES_PER_BATCH: usize = 10;
/// `PublishBatch` calls in flight.
const BATCHES_IN_FLIGHT: usize = 4;
/// Rounds after which entries that SNS never takes are given up.
const ROUNDS_PER_BATCH: usize = 3;

/// The topic that backends subscribe to.
#[derive(Debug, Clone)]
pub struct Topics {
    client: Client,
    activity: String,
}

impl Topics {
    /// Uses the topic with this ARN.
    #[must_use]
    pub fn new(account: &Account, activity: impl Into<String>) -> Self {
        let limits = time_limits(TOPIC_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_sns, account, account.endpoint(), limits, one_retry());
        Self { client: Client::from_conf(config), activity: activity.into() }
    }

    /// Publishes a text to a standard topic, as a backend does.
    ///
    /// # Errors
    /// Errors of SNS. After a timeout the text may have been published.
    #[cfg(feature = "operator")]
    pub async fn publish_text(&self, topic_arn: &str, text: &str) -> Result<()> {
        let call = self.client.publish().topic_arn(topic_arn).message(text);
        call.send().await.map(drop).map_err(|error| translate("SNS Publish", &error))
    }

    /// Publishes until every entry was taken. A call that succeeds may contain entries that failed.
    async fn publish(&self, mut entries: Vec<PublishBatchRequestEntry>) -> Result<()> {
        const OPERATION: &str = "SNS PublishBatch (activity)";
        let mut problem = String::new();
        for _ in 0..ROUNDS_PER_BATCH {
            let call = self.client.publish_batch().topic_arn(&self.activity);
            let call = call.set_publish_batch_request_entries(Some(entries.clone()));
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            if let Some(failed) = answer.failed().iter().find(|failed| failed.sender_fault()) {
                let why = failed.message().unwrap_or_default();
                return Err(unreadable(OPERATION, format_args!("{}: {why}", failed.code())));
            }
            let done: HashSet<&str> = answer.successful().iter().filter_map(|entry| entry.id()).collect();
            entries.retain(|entry| !done.contains(entry.id()));
            if entries.is_empty() {
                return Ok(());
            }
            problem = answer.failed().first().map(|failed| failed.code().to_owned()).unwrap_or_default();
        }
        Err(undone(OPERATION, format_args!("{} entries were not taken: {problem}", entries.len())))
    }
}

impl Activities for Topics {
    async fn tell(&self, activities: &[Activity]) -> Result<()> {
        let calls = activities.chunks(ENTRIES_PER_BATCH).map(entries).collect::<Result<Vec<_>>>()?;
        let calls = stream::iter(calls).map(|entries| self.publish(entries));
        calls.buffer_unordered(BATCHES_IN_FLIGHT).try_collect().await
    }
}

fn entries(activities: &[Activity]) -> Result<Vec<PublishBatchRequestEntry>> {
    const OPERATION: &str = "SNS PublishBatch (activity)";
    let entry = |(at, activity): (usize, &Activity)| {
        let body = protocol::queue::encode(activity).map_err(|error| unreadable(OPERATION, error))?;
        let mut entry = PublishBatchRequestEntry::builder().id(at.to_string()).message(body);
        for (name, value) in activity.attributes() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            entry = entry.message_attributes(name, value.build().map_err(|error| unreadable(OPERATION, error))?);
        }
        entry.build().map_err(|error| unreadable(OPERATION, error))
    };
    activities.iter().enumerate().map(entry).collect()
}
