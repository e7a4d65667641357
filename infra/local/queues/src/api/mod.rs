//! The calls of SQS and SNS, and the calls of the same process.

mod provision;
mod sns;
mod sqs;

use bytes::Bytes;
use http::Response;

use crate::store::service::Service;

impl Service {
    /// Answers a call of SQS in AWS JSON 1.0. `action` is the text after `AmazonSQS.` in the header
    /// `x-amz-target`. `ReceiveMessage` takes as long as it may wait. Dropping the future ends the
    /// wait and loses nothing.
    pub async fn handle_sqs(&self, action: &str, body: Bytes) -> Response<Bytes> {
        sqs::handle(self, action, &body).await
    }

    /// Answers a call of SNS in the query protocol. `form` is the body of the request.
    pub async fn handle_sns(&self, form: Bytes) -> Response<Bytes> {
        sns::handle(self, &form)
    }
}

/// Returns the name of the queue that a call of SQS uses, for an access decision. Returns `None`
/// for calls without a particular queue, such as `ListQueues`.
#[must_use]
pub fn sqs_resource(action: &str, body: &[u8]) -> Option<String> {
    sqs::resource(action, body)
}

/// Returns the action of a call of SNS, and the name of its topic if it has one, for an access
/// decision. Returns `None` if the form has no action.
#[must_use]
pub fn sns_resource(form: &[u8]) -> Option<(String, Option<String>)> {
    sns::resource(form)
}
