//! SNS: the topic of the commands of backends.

use aws_sdk_sns::Client;
use domain::UserId;
use domain::ports::{Commands, Result};
use serde_json::json;

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::translate;
use crate::topics::{ATTEMPT_TIMEOUT, TOPIC_TIMEOUT};

/// The topic that feeds the queue of commands.
#[derive(Debug, Clone)]
pub struct CommandTopic {
    client: Client,
    arn: String,
}

impl CommandTopic {
    /// Uses the topic with this ARN.
    #[must_use]
    pub fn new(account: &Account, arn: impl Into<String>) -> Self {
        let limits = time_limits(TOPIC_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_sns, account, account.endpoint(), limits, one_retry());
        Self { client: Client::from_conf(config), arn: arn.into() }
    }
}

impl Commands for CommandTopic {
    async fn close_user(&self, user: &UserId) -> Result<()> {
        let command = json!({ "command": "close", "user": user }).to_string();
        let call = self.client.publish().topic_arn(&self.arn).message(command);
        call.send().await.map(drop).map_err(|error| translate("SNS Publish (commands)", &error))
    }
}
