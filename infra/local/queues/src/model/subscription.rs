//! A subscription of a queue to a topic, and its attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::filter::{Policy, Scope};
use crate::model::error::Error;

/// A queue that receives the publications of a topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SavedSubscription", into = "SavedSubscription")]
pub(crate) struct Subscription {
    pub(crate) arn: String,
    pub(crate) queue_arn: String,
    pub(crate) is_raw: bool,
    pub(crate) filter: Option<Policy>,
    /// Attributes as they were set.
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct SavedSubscription {
    arn: String,
    queue_arn: String,
    attributes: BTreeMap<String, String>,
}

impl Subscription {
    pub(crate) fn new(arn: String, queue_arn: String) -> Self {
        Self { arn, queue_arn, is_raw: false, filter: None, attributes: BTreeMap::new() }
    }

    /// Sets all attributes or none.
    pub(crate) fn configure<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<(), Error> {
        let mut attributes = self.attributes.clone();
        for (name, value) in changes {
            check_attribute(name, value)?;
            if value.is_empty() || (name == "FilterPolicy" && value.trim() == "{}") {
                attributes.remove(name);
            } else {
                attributes.insert(name.clone(), value.clone());
            }
        }
        let scope = attributes.get("FilterPolicyScope").map_or(Ok(Scope::Attributes), |scope| Scope::parse(scope))?;
        let filter = attributes.get("FilterPolicy").map(|text| Policy::parse(text, scope)).transpose()?;
        self.is_raw = attributes.get("RawMessageDelivery").is_some_and(|value| value == "true");
        (self.filter, self.attributes) = (filter, attributes);
        Ok(())
    }
}

fn check_attribute(name: &str, value: &str) -> Result<(), Error> {
    match name {
        "RawMessageDelivery" if !matches!(value, "true" | "false") => {
            Err(Error::sns_invalid(format!("Attributes Reason: RawMessageDelivery: Invalid value [{value}]")))
        }
        "RawMessageDelivery" | "FilterPolicy" | "FilterPolicyScope" | "RedrivePolicy" | "DeliveryPolicy" => Ok(()),
        _ => Err(Error::sns_invalid("AttributeName")),
    }
}

impl TryFrom<SavedSubscription> for Subscription {
    type Error = Error;

    fn try_from(saved: SavedSubscription) -> Result<Self, Error> {
        let mut subscription = Self::new(saved.arn, saved.queue_arn);
        subscription.configure(saved.attributes.iter())?;
        Ok(subscription)
    }
}

impl From<Subscription> for SavedSubscription {
    fn from(subscription: Subscription) -> Self {
        let Subscription { arn, queue_arn, attributes, .. } = subscription;
        Self { arn, queue_arn, attributes }
    }
}
