//! Tests the management of queues and redrive through the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::HashMap;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use local_queues::{sns_resource, sqs_resource};
use support::{World, bodies};

#[tokio::test]
async fn a_queue_is_created_once_and_found_by_its_name() {
    let world = World::start().await;
    let url = world.queue("work", &[(QueueAttributeName::VisibilityTimeout, "7")]).await;
    assert_eq!(url, format!("{}/000000000000/work", world.base_url));
    assert_eq!(world.queue("work", &[(QueueAttributeName::VisibilityTimeout, "7")]).await, url);
    let other = world.sqs.create_queue().queue_name("work").attributes(QueueAttributeName::VisibilityTimeout, "8");
    assert!(other.send().await.unwrap_err().into_service_error().is_queue_name_exists());
    let found = world.sqs.get_queue_url().queue_name("work").send().await.unwrap();
    assert_eq!(found.queue_url(), Some(url.as_str()));
    let attributes = world.attributes(&url).await;
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "7");
    assert_eq!(attributes[&QueueAttributeName::QueueArn], "arn:aws:sqs:us-east-1:000000000000:work");
    assert!(!attributes.contains_key(&QueueAttributeName::FifoQueue));
}

#[tokio::test]
async fn a_queue_that_is_none_is_known_to_be_so_by_every_call() {
    let world = World::start().await;
    let url = format!("{}/000000000000/none", world.base_url);
    let error = world.sqs.get_queue_url().queue_name("none").send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist());
    assert_eq!(error.message(), Some("The specified queue does not exist."));
    let error = world.sqs.send_message().queue_url(&url).message_body("body").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    let error = world.sqs.receive_message().queue_url(&url).send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    let error = world.sqs.delete_message().queue_url(&url).receipt_handle("x").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn deleting_a_queue_ends_the_long_polls_on_it() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    let poll = world.sqs.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let (polled, deleted) = tokio::join!(poll, world.sqs.delete_queue().queue_url(&url).send());
    deleted.unwrap();
    assert!(polled.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn names_attributes_and_numbers_are_checked() {
    let world = World::start().await;
    let create = |name: &str| world.sqs.create_queue().queue_name(name);
    let error = create("no spaces").send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let error = create("work.fifo").send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let fifo = create("standard").attributes(QueueAttributeName::FifoQueue, "true");
    assert_eq!(fifo.send().await.unwrap_err().into_service_error().code(), Some("InvalidParameterValue"));
    let error = create("work").attributes(QueueAttributeName::from("Color"), "blue").send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_attribute_name());
    let url = world.queue("work", &[]).await;
    let receive = || world.sqs.receive_message().queue_url(&url);
    for request in
        [receive().max_number_of_messages(11), receive().wait_time_seconds(21), receive().visibility_timeout(-1)]
    {
        assert_eq!(request.send().await.unwrap_err().into_service_error().code(), Some("InvalidParameterValue"));
    }
    let handle = world.sqs.delete_message().queue_url(&url).receipt_handle("nonsense");
    assert!(handle.send().await.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page_by_page() {
    let world = World::start().await;
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        world.queue(name, &[]).await;
    }
    let pages = world.sqs.list_queues().queue_name_prefix("a-").max_results(2).into_paginator().send();
    let pages: Vec<_> = pages.try_collect().await.unwrap();
    let sizes: Vec<_> = pages.iter().map(|page| page.queue_urls().len()).collect();
    assert_eq!(sizes, [2, 1]);
    assert_eq!(world.sqs.list_queues().send().await.unwrap().queue_urls().len(), 4);
}

#[tokio::test]
async fn a_purge_empties_the_queue_and_cannot_be_repeated_at_once() {
    let world = World::start().await;
    let url = world.queue("work.fifo", &[]).await;
    world.send_fifo(&url, "a", &["a1", "a2"]).await;
    world.receive(&url).await;
    world.send_fifo(&url, "b", &["b1"]).await;
    world.sqs.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(world.receive(&url).await.is_empty());
    let again = world.sqs.purge_queue().queue_url(&url).send().await.unwrap_err().into_service_error();
    assert!(again.is_purge_queue_in_progress());
    world.send_fifo(&url, "a", &["a3"]).await;
    assert_eq!(bodies(&world.receive(&url).await), ["a3"]);
}

#[tokio::test]
async fn tags_are_kept() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    world.sqs.tag_queue().queue_url(&url).tags("team", "rooms").tags("tier", "1").send().await.unwrap();
    world.sqs.untag_queue().queue_url(&url).tag_keys("tier").send().await.unwrap();
    let tags = world.sqs.list_queue_tags().queue_url(&url).send().await.unwrap();
    assert_eq!(tags.tags().unwrap(), &HashMap::from([("team".to_owned(), "rooms".to_owned())]));
}

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue_and_can_be_moved_back() {
    let world = World::start().await;
    let dead = world.queue("dead", &[]).await;
    let dead_arn = world.arn(&dead).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":"2"}}"#);
    let attributes =
        [(QueueAttributeName::RedrivePolicy, policy.as_str()), (QueueAttributeName::VisibilityTimeout, "0")];
    let url = world.queue("work", &attributes).await;
    world.send(&url, "poison").await;
    for _ in 0..2 {
        assert_eq!(bodies(&world.receive(&url).await), ["poison"]);
    }
    // A long poll on the dead-letter queue returns at once.
    let (moved, none) = tokio::join!(world.receive_within(&dead, 20), world.receive(&url));
    assert!(none.is_empty());
    let system = moved[0].attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::DeadLetterQueueSourceArn], world.arn(&url).await);

    let sources = world.sqs.list_dead_letter_source_queues().queue_url(&dead).send().await.unwrap();
    assert_eq!(sources.queue_urls(), std::slice::from_ref(&url));
    let back = world.sqs.change_message_visibility().queue_url(&dead).visibility_timeout(0);
    back.receipt_handle(moved[0].receipt_handle().unwrap()).send().await.unwrap();
    let task = world.sqs.start_message_move_task().source_arn(&dead_arn).send().await.unwrap();
    assert!(task.task_handle().is_some());
    let again = world.receive(&url).await;
    assert_eq!(bodies(&again), ["poison"]);
    assert_ne!(again[0].message_id(), moved[0].message_id(), "it is a new message");
    let missing = world.sqs.start_message_move_task().source_arn("arn:aws:sqs:us-east-1:000000000000:none");
    assert!(missing.send().await.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_queue_keeps_its_messages() {
    let world = World::start().await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    let attributes = [(QueueAttributeName::RedrivePolicy, policy), (QueueAttributeName::VisibilityTimeout, "0")];
    let early = world.sqs.create_queue().queue_name("work").attributes(QueueAttributeName::RedrivePolicy, policy);
    let error = early.send().await.unwrap_err().into_service_error();
    assert!(error.message().unwrap().ends_with("Dead letter target does not exist."), "{error:?}");
    let dead = world.queue("dead", &[]).await;
    let url = world.queue("work", &attributes).await;
    world.sqs.delete_queue().queue_url(&dead).send().await.unwrap();
    world.send(&url, "body").await;
    for _ in 0..3 {
        assert_eq!(bodies(&world.receive(&url).await), ["body"]);
    }
}

#[test]
fn a_call_says_what_it_is_about() {
    let url = br#"{"QueueUrl":"http://127.0.0.1:1/000000000000/work","MessageBody":"x"}"#;
    assert_eq!(sqs_resource("SendMessage", url).as_deref(), Some("work"));
    assert_eq!(sqs_resource("GetQueueUrl", br#"{"QueueName":"work"}"#).as_deref(), Some("work"));
    assert_eq!(sqs_resource("ListQueues", b"{}"), None);
    let topic = b"Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Anews&Message=x";
    assert_eq!(sns_resource(topic), Some(("Publish".to_owned(), Some("news".to_owned()))));
    let subscription = b"Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:news:1-2";
    assert_eq!(sns_resource(subscription), Some(("Unsubscribe".to_owned(), Some("news".to_owned()))));
    assert_eq!(sns_resource(b"Action=ListTopics"), Some(("ListTopics".to_owned(), None)));
}

#[tokio::test]
async fn a_url_of_another_account_or_region_is_refused() {
    let world = World::start().await;
    let url = world.queue("work", &[]).await;
    for (url, code) in [
        (url.replace("000000000000", "123456789012"), "AccessDenied"),
        ("https://sqs.eu-west-1.amazonaws.com/000000000000/work".to_owned(), "InvalidAddress"),
        ("https://eu-west-1.queue.amazonaws.com/000000000000/work".to_owned(), "InvalidAddress"),
        ("work".to_owned(), "InvalidAddress"),
        (url.replace("/work", "/other"), "AWS.SimpleQueueService.NonExistentQueue"),
    ] {
        let refused = world.sqs.send_message().queue_url(&url).message_body("x").send().await.unwrap_err();
        assert_eq!(refused.into_service_error().code(), Some(code), "{url}");
    }
    for url in
        [url.replace("127.0.0.1", "localhost"), "https://sqs.us-east-1.amazonaws.com/000000000000/work".to_owned()]
    {
        world.sqs.send_message().queue_url(&url).message_body("x").send().await.unwrap();
    }
    assert_eq!(world.receive(&url).await.len(), 2);
    for (target, reason) in
        [("arn:aws:sqs:eu-west-1:000000000000:work", "owner"), ("arn:aws:sqs:us-east-1:000000000000:no", "exist")]
    {
        let policy = format!(r#"{{"deadLetterTargetArn":"{target}","maxReceiveCount":1}}"#);
        let set =
            world.sqs.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::RedrivePolicy, policy);
        let refused = set.send().await.unwrap_err().into_service_error();
        assert!(refused.message().is_some_and(|text| text.contains(reason)), "{refused:?}");
    }
}
