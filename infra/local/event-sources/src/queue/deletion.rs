//! Deletes messages ten at a time, and reads every entry of every answer.

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use local_invoke::Invoke;

use super::Mapping;
use crate::endpoint::{CALL_LIMIT, chain};

/// Entries in one call.
const MAX_ENTRIES: usize = 10;

/// Attempts to delete each message. A message that cannot be deleted is delivered again; consumers
/// must accept that anyway.
const ATTEMPTS: u32 = 4;

/// The receipt handle by which a message is deleted.
#[derive(Debug, Clone)]
pub(super) struct Receipt(pub(super) String);

impl<I: Invoke> Mapping<I> {
    /// Deletes messages, and retries those that the answer reports as not deleted.
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
            // Deletion continues while the mapping stops, because deleted messages are not
            // delivered again.
            tokio::time::sleep(self.pace.unavailable.after(attempt)).await;
        }
        let (queue, messages) = (&self.source.queue_arn, receipts.len());
        tracing::warn!(queue, messages, "cannot delete messages: they are delivered again");
    }

    /// Deletes up to ten messages. Returns the receipts for which a retry is useful.
    async fn delete_ten(&self, receipts: &[Receipt]) -> Vec<Receipt> {
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        // Building an entry fails only if a required field is missing, and both are set.
        let Ok(entries) = entries else { return Vec::new() };
        let request = self.client.delete_message_batch().queue_url(&self.source.queue_url).set_entries(Some(entries));
        let answer = match tokio::time::timeout(CALL_LIMIT, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(queue = self.source.queue_arn, error = %chain(&error), "batch deletion failed: the messages are retried");
                return receipts.to_vec();
            }
            Err(_) => return receipts.to_vec(),
        };
        let failed = answer.failed().iter().filter(|failed| {
            let (code, message) = (failed.code(), failed.message().unwrap_or_default());
            tracing::debug!(
                queue = self.source.queue_arn,
                code,
                message,
                "a message was not deleted: it is retried unless the request was wrong"
            );
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
