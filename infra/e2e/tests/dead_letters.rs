//! Tests that undeliverable jobs are not lost: the dead letter names the members and can be
//! redriven.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::Message;
use domain::{Epoch, Job, Range, Sequence, Shards, Work};
use e2e::{Member, aws, everything, received, start};
use local::Stack;
use testkit::samples;

/// Changes a log row so that it cannot be read, as a defective function or an operator might.
async fn change_row(stack: &Stack, epoch: &str, sequence: u64, by: AttributeValue) {
    let update = aws(stack).dynamodb.update_item().table_name(&stack.variables()["ROOMCAST_ROOMS_TABLE"]);
    let update = update.key("pk", AttributeValue::S("ROOM#lobby".to_owned()));
    let update = update.key("sk", AttributeValue::S(format!("PUB#{epoch}#{sequence:020}")));
    let update = update.update_expression("SET #by = :by").expression_attribute_names("#by", "by");
    update.expression_attribute_values(":by", by).send().await.unwrap();
}

async fn queue(stack: &Stack, job: &Job) {
    let url = &stack.variables()["ROOMCAST_DELIVERIES_QUEUE_URL"];
    let send = aws(stack).sqs.send_message().queue_url(url).message_body(protocol::queue::encode(job).unwrap());
    send.message_group_id(job.group()).message_deduplication_id(job.deduplication_id()).send().await.unwrap();
}

fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.message_attributes()?.get(name)?.string_value()
}

async fn until_repeated(member: &mut Member, repeats: u64) {
    let begun = Instant::now();
    while member.repeats() < repeats {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came again");
        member.listen_for(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_names_who_misses_what_and_redriven_twice_delivers_exactly_that() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    let joined = ada.join("lobby").await;
    bob.join("lobby").await;
    for id in ["p1", "p2"] {
        ada.publish("lobby", id).await;
    }
    ada.hear("lobby", 2).await;
    bob.hear("lobby", 2).await;
    let epoch = joined["ok"]["ep"].as_str().unwrap();
    change_row(&stack, epoch, 2, AttributeValue::N("7".to_owned())).await;
    let range = Range { epoch: Epoch::parse(epoch).unwrap(), after: Sequence::ZERO, through: Sequence::new(2) };
    queue(&stack, &Job::for_shards(&samples::room("lobby"), &range, Shards::new(1))[0]).await;
    // The job blocks its shard's group, and later jobs wait for at most 10 s.
    let begun = Instant::now();
    ada.publish("lobby", "p3").await;
    ada.hear("lobby", 3).await;
    bob.hear("lobby", 3).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "those behind it waited {:?}", begun.elapsed());

    let letter = received(&stack, "deliveries-dead", 1).await.remove(0);
    assert_eq!(attribute(&letter, "room"), Some("lobby"));
    assert_eq!(attribute(&letter, "missed"), Some(format!("{epoch}.1-2").as_str()));
    assert!(attribute(&letter, "reason").unwrap().starts_with("tried 3 times; at last: "), "{letter:?}");
    let job: Job = protocol::queue::decode(letter.body().unwrap()).unwrap();
    let Work::Late { members, .. } = &job.work else { panic!("{job:?} names no members") };
    assert_eq!(members.len(), 2);

    // A member that the letter does not name joins. Then the row is repaired, and the letter is
    // redriven twice.
    let mut cyn = Member::connect(&url, "cyn").await;
    cyn.join("lobby").await;
    change_row(&stack, epoch, 2, AttributeValue::S("ada".to_owned())).await;
    for _ in 0..2 {
        queue(&stack, &job).await;
    }
    for member in [&mut ada, &mut bob] {
        until_repeated(member, 2).await;
    }
    ada.publish("lobby", "p4").await;
    for (member, heard) in [(&mut ada, 4), (&mut bob, 4), (&mut cyn, 1)] {
        member.hear("lobby", heard).await;
    }
    assert_eq!([ada.repeats(), bob.repeats(), cyn.repeats()], [2, 2, 0]);
    stack.shutdown().await;
}
