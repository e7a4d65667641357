//! Tests FIFO queues through the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use support::{World, bodies};

#[tokio::test]
async fn a_batch_of_ten_comes_from_one_group_in_order() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    let sent: Vec<String> = (0..25).map(|index| format!("{index:02}")).collect();
    world.send_fifo(&url, "room", &sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for expected in sent.chunks(10) {
        let received = world.receive(&url).await;
        assert_eq!(bodies(&received), expected);
        for message in &received {
            world.delete(&url, message).await;
        }
    }
    assert!(world.receive(&url).await.is_empty());
}

#[tokio::test]
async fn a_batch_is_filled_from_further_groups() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    world.send_fifo(&url, "a", &["a1", "a2"]).await;
    world.send_fifo(&url, "b", &["b1"]).await;
    world.send_fifo(&url, "a", &["a3"]).await;
    assert_eq!(bodies(&world.receive(&url).await), ["a1", "a2", "a3", "b1"]);
}

#[tokio::test]
async fn a_group_is_locked_while_any_of_it_is_in_flight() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    world.send_fifo(&url, "a", &["a1", "a2"]).await;
    let request = world.sqs.receive_message().queue_url(&url).max_number_of_messages(1);
    let first = request.send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&first), ["a1"]);
    world.send_fifo(&url, "b", &["b1"]).await;
    assert_eq!(bodies(&world.receive(&url).await), ["b1"]);
    assert!(world.receive(&url).await.is_empty());

    // A long poll returns as soon as the group is free.
    let (received, ()) = tokio::join!(world.receive_within(&url, 20), world.delete(&url, &first[0]));
    assert_eq!(bodies(&received), ["a2"]);
}

#[tokio::test]
async fn a_message_that_is_given_back_is_first_again() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    world.send_fifo(&url, "a", &["a1", "a2", "a3"]).await;
    let received = world.receive(&url).await;
    world.delete(&url, &received[0]).await;
    for message in received[1..].iter().rev() {
        let request = world.sqs.change_message_visibility().queue_url(&url).visibility_timeout(0);
        request.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }
    let again = world.receive(&url).await;
    assert_eq!(bodies(&again), ["a2", "a3"]);

    let expired = world.sqs.delete_message().queue_url(&url).receipt_handle(received[1].receipt_handle().unwrap());
    let error = expired.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
    assert!(error.meta().message().unwrap().ends_with("Reason: The receipt handle has expired."), "{error:?}");
}

#[tokio::test]
async fn what_was_sent_is_told_again_to_who_sends_it_again_even_after_it_is_deleted() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    let send = |id: &str, group: &str| {
        let request = world.sqs.send_message().queue_url(&url).message_body("body").message_group_id(group);
        request.message_deduplication_id(id).send()
    };
    let first = send("one", "a").await.unwrap();
    let received = world.receive(&url).await;
    let system = received[0].attributes().unwrap();
    assert_eq!(system.get(&MessageSystemAttributeName::SequenceNumber).map(String::as_str), first.sequence_number());
    assert_eq!(system[&MessageSystemAttributeName::MessageGroupId], "a");
    assert_eq!(system[&MessageSystemAttributeName::MessageDeduplicationId], "one");
    world.delete(&url, &received[0]).await;

    let again = send("one", "b").await.unwrap();
    assert_eq!((again.message_id(), again.sequence_number()), (first.message_id(), first.sequence_number()));
    assert!(world.receive(&url).await.is_empty());
    let other = send("two", "a").await.unwrap();
    assert!(other.sequence_number() > first.sequence_number());
    assert_eq!(world.service.stats().queues["work.fifo"].counters.deduplicated, 1);
}

#[tokio::test]
async fn deduplication_may_be_by_content_and_within_a_group() {
    let world = World::start().await;
    let attributes = [
        (QueueAttributeName::ContentBasedDeduplication, "true"),
        (QueueAttributeName::DeduplicationScope, "messageGroup"),
        (QueueAttributeName::FifoThroughputLimit, "perMessageGroupId"),
    ];
    let url = world.queue("work.fifo", &attributes).await;
    for group in ["a", "a", "b"] {
        world.sqs.send_message().queue_url(&url).message_body("same").message_group_id(group).send().await.unwrap();
    }
    assert_eq!(world.receive(&url).await.len(), 2);
}

#[tokio::test]
async fn a_fifo_queue_asks_for_what_it_needs_and_refuses_what_it_cannot_do() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    let send = || world.sqs.send_message().queue_url(&url).message_body("body");
    let error = send().send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("MissingParameter"));
    let error = send().message_group_id("a").send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
    let delayed = send().message_group_id("a").message_deduplication_id("1").delay_seconds(1);
    let error = delayed.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));

    let standard = world.queue("work", &[]).await;
    let request = world.sqs.send_message().queue_url(&standard).message_body("body").message_deduplication_id("1");
    assert_eq!(request.send().await.unwrap_err().into_service_error().meta().code(), Some("InvalidParameterValue"));
    world.sqs.send_message().queue_url(&standard).message_body("fair").message_group_id("a").send().await.unwrap();
    let received = world.receive(&standard).await;
    assert_eq!(received[0].attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId], "a");
}

#[tokio::test]
async fn a_delay_of_the_queue_holds_up_a_group() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[(QueueAttributeName::DelaySeconds, "1")]).await;
    world.send_fifo(&url, "a", &["a1"]).await;
    let zero = world.sqs.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::DelaySeconds, "0");
    zero.send().await.unwrap();
    world.send_fifo(&url, "a", &["a2"]).await;
    assert!(world.receive(&url).await.is_empty());
    assert_eq!(bodies(&world.receive_within(&url, 20).await), ["a1", "a2"]);
}

#[tokio::test]
async fn dead_letters_of_a_group_keep_their_order_and_free_the_rest() {
    let world = World::start().await;
    let dead = world.queue("dead.fifo", &[]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, world.arn(&dead).await);
    let attributes =
        [(QueueAttributeName::RedrivePolicy, policy.as_str()), (QueueAttributeName::VisibilityTimeout, "0")];
    let url = world.queue("work.fifo", &attributes).await;
    world.send_fifo(&url, "a", &["a1", "a2"]).await;
    let sent = world.receive(&url).await;
    assert_eq!(bodies(&sent), ["a1", "a2"]);
    world.send_fifo(&url, "a", &["a3"]).await;
    assert_eq!(bodies(&world.receive(&url).await), ["a3"]);
    let letters = world.receive(&dead).await;
    assert_eq!(bodies(&letters), ["a1", "a2"]);
    let system = letters[0].attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::DeadLetterQueueSourceArn], world.arn(&url).await);
    assert_eq!(system[&MessageSystemAttributeName::MessageGroupId], "a");
    assert_eq!(letters[0].message_id(), sent[0].message_id());
    let id = system.get(&MessageSystemAttributeName::MessageDeduplicationId).map(String::as_str);
    assert_eq!(id, letters[0].message_id(), "two letters that had one deduplication id are both kept");
    assert_eq!(world.service.stats().queues["work.fifo"].counters.dead_lettered, 2);
}

#[tokio::test]
async fn dead_letters_of_a_group_go_back_in_order_as_new_messages() {
    let world = World::start().await;
    let dead = world.queue("dead.fifo", &[]).await;
    let dead_arn = world.arn(&dead).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":1}}"#);
    let attributes =
        [(QueueAttributeName::RedrivePolicy, policy.as_str()), (QueueAttributeName::VisibilityTimeout, "0")];
    let url = world.queue("work.fifo", &attributes).await;
    let other = world.queue("other.fifo", &[]).await;
    let standard = world.queue("standard", &[]).await;
    world.send_fifo(&url, "a", &["a1", "a2", "a3"]).await;
    let sent = world.receive(&url).await;
    assert!(world.receive(&url).await.is_empty(), "all three are dead letters");

    let redrive = || world.sqs.start_message_move_task().source_arn(&dead_arn);
    let error = redrive().destination_arn(world.arn(&standard).await).send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"), "not into a queue of another type");
    redrive().send().await.unwrap();
    let again = world.receive(&url).await;
    assert_eq!(bodies(&again), ["a1", "a2", "a3"]);
    assert_ne!(again[0].message_id(), sent[0].message_id());
    assert_eq!(again[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert!(world.receive(&url).await.is_empty(), "and are dead letters again");

    redrive().destination_arn(world.arn(&other).await).send().await.unwrap();
    assert_eq!(bodies(&world.receive(&other).await), ["a1", "a2", "a3"]);
    assert!(world.receive(&dead).await.is_empty());
}
