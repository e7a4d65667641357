//! Secrets Manager, by one call.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::time::Duration;

use domain::ports::{Result, Secrets};
use serde_json::json;

use crate::account::Account;
use crate::errors::unreadable;
use crate::json_calls::{JsonService, Operation};

/// The time limit of one read. At start nothing else waits for it; later a handshake does.
pub const READ_TIMEOUT: Duration = Duration::from_secs(1);
const READ: Operation = Operation {
    name: "Secrets Manager GetSecretValue",
    target: "secretsmanager.GetSecretValue",
    timeout: READ_TIMEOUT,
    // A failed read at start fails the start.
    tries: 3,
    pause: Duration::ZERO,
    // A secret has at most 64 KiB, and JSON may take six characters for a byte.
    answer_bytes: 6 * 64 * 1024 + 4 * 1024,
};

/// The secrets of an account. Values are neither kept nor logged.
#[derive(Debug, Clone)]
pub struct SecretStore {
    service: JsonService,
}

impl SecretStore {
    /// Uses the store of the account's Region, or of its endpoint where one is set.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        Self { service: JsonService::new(account, "secretsmanager") }
    }
}

impl Secrets for SecretStore {
    async fn read(&self, name: &str) -> Result<String> {
        let answer = self.service.call(&READ, &json!({ "SecretId": name })).await?;
        let value = answer["SecretString"].as_str().map(str::to_owned);
        value.ok_or_else(|| unreadable(READ.name, "the secret holds no text"))
    }
}
