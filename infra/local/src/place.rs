//! The identity of the local stack: one account in one Region, with one API and one stage.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// The Region of every ARN and of every credential scope.
pub const REGION: &str = "us-east-1";
/// The account of every ARN.
pub const ACCOUNT: &str = "000000000000";
/// The stage of the WebSocket API. It is the first segment of its URLs.
pub const STAGE: &str = "local";
/// The id of the WebSocket API.
pub const API_ID: &str = "local";
/// The id of the HTTP API.
pub const HTTP_API_ID: &str = "localhttp";

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", file.display())]
pub struct Unwritable {
    /// Path of the file.
    pub file: PathBuf,
    /// The error of the operating system.
    pub source: std::io::Error,
}

/// Checks that a file can be written, because it is needed only when the stack is ready. The file's
/// content stays unchanged.
///
/// # Errors
/// [`Unwritable`].
pub fn check_writable(file: &Path) -> Result<(), Unwritable> {
    let existed = file.exists();
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.map_err(|source| Unwritable { file: file.to_owned(), source })?;
    if !existed {
        // The check created the file.
        drop(std::fs::remove_file(file));
    }
    Ok(())
}

/// Returns a table's ARN.
pub(crate) fn table_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
}

/// Returns the ARN of an index of a table.
pub(crate) fn index_arn(table: &str, index: &str) -> String {
    format!("{}/index/{index}", table_arn(table))
}

/// Returns the ARN of every stream of a table. The last segment, the time at which the stream was
/// enabled, does not matter here.
pub(crate) fn stream_arn(table: &str) -> String {
    format!("{}/stream/*", table_arn(table))
}

/// Returns a secret's ARN, without the six random characters that AWS appends.
pub(crate) fn secret_arn(secret: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}")
}

/// Returns a queue's ARN from its physical name.
pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// Returns a topic's ARN from its physical name.
pub(crate) fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")
}

/// Returns the resource of a call on a connection.
pub(crate) fn connections_arn(method: &str) -> String {
    format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{STAGE}/{method}/@connections/*")
}

/// Returns the resource as API Gateway names it to a denied caller. It hides most of the account
/// and the whole connection.
///
/// Source: a capture, <https://github.com/aws-solutions/innovation-sandbox-on-aws/pull/59>
pub(crate) fn shown_connections_arn(method: &str) -> String {
    let account = format!("********{}", &ACCOUNT[8..]);
    format!("arn:aws:execute-api:{REGION}:{account}:{API_ID}/{STAGE}/{method}/@connections/{{connectionId}}")
}
