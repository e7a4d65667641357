//! Tests transactions that hold their items, through the SDK.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, DeleteRequest, Get, Put, PutRequest, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use local::Options;
use tokio::task::JoinHandle;

use crate::harness::{PATIENCE, Running, start, start_with};

const THINGS: &str = "
functions: {}
tables:
  things:
    partition_key: { name: pk, type: S }
";
/// Longer than all calls that a test makes meanwhile.
const HOLD: Duration = Duration::from_millis(1_500);
const ONGOING: &str = "Transaction is ongoing for the item";

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn holding(hold: Duration) -> Running {
    let hold = |options: &mut Options| options.transaction_hold = hold;
    start_with(THINGS, hold).await.unwrap_or_else(|error| panic!("{error}"))
}

fn put(key: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("things").item("pk", value(key)).item("by", value("transaction"));
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

fn check(key: &str) -> TransactWriteItem {
    let check = ConditionCheck::builder().table_name("things").key("pk", value(key));
    let check = check.condition_expression("attribute_not_exists(pk)").build().unwrap();
    TransactWriteItem::builder().condition_check(check).build()
}

fn update(key: &str) -> TransactWriteItem {
    let update = Update::builder().table_name("things").key("pk", value(key)).update_expression("SET seen = :seen");
    let update = update.expression_attribute_values(":seen", value("yes")).build().unwrap();
    TransactWriteItem::builder().update(update).build()
}

async fn transact(running: &Running, items: Vec<TransactWriteItem>) -> Result<(), TransactWriteItemsError> {
    let call = running.stack.clients().dynamodb.transact_write_items().set_transact_items(Some(items));
    call.send().await.map(drop).map_err(|error| error.into_service_error())
}

/// Starts a transaction that puts `held` and checks `checked`, and waits until it holds both.
async fn begin(running: &Running) -> JoinHandle<()> {
    let call = running.stack.clients().dynamodb.transact_write_items();
    let call = call.transact_items(put("held")).transact_items(check("checked"));
    let transaction = tokio::spawn(async move { drop(call.send().await.unwrap()) });
    let deadline = Instant::now() + PATIENCE;
    let delete = || running.stack.clients().dynamodb.delete_item().table_name("things").key("pk", value("held"));
    while delete().send().await.is_ok() {
        assert!(Instant::now() < deadline && !transaction.is_finished(), "nothing is held");
    }
    transaction
}

fn codes(reasons: &[CancellationReason]) -> Vec<(&str, Option<&str>)> {
    reasons.iter().map(|reason| (reason.code().unwrap(), reason.message())).collect()
}

async fn item(running: &Running, key: &str) -> Option<String> {
    let call = running.stack.clients().dynamodb.get_item().table_name("things").key("pk", value(key));
    let item = call.consistent_read(true).send().await.unwrap().item?;
    item.get("by").and_then(|by| by.as_s().ok()).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_on_an_item_of_another_is_cancelled_and_says_which_item() {
    let running = holding(HOLD).await;
    let transaction = begin(&running).await;
    for (items, expected) in [
        (vec![put("free"), update("held")], [("None", None), ("TransactionConflict", Some(ONGOING))]),
        (vec![put("checked"), put("free")], [("TransactionConflict", Some(ONGOING)), ("None", None)]),
    ] {
        let error = transact(&running, items).await.unwrap_err();
        let names: Vec<&str> = expected.iter().map(|(code, _)| *code).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            names.join(", ")
        );
        assert_eq!(error.message(), Some(message.as_str()));
        let TransactWriteItemsError::TransactionCanceledException(error) = error else { panic!("{error:?}") };
        assert_eq!(codes(error.cancellation_reasons()), expected);
    }
    assert_eq!(item(&running, "free").await, None, "nothing of a cancelled transaction is done");
    assert!(!transaction.is_finished());
    transaction.await.unwrap();
    assert_eq!(item(&running, "held").await.as_deref(), Some("transaction"));
    transact(&running, vec![put("checked"), update("held")]).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_an_item_of_a_transaction_is_rejected_and_another_is_not() {
    let running = holding(HOLD).await;
    let transaction = begin(&running).await;
    let dynamodb = &running.stack.clients().dynamodb;
    for key in ["held", "checked"] {
        let put = dynamodb.put_item().table_name("things").item("pk", value(key)).send().await.unwrap_err();
        let update = dynamodb.update_item().table_name("things").key("pk", value(key)).send().await.unwrap_err();
        let delete = dynamodb.delete_item().table_name("things").key("pk", value(key)).send().await.unwrap_err();
        for (code, message) in [(put.code(), put.message()), (update.code(), update.message())]
            .into_iter()
            .chain([(delete.code(), delete.message())])
        {
            assert_eq!((code, message), (Some("TransactionConflictException"), Some(ONGOING)));
        }
        assert_eq!(put.raw_response().unwrap().status().as_u16(), 400);
        assert!(put.into_service_error().is_transaction_conflict_exception());
    }
    dynamodb.put_item().table_name("things").item("pk", value("free")).send().await.unwrap();
    assert!(!transaction.is_finished());
    transaction.await.unwrap();
    dynamodb.delete_item().table_name("things").key("pk", value("held")).send().await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_a_batch_on_items_of_a_transaction_stay_unprocessed() {
    let running = holding(HOLD).await;
    let transaction = begin(&running).await;
    let put = |key: &str| {
        let put = PutRequest::builder().item("pk", value(key)).item("by", value("batch")).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let delete = |key: &str| {
        let delete = DeleteRequest::builder().key("pk", value(key)).build().unwrap();
        WriteRequest::builder().delete_request(delete).build()
    };
    let dynamodb = &running.stack.clients().dynamodb;
    let conflicting = [put("held"), delete("checked")];
    for free in [vec![put("free"), put("other")], vec![]] {
        let batch: Vec<WriteRequest> = conflicting.iter().cloned().chain(free).collect();
        let answer = dynamodb.batch_write_item().request_items("things", batch).send().await.unwrap();
        assert_eq!(answer.unprocessed_items().unwrap()["things"], conflicting);
    }
    assert!(!transaction.is_finished());
    assert_eq!(item(&running, "free").await.as_deref(), Some("batch"));
    transaction.await.unwrap();
    assert_eq!(item(&running, "held").await.as_deref(), Some("transaction"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_reads_an_item_of_another_is_cancelled_and_a_plain_read_is_not() {
    let running = holding(HOLD).await;
    let transaction = begin(&running).await;
    let get = |key: &str| {
        let get = Get::builder().table_name("things").key("pk", value(key)).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    let read = |keys: [&str; 2]| {
        let items = keys.map(get).to_vec();
        running.stack.clients().dynamodb.transact_get_items().set_transact_items(Some(items)).send()
    };
    let error = read(["free", "held"]).await.unwrap_err().into_service_error();
    let TransactGetItemsError::TransactionCanceledException(error) = error else { panic!("{error:?}") };
    assert_eq!(codes(error.cancellation_reasons()), [("None", None), ("TransactionConflict", Some(ONGOING))]);
    read(["free", "other"]).await.unwrap();
    assert_eq!(item(&running, "held").await, None, "it reads what stood before the transaction");
    running.stack.clients().dynamodb.scan().table_name("things").send().await.unwrap();
    assert!(!transaction.is_finished());
    transaction.await.unwrap();
    read(["held", "checked"]).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_holds_its_items_for_10_ms_unless_another_time_is_chosen() {
    let running = start(THINGS).await;
    let begun = Instant::now();
    transact(&running, vec![put("a")]).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(10), "{:?}", begun.elapsed());
    running.stop().await;
    let running = holding(Duration::ZERO).await;
    let all = (0..8).map(|_| transact(&running, vec![put("a"), put("b")]));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok), "calls that hold nothing never conflict");
    running.stop().await;
}
