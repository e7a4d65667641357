//! Deletes messages in tens, and reads every entry of every answer.

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use local_invoke::Invoke;

use super::Mapping;
use crate::endpoint::{CALL_LIMIT, chain};

/// Entries of one call.
const MAX_ENTRIES: usize = 10;

/// Attempts for each message. One that cannot be deleted comes again, which consumers must bear anyway.
const ATTEMPTS: u32 = 4;

/// What a message is deleted by.
#[derive(Debug, Clone)]
pub(super) struct Receipt(pub(super) String);

impl<I: Invoke> Mapping<I> {
    /// Deletes messages, and tries again those that the answer says were not.
    pub(super) async fn delete(&self, mut receipts: Vec<Receipt>) {
        for attempt in 1..=ATTEMPTS {
            let mut failed = Vec::new();
            for ten in receipts.chunks(MAX_ENTRIES) {
                failed.extend(self.delete_ten(ten).await);
            }
            if failed.is_empty() {
                return;
            }
            self.counters.errors.add(failed.len());
            receipts = failed;
            // Deleting goes on while stopping: it is what keeps messages from coming again.
            tokio::time::sleep(self.pace.unavailable.after(attempt)).await;
        }
        let (queue, messages) = (&self.source.queue_arn, receipts.len());
        tracing::warn!(queue, messages, "cannot delete messages: they will come again");
    }

    /// Returns the receipts that are worth another attempt.
    async fn delete_ten(&self, receipts: &[Receipt]) -> Vec<Receipt> {
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        // Both required fields are given.
        let Ok(entries) = entries else { return Vec::new() };
        let request = self.client.delete_message_batch().queue_url(&self.source.queue_url).set_entries(Some(entries));
        let answer = match tokio::time::timeout(CALL_LIMIT, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(queue = self.source.queue_arn, error = %chain(&error), "cannot delete messages");
                return receipts.to_vec();
            }
            Err(_) => return receipts.to_vec(),
        };
        let failed = answer.failed().iter().filter(|failed| {
            let (code, message) = (failed.code(), failed.message().unwrap_or_default());
            tracing::debug!(queue = self.source.queue_arn, code, message, "a message was not deleted");
            !failed.sender_fault()
        });
        failed.filter_map(|failed| receipts.get(failed.id().parse::<usize>().ok()?).cloned()).collect()
    }
}

fn entry(
    (place, receipt): (usize, &Receipt),
) -> Result<DeleteMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(&receipt.0).build()
}
