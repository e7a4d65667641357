//! Conflicts with transactions: DynamoDB refuses a write on an item that a transaction holds, and
//! the SDK does not repeat the write.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>

use std::any::Any;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use domain::conflict_pause;
use domain::limits::CONFLICT_TRIES;
use domain::ports::Chance;

/// Makes a call, and repeats it after a pause as long as it conflicts with a transaction,
/// [`CONFLICT_TRIES`] times at most.
pub(crate) async fn retry_conflicts<T, E, R, F>(call: impl Fn() -> F) -> Result<T, SdkError<E, R>>
where
    F: Future<Output = Result<T, SdkError<E, R>>>,
    E: ProvideErrorMetadata + 'static,
{
    let mut tries = 1;
    loop {
        match call().await {
            Err(error) if tries < CONFLICT_TRIES && error.as_service_error().is_some_and(is_conflict) => {
                tries += 1;
                pause_after_conflict().await;
            }
            outcome => return outcome,
        }
    }
}

/// Waits until the transaction may be over.
pub(crate) async fn pause_after_conflict() {
    tokio::time::sleep(conflict_pause(&OwnChance)).await;
}

/// Reports whether other transactions are the only cause of an error.
fn is_conflict<E: ProvideErrorMetadata + 'static>(error: &E) -> bool {
    match (error as &dyn Any).downcast_ref::<TransactWriteItemsError>() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            let codes: Vec<&str> = codes.filter(|code| *code != "None").collect();
            !codes.is_empty() && codes.iter().all(|code| *code == "TransactionConflict")
        }
        _ => error.code() == Some("TransactionConflictException"),
    }
}

struct OwnChance;

impl Chance for OwnChance {
    fn bits(&self) -> u64 {
        rand::random()
    }
}
