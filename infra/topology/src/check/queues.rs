//! Checks that queues, their dead-letter queues and their topics agree on order and time.

use crate::at::Log;
use crate::{Queue, Topic, Topology};

pub(super) fn check(topology: &Topology, log: &Log) {
    for queue in &topology.queues {
        dead_letter(queue, topology, log);
    }
    for topic in &topology.topics {
        subscriptions(topic, topology, log);
    }
}

fn dead_letter(queue: &Queue, topology: &Topology, log: &Log) {
    let Some(dead) = queue.dead_letter.as_ref().and_then(|dead| topology.queue(&dead.queue)) else {
        return;
    };
    let path = format!("queues.{}.dead_letter.queue", queue.name);
    if dead.name == queue.name {
        log.mistake(&path, "a queue cannot be its own dead-letter queue: declare another one");
    }
    if dead.fifo != queue.fifo {
        let (kind, other) = if queue.fifo { ("FIFO", "a FIFO") } else { ("standard", "a standard") };
        log.mistake(
            &path,
            format!(
                "the dead-letter queue of a {kind} queue must be {other} queue: set `fifo: {}` on `{}`",
                queue.fifo, dead.name
            ),
        );
    }
    if dead.retention_s < queue.retention_s {
        log.mistake(
            &path,
            format!(
                "`{}` keeps a message for {} s, less than the {} s of this queue, and the time counts from the first \
                 send: set its `retention_s` to {} or more",
                dead.name, dead.retention_s, queue.retention_s, queue.retention_s
            ),
        );
    }
}

fn subscriptions(topic: &Topic, topology: &Topology, log: &Log) {
    for (index, subscription) in topic.subscriptions.iter().enumerate() {
        let path = format!("topics.{}.subscriptions[{index}].queue", topic.name);
        if topic.subscriptions[..index].iter().any(|earlier| earlier.queue == subscription.queue) {
            log.mistake(&path, format!("`{}` subscribes a second time: keep one", subscription.queue));
        }
        let fifo = topology.queue(&subscription.queue).is_some_and(|queue| queue.fifo);
        if fifo && !topic.fifo {
            log.mistake(
                &path,
                format!(
                    "`{}` is a FIFO queue, and a standard topic delivers to standard queues only: make one like the other",
                    subscription.queue
                ),
            );
        }
    }
}
