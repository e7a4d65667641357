//! Tests topics and their deliveries to queues through the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::HashMap;

use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_sqs::types::MessageSystemAttributeName;
use support::{World, bodies};

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

async fn topic(world: &World, name: &str) -> String {
    let mut request = world.sns.create_topic().name(name);
    if name.ends_with(".fifo") {
        request = request.attributes("FifoTopic", "true");
    }
    request.send().await.unwrap().topic_arn.unwrap()
}

/// Creates a queue that subscribes. Returns its URL and the subscription's ARN.
async fn reader(world: &World, topic: &str, name: &str, attributes: &[(&str, &str)]) -> (String, String) {
    let url = world.queue(name, &[]).await;
    let mut request = world.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(world.arn(&url).await);
    for (name, value) in attributes {
        request = request.attributes(*name, *value);
    }
    (url, request.send().await.unwrap().subscription_arn.unwrap())
}

#[tokio::test]
async fn a_queue_gets_an_envelope_unless_it_asked_for_raw_delivery() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (wrapped, subscription) = reader(&world, &topic, "wrapped", &[]).await;
    let (raw, _) = reader(&world, &topic, "raw", &[("RawMessageDelivery", "true")]).await;
    let request = world.sns.publish().topic_arn(&topic).message("hello \u{1F600} & \"all\"").subject("greeting");
    let sent = request.message_attributes("kind", text("news")).send().await.unwrap();

    let received = world.receive(&wrapped).await;
    let body = received[0].body().unwrap();
    let prefix = format!(
        "{{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"{}\",\n  \"TopicArn\" : \"{topic}\",\n  \"Subject\" : \
         \"greeting\",\n  \"Message\" : \"hello \u{1F600} & \\\"all\\\"\",\n  \"Timestamp\" : \"",
        sent.message_id().unwrap()
    );
    assert!(body.starts_with(&prefix), "{body}");
    let suffix = format!(
        "SubscriptionArn={subscription}\",\n  \"MessageAttributes\" : {{\n    \"kind\" : \
         {{\"Type\":\"String\",\"Value\":\"news\"}}\n  }}\n}}"
    );
    assert!(body.ends_with(&suffix), "{body}");
    assert!(received[0].message_attributes().is_none());

    let received = world.receive(&raw).await;
    assert_eq!(bodies(&received), ["hello \u{1F600} & \"all\""]);
    assert_eq!(received[0].message_attributes().unwrap()["kind"].string_value(), Some("news"));
}

#[tokio::test]
async fn filters_on_attributes_and_on_bodies_keep_messages_away() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let raw = ("RawMessageDelivery", "true");
    let policy = ("FilterPolicy", r#"{"kind":["good",{"prefix":"ok"}]}"#);
    let (by_attribute, subscription) = reader(&world, &topic, "by-attribute", &[raw, policy]).await;
    let scope = ("FilterPolicyScope", "MessageBody");
    let policy = ("FilterPolicy", r#"{"room":{"size":[{"numeric":[">=",2]}]}}"#);
    let (by_body, _) = reader(&world, &topic, "by-body", &[raw, scope, policy]).await;
    let publish = async |message: &str, kind: &str| {
        let request = world.sns.publish().topic_arn(&topic).message(message);
        request.message_attributes("kind", text(kind)).send().await.unwrap();
    };
    publish(r#"{"room":{"size":1}}"#, "good").await;
    publish(r#"{"room":{"size":2}}"#, "bad").await;
    publish("no json", "okay").await;
    assert_eq!(bodies(&world.receive(&by_attribute).await), [r#"{"room":{"size":1}}"#, "no json"]);
    assert_eq!(bodies(&world.receive(&by_body).await), [r#"{"room":{"size":2}}"#]);
    let stats = world.service.stats().topics["news"];
    assert_eq!((stats.published, stats.delivered, stats.filtered), (3, 3, 3));

    let change = world.sns.set_subscription_attributes().subscription_arn(&subscription);
    change.attribute_name("FilterPolicy").attribute_value("{}").send().await.unwrap();
    publish("anything", "bad").await;
    assert_eq!(bodies(&world.receive(&by_attribute).await), ["anything"]);
    let change = world.sns.set_subscription_attributes().subscription_arn(&subscription);
    let change = change.attribute_name("FilterPolicy").attribute_value(r#"{"kind":"bad"}"#);
    assert!(change.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

#[tokio::test]
async fn a_fifo_topic_numbers_orders_and_deduplicates() {
    let world = World::start().await;
    let topic = topic(&world, "news.fifo").await;
    let (url, _) = reader(&world, &topic, "reader.fifo", &[("RawMessageDelivery", "true")]).await;
    let (wrapped, _) = reader(&world, &topic, "wrapped", &[]).await;
    let publish = |id: &str| {
        let request = world.sns.publish().topic_arn(&topic).message(id).message_group_id("room");
        request.message_deduplication_id(id).send()
    };
    let one = publish("one").await.unwrap();
    let two = publish("two").await.unwrap();
    let again = publish("one").await.unwrap();
    assert_eq!(one.sequence_number().unwrap().len(), 20);
    assert!(one.sequence_number() < two.sequence_number());
    assert_eq!((again.message_id(), again.sequence_number()), (one.message_id(), one.sequence_number()));

    let received = world.receive(&url).await;
    assert_eq!(bodies(&received), ["one", "two"]);
    let system = received[0].attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::MessageGroupId], "room");
    assert_eq!(system[&MessageSystemAttributeName::MessageDeduplicationId], "one");
    let received = world.receive(&wrapped).await;
    let envelope: serde_json::Value = serde_json::from_str(received[0].body().unwrap()).unwrap();
    assert_eq!(envelope["SequenceNumber"].as_str(), one.sequence_number());
    assert_eq!(envelope.get("Signature"), None);

    let missing = world.sns.publish().topic_arn(&topic).message("x").send().await.unwrap_err().into_service_error();
    assert!(missing.is_invalid_parameter_exception());
}

#[tokio::test]
async fn a_fifo_topic_may_deduplicate_by_content_and_within_a_group() {
    let world = World::start().await;
    let topic = topic(&world, "news.fifo").await;
    let (url, _) = reader(&world, &topic, "reader.fifo", &[]).await;
    for (name, value) in [("ContentBasedDeduplication", "true"), ("FifoThroughputScope", "MessageGroup")] {
        let set = world.sns.set_topic_attributes().topic_arn(&topic).attribute_name(name).attribute_value(value);
        set.send().await.unwrap();
    }
    for group in ["a", "a", "b"] {
        world.sns.publish().topic_arn(&topic).message("same").message_group_id(group).send().await.unwrap();
    }
    let stats = world.service.stats();
    assert_eq!((stats.topics["news.fifo"].published, stats.topics["news.fifo"].deduplicated), (2, 1));
    // The queue deduplicates too, over all its groups by default.
    let received = world.receive(&url).await;
    assert_eq!((received.len(), stats.queues["reader.fifo"].counters.deduplicated), (1, 1));
    assert_eq!(received[0].attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId], "a");
    let envelope: serde_json::Value = serde_json::from_str(received[0].body().unwrap()).unwrap();
    assert_eq!((envelope["Message"].as_str(), envelope["SequenceNumber"].is_string()), (Some("same"), true));
}

#[tokio::test]
async fn a_standard_topic_passes_groups_on_and_refuses_deduplication_ids() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (url, _) = reader(&world, &topic, "reader", &[("RawMessageDelivery", "true")]).await;
    let publish = || world.sns.publish().topic_arn(&topic).message("body").message_group_id("tenant");
    publish().send().await.unwrap();
    let received = world.receive(&url).await;
    assert_eq!(received[0].attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId], "tenant");
    let error = publish().message_deduplication_id("1").send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_parameter_exception(), "{error:?}");
}

#[tokio::test]
async fn a_batch_of_publications_succeeds_and_fails_entry_by_entry() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (url, _) = reader(&world, &topic, "reader", &[("RawMessageDelivery", "true")]).await;
    let entry = |id: &str, message: &str| PublishBatchRequestEntry::builder().id(id).message(message);
    let good = entry("good", "body").message_attributes("kind", text("news")).build().unwrap();
    let bad = entry("bad", "body").subject("two\nlines").build().unwrap();
    let request = world.sns.publish_batch().topic_arn(&topic).publish_batch_request_entries(good);
    let answer = request.publish_batch_request_entries(bad).send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), Some("good"));
    let failed = &answer.failed()[0];
    assert_eq!((failed.id(), failed.code(), failed.sender_fault()), ("bad", "InvalidParameter", true));
    let received = world.receive(&url).await;
    assert_eq!(received[0].message_attributes().unwrap()["kind"].string_value(), Some("news"));

    let batch = |entries| world.sns.publish_batch().topic_arn(&topic).set_publish_batch_request_entries(Some(entries));
    let build = |id: &str, message: &str| entry(id, message).build().unwrap();
    let twice = batch(vec![build("a", "x"), build("a", "x")]).send().await.unwrap_err().into_service_error();
    assert!(twice.is_batch_entry_ids_not_distinct_exception(), "{twice:?}");
    let large = "x".repeat(130 * 1024);
    let long = batch(vec![build("a", &large), build("b", &large)]).send().await.unwrap_err().into_service_error();
    assert!(long.is_batch_request_too_long_exception(), "{long:?}");
    let eleven = (0..11).map(|index| build(&index.to_string(), "x")).collect();
    let many = batch(eleven).send().await.unwrap_err().into_service_error();
    assert!(many.is_too_many_entries_in_batch_request_exception(), "{many:?}");
}

#[tokio::test]
async fn what_is_too_large_or_goes_nowhere_is_refused() {
    let world = World::start().await;
    let arn = topic(&world, "news").await;
    let publish = |arn: &str, message: String| world.sns.publish().topic_arn(arn).message(message).send();
    publish(&arn, "x".repeat(256 * 1024)).await.unwrap();
    let error = publish(&arn, "x".repeat(256 * 1024 + 1)).await.unwrap_err().into_service_error();
    assert_eq!(
        (error.code(), error.message()),
        (Some("InvalidParameter"), Some("Invalid parameter: Message too long"))
    );
    let none = "arn:aws:sns:us-east-1:000000000000:none";
    let error = publish(none, "x".to_owned()).await.unwrap_err().into_service_error();
    assert!(error.is_not_found_exception());
    let fifo = world.queue("reader.fifo", &[]).await;
    let request = world.sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(world.arn(&fifo).await);
    assert!(request.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
    let request = world.sns.subscribe().topic_arn(&arn).protocol("https").endpoint("https://example.com");
    assert!(request.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

#[tokio::test]
async fn a_structured_message_has_a_part_for_queues() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (url, _) = reader(&world, &topic, "reader", &[("RawMessageDelivery", "true")]).await;
    for message in [r#"{"default":"all","sqs":"queues"}"#, r#"{"default":"all"}"#] {
        world.sns.publish().topic_arn(&topic).message(message).message_structure("json").send().await.unwrap();
    }
    assert_eq!(bodies(&world.receive(&url).await), ["queues", "all"]);
    let request = world.sns.publish().topic_arn(&topic).message("{}").message_structure("json");
    assert!(request.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

#[tokio::test]
async fn subscriptions_are_listed_changed_and_ended() {
    let world = World::start().await;
    let arn = topic(&world, "news").await;
    assert_eq!(topic(&world, "news").await, arn);
    let (url, subscription) = reader(&world, &arn, "reader", &[]).await;
    assert_eq!(reader(&world, &arn, "reader", &[]).await.1, subscription);
    let listed = world.sns.list_subscriptions_by_topic().topic_arn(&arn).send().await.unwrap();
    let [one] = listed.subscriptions() else { panic!("{listed:?}") };
    assert_eq!(one.subscription_arn(), Some(subscription.as_str()));
    assert_eq!(one.endpoint(), Some("arn:aws:sqs:us-east-1:000000000000:reader"));
    assert_eq!(world.sns.list_subscriptions().send().await.unwrap().subscriptions().len(), 1);

    let change = world.sns.set_subscription_attributes().subscription_arn(&subscription);
    change.attribute_name("RawMessageDelivery").attribute_value("true").send().await.unwrap();
    let get = world.sns.get_subscription_attributes().subscription_arn(&subscription).send().await.unwrap();
    assert_eq!(get.attributes().unwrap()["RawMessageDelivery"], "true");
    let confirm = world.sns.confirm_subscription().topic_arn(&arn).token("any").send().await.unwrap();
    assert_eq!(confirm.subscription_arn(), Some(subscription.as_str()));

    world.sns.unsubscribe().subscription_arn(&subscription).send().await.unwrap();
    world.sns.publish().topic_arn(&arn).message("late").send().await.unwrap();
    assert!(world.receive(&url).await.is_empty());
    world.sns.delete_topic().topic_arn(&arn).send().await.unwrap();
    world.sns.delete_topic().topic_arn(&arn).send().await.unwrap();
    assert!(world.sns.list_topics().send().await.unwrap().topics().is_empty());
}

#[tokio::test]
async fn a_hundred_topics_are_a_page() {
    let world = World::start().await;
    for index in 0..101 {
        world.service.create_topic(&format!("topic-{index:03}"), &Default::default()).unwrap();
    }
    let pages = world.sns.list_topics().into_paginator().send();
    let pages: Vec<_> = pages.try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.topics().len()).collect::<Vec<_>>(), [100, 1]);
}

#[tokio::test]
async fn attributes_and_tags_of_a_topic_are_kept() {
    let world = World::start().await;
    let arn = topic(&world, "news.fifo").await;
    let set = world.sns.set_topic_attributes().topic_arn(&arn).attribute_name("ContentBasedDeduplication");
    set.attribute_value("true").send().await.unwrap();
    let attributes = world.sns.get_topic_attributes().topic_arn(&arn).send().await.unwrap();
    let attributes: HashMap<_, _> = attributes.attributes.unwrap();
    assert_eq!((attributes["FifoTopic"].as_str(), attributes["ContentBasedDeduplication"].as_str()), ("true", "true"));
    assert_eq!(attributes["TopicArn"], arn);
    let tag = aws_sdk_sns::types::Tag::builder().key("team").value("rooms").build().unwrap();
    world.sns.tag_resource().resource_arn(&arn).tags(tag).send().await.unwrap();
    let tags = world.sns.list_tags_for_resource().resource_arn(&arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), "rooms");
    let unknown = world.sns.set_topic_attributes().topic_arn(&arn).attribute_name("Color").attribute_value("blue");
    assert!(unknown.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

#[tokio::test]
async fn a_message_for_a_queue_that_is_gone_is_counted_and_hurts_nobody() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (gone, _) = reader(&world, &topic, "gone", &[]).await;
    let (here, _) = reader(&world, &topic, "here", &[("RawMessageDelivery", "true")]).await;
    world.sqs.delete_queue().queue_url(&gone).send().await.unwrap();
    world.sns.publish().topic_arn(&topic).message("body").send().await.unwrap();
    assert_eq!(bodies(&world.receive(&here).await), ["body"]);
    assert_eq!(world.service.stats().topics["news"].undeliverable, 1);
}

#[tokio::test]
async fn an_arn_of_another_region_or_account_or_of_none_is_refused() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (url, _) = reader(&world, &topic, "reader", &[("RawMessageDelivery", "true")]).await;
    let elements = |count: usize| format!("TopicArn Reason: An ARN must have at least 6 elements, not {count}");
    for (arn, code, message) in [
        (topic.replace("us-east-1", "eu-west-1"), "InvalidParameter", "Invalid parameter: TopicArn".to_owned()),
        (topic.replace(":sns:", ":sqs:"), "InvalidParameter", "Invalid parameter: TopicArn".to_owned()),
        ("news".to_owned(), "InvalidParameter", format!("Invalid parameter: {}", elements(1))),
        ("arn:aws:sns:us-east-1:news".to_owned(), "InvalidParameter", format!("Invalid parameter: {}", elements(5))),
        (topic.replace("000000000000", "123456789012"), "AuthorizationError", "SNS:Publish on resource".to_owned()),
        (format!("{topic}2"), "NotFound", "Topic does not exist".to_owned()),
    ] {
        let refused = world.sns.publish().topic_arn(&arn).message("x").send().await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some(code), "{arn}");
        assert!(refused.message().is_some_and(|text| text.contains(&message)), "{arn}: {refused:?}");
        let queue = world.arn(&url).await;
        let subscribe = world.sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(queue).send().await;
        assert_eq!(subscribe.unwrap_err().into_service_error().code(), Some(code), "{arn}");
    }
    assert!(world.receive(&url).await.is_empty(), "nothing was published");
    let elsewhere = "arn:aws:sqs:eu-west-1:000000000000:reader";
    world.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(elsewhere).send().await.unwrap();
    world.sns.publish().topic_arn(&topic).message("once").send().await.unwrap();
    assert_eq!(
        bodies(&world.receive(&url).await),
        ["once"],
        "a queue of another Region is not the one of that name here"
    );
}

#[tokio::test]
async fn what_no_queue_accepts_is_refused_when_it_is_published() {
    let world = World::start().await;
    let topic = topic(&world, "news").await;
    let (url, _) = reader(&world, &topic, "reader", &[]).await;
    for bad in ["a\0b", "a\u{ffff}", "\u{fffe}", "\u{1b}[31m"] {
        let refused = world.sns.publish().topic_arn(&topic).message(bad).send().await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some("InvalidParameter"), "{bad:?}");
        assert!(refused.message().is_some_and(|text| text.contains("#x")), "{refused:?}");
        let publish = world.sns.publish().topic_arn(&topic).message("x").message_attributes("room", text(bad));
        assert_eq!(publish.send().await.unwrap_err().into_service_error().code(), Some("InvalidParameter"), "{bad:?}");
    }
    let entry = |id: &str, message: &str| PublishBatchRequestEntry::builder().id(id).message(message).build().unwrap();
    let batch = world.sns.publish_batch().topic_arn(&topic);
    let batch = batch
        .set_publish_batch_request_entries(Some(vec![entry("bad", "\u{ffff}"), entry("good", "\u{10ffff}\u{fffd}\t")]));
    let answer = batch.send().await.unwrap();
    assert_eq!((answer.failed()[0].id(), answer.successful()[0].id()), ("bad", Some("good")));
    assert_eq!(world.receive(&url).await.len(), 1);
    assert_eq!(world.service.stats().topics["news"].undeliverable, 0);
}
