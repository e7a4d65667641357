//! Tests standard queues through the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use support::{World, bodies};

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

fn attribute(data_type: &str, text: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(text).build().unwrap()
}

#[tokio::test]
async fn a_message_is_received_with_its_attributes_and_checksums_until_it_is_deleted() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([1, 2])).build().unwrap();
    let trace = MessageSystemAttributeValue::builder().data_type("String").string_value("Root=1-2-3").build().unwrap();
    let request = world.sqs.send_message().queue_url(&url).message_body("Test message.");
    let sent = request
        .message_attributes("author", attribute("String", "John"))
        .message_attributes("raw", binary)
        .message_attributes("size", attribute("Number.int", "12"))
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("e4e68fb7bd0e697a0ae8f1bb342846b3"));
    assert!(sent.md5_of_message_system_attributes().is_some());
    assert_eq!(sent.sequence_number(), None);

    let received = world.receive(&url).await;
    let [message] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["raw"].binary_value(), Some(&Blob::new([1, 2])));
    assert_eq!(attributes["size"].data_type(), "Number.int");
    let system = message.attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert_eq!(system[&MessageSystemAttributeName::AwsTraceHeader], "Root=1-2-3");
    assert!(system.contains_key(&MessageSystemAttributeName::SentTimestamp));
    assert!(system.contains_key(&MessageSystemAttributeName::ApproximateFirstReceiveTimestamp));
    assert!(!system.contains_key(&MessageSystemAttributeName::SequenceNumber));

    assert!(world.receive(&url).await.is_empty());
    world.delete(&url, message).await;
    assert_eq!(world.service.stats().queues["work"].in_flight, 0);
}

#[tokio::test]
async fn only_the_attributes_that_were_asked_for_are_shown_and_hashed() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let request = world.sqs.send_message().queue_url(&url).message_body("body");
    let request = request.message_attributes("a.one", attribute("String", "1"));
    let sent = request.message_attributes("b", attribute("String", "2")).send().await.unwrap();
    let request = world.sqs.receive_message().queue_url(&url).message_attribute_names("a.*");
    let received = request.send().await.unwrap().messages.unwrap();
    let attributes = received[0].message_attributes().unwrap();
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["a.one"]);
    assert_ne!(received[0].md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert!(received[0].attributes().is_none());
}

#[tokio::test]
async fn attributes_and_delays_of_a_message_are_checked() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let send = || world.sqs.send_message().queue_url(&url).message_body("body");
    let eleven = (0..11).map(|index| (format!("name{index}"), attribute("String", "x"))).collect();
    let refused = [
        send().set_message_attributes(Some(eleven)),
        send().message_attributes("kind", attribute("Colour", "blue")),
        send().message_attributes("size", attribute("Number", "large")),
        send().message_attributes("empty", attribute("String", "")),
        send().message_attributes("a name", attribute("String", "x")),
        send().message_attributes("odd", attribute("String", "a\u{ffff}")),
        send().delay_seconds(901),
        send().delay_seconds(-1),
    ];
    for request in refused {
        let error = request.send().await.unwrap_err().into_service_error();
        assert_eq!(error.meta().code(), Some("InvalidParameterValue"), "{error:?}");
    }
    send().delay_seconds(900).message_attributes("size", attribute("Number", "1e3")).send().await.unwrap();
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let world = World::start().await;
    let url = world.queue("work", &[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    let request = world.sqs.send_message_batch().queue_url(&url);
    let large = "x".repeat(1025);
    let entries = vec![entry("good", "body"), entry("large", &large), entry("control", "\u{1}"), entry("empty", "")];
    let answer = request.set_entries(Some(entries)).send().await.unwrap();
    assert_eq!(answer.successful().iter().map(|entry| entry.id()).collect::<Vec<_>>(), ["good"]);
    let failed: Vec<_> = answer.failed().iter().map(|entry| (entry.id(), entry.code(), entry.sender_fault())).collect();
    let expected = [
        ("large", "InvalidParameterValue", true),
        ("control", "InvalidMessageContents", true),
        ("empty", "MissingParameter", true),
    ];
    assert_eq!(failed, expected);
    assert_eq!(bodies(&world.receive(&url).await), ["body"]);
}

#[tokio::test]
async fn a_batch_as_a_whole_is_refused_when_it_is_none() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let send = |entries| world.sqs.send_message_batch().queue_url(&url).set_entries(Some(entries)).send();
    let error = send(vec![]).await.unwrap_err().into_service_error();
    assert!(error.is_empty_batch_request(), "{error:?}");
    let eleven = (0..11).map(|index| entry(&index.to_string(), "body")).collect();
    assert!(send(eleven).await.unwrap_err().into_service_error().is_too_many_entries_in_batch_request());
    let twice = vec![entry("a", "body"), entry("a", "body")];
    assert!(send(twice).await.unwrap_err().into_service_error().is_batch_entry_ids_not_distinct());
    assert!(send(vec![entry("a b", "body")]).await.unwrap_err().into_service_error().is_invalid_batch_entry_id());
    let large = "x".repeat(600 * 1024);
    let long = vec![entry("a", &large), entry("b", &large)];
    assert!(send(long).await.unwrap_err().into_service_error().is_batch_request_too_long());
}

#[tokio::test]
async fn a_message_may_have_a_mebibyte_and_not_a_byte_more() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let send = |body: String| world.sqs.send_message().queue_url(&url).message_body(body).send();
    send("x".repeat(1024 * 1024)).await.unwrap();
    let error = send("x".repeat(1024 * 1024 + 1)).await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
    assert_eq!(world.receive(&url).await[0].body().unwrap().len(), 1024 * 1024);
}

#[tokio::test]
async fn a_message_is_visible_again_when_its_receiver_gives_it_back() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    world.send(&url, "body").await;
    let first = world.receive(&url).await;
    let handle = first[0].receipt_handle().unwrap();
    let change = |seconds| {
        let request = world.sqs.change_message_visibility().queue_url(&url).receipt_handle(handle);
        request.visibility_timeout(seconds).send()
    };
    change(0).await.unwrap();
    let error = change(0).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");
    let again = world.receive(&url).await;
    let count = &again[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!((again[0].body(), count.as_str()), (Some("body"), "2"));
    // The older handle deletes nothing, and the call succeeds.
    world.delete(&url, &first[0]).await;
    assert_eq!(world.service.stats().queues["work"].in_flight, 1);
    world.delete(&url, &again[0]).await;
    assert_eq!(world.service.stats().queues["work"].in_flight, 0);
}

#[tokio::test]
async fn batches_of_deletes_and_changes_say_which_entries_failed() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    world.send(&url, "a").await;
    world.send(&url, "b").await;
    let received = world.receive(&url).await;
    let change = |id: &str, handle: &str, seconds| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
        entry.visibility_timeout(seconds).build().unwrap()
    };
    let handle = received[0].receipt_handle().unwrap();
    let entries = vec![change("good", handle, 0), change("long", handle, 43_201), change("handle", "nonsense", 0)];
    let request = world.sqs.change_message_visibility_batch().queue_url(&url).set_entries(Some(entries));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "good");
    let failed: Vec<_> = answer.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    assert_eq!(failed, [("long", "InvalidParameterValue"), ("handle", "ReceiptHandleIsInvalid")]);

    let delete = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let entries = vec![delete("good", received[1].receipt_handle().unwrap()), delete("handle", "nonsense")];
    let request = world.sqs.delete_message_batch().queue_url(&url).set_entries(Some(entries));
    let answer = request.send().await.unwrap();
    assert_eq!((answer.successful()[0].id(), answer.failed()[0].id()), ("good", "handle"));
    assert_eq!(bodies(&world.receive(&url).await), ["a"]);
}

#[tokio::test]
async fn a_long_poll_wakes_for_a_message_and_for_one_whose_delay_ends() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let (received, ()) = tokio::join!(world.receive_within(&url, 20), async {
        while world.service.stats().queues["work"].counters.sent == 0 {
            world.send(&url, "now").await;
        }
    });
    assert_eq!(bodies(&received), ["now"]);
    let started = std::time::Instant::now();
    let later = world.sqs.send_message().queue_url(&url).message_body("later").delay_seconds(1);
    let (received, sent) = tokio::join!(world.receive_within(&url, 20), later.send());
    sent.unwrap();
    assert_eq!(bodies(&received), ["later"]);
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&started.elapsed()));
}

#[tokio::test]
async fn a_long_poll_for_nothing_ends_when_it_said() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let started = std::time::Instant::now();
    assert!(world.receive_within(&url, 1).await.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(990));
}

#[tokio::test]
async fn several_long_polls_share_what_arrives() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let poll = || async {
        let request = world.sqs.receive_message().queue_url(&url).max_number_of_messages(1).wait_time_seconds(20);
        request.send().await.unwrap().messages.unwrap_or_default()
    };
    let (one, other, sent) = tokio::join!(poll(), poll(), async {
        let request = world.sqs.send_message_batch().queue_url(&url);
        request.set_entries(Some(vec![entry("1", "a"), entry("2", "b")])).send().await.unwrap()
    });
    assert_eq!(sent.successful().len(), 2);
    let mut all = [bodies(&one), bodies(&other)].concat();
    all.sort_unstable();
    assert_eq!(all, ["a", "b"]);
}
