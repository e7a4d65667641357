//! Creates topics and subscriptions from within the same process.

use std::collections::BTreeMap;

use super::sns;
use crate::model::error::Error;
use crate::store::service::Service;

impl Service {
    /// Creates a topic (FIFO if its name ends in `.fifo`) or finds it. Returns its ARN.
    ///
    /// # Errors
    /// The name or an attribute is not valid, or the topic exists with other attributes.
    pub fn create_topic(&self, name: &str, attributes: &BTreeMap<String, String>) -> Result<String, Error> {
        sns::ensure_topic(self, name, attributes)
    }

    /// Subscribes a queue to a topic, both by ARN, or finds the subscription. Returns its ARN. The
    /// attributes are those of the API: `RawMessageDelivery`, `FilterPolicy`, `FilterPolicyScope`.
    ///
    /// # Errors
    /// The topic does not exist, an attribute is not valid, or a FIFO queue would subscribe to a
    /// standard topic.
    pub fn subscribe(
        &self,
        topic_arn: &str,
        queue_arn: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        let topic = sns::topic_of(self, topic_arn)?;
        sns::subscribe(&topic, queue_arn, attributes)
    }
}
