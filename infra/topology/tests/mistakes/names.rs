//! Tests that names must be well-formed and declared, and that numbers must be within their limits.

use crate::broken;

#[test]
fn names_that_lead_nowhere_are_refused_wherever_they_stand() {
    broken(
        "WORK_QUEUE_URL: { queue_url: work }",
        "WORK_QUEUE_URL: { queue_url: werk }",
        &["functions.worker.environment.WORK_QUEUE_URL.queue_url: there is no queue `werk`; did you mean `work`?"],
    );
    broken(
        "THINGS_TABLE: { table: things }",
        "THINGS_TABLE: { table: rooms }",
        &["functions.worker.environment.THINGS_TABLE.table: there is no table `rooms`; the tables are `things`"],
    );
    broken(
        "TOPIC_ARN: { topic_arn: events }",
        "TOPIC_ARN: { topic_arn: x }",
        &["functions.worker.environment.TOPIC_ARN.topic_arn: there is no topic `x`; the topics are `events`"],
    );
    broken(
        "MODE: { parameter: mode }",
        "MODE: { parameter: node }",
        &["functions.worker.environment.MODE.parameter: there is no parameter `node`; did you mean `mode`?"],
    );
    broken(
        "KEYS: { secret: keys }",
        "KEYS: { secret: key }",
        &["functions.worker.environment.KEYS.secret: there is no secret `key`; did you mean `keys`?"],
    );
    broken(
        "ENDPOINT: { websocket: management_url }",
        "ENDPOINT: { websocket: url }",
        &[
            "functions.worker.environment.ENDPOINT.websocket: there is no property `url`; the properties of a websocket are \
         `management_url`",
        ],
    );
    broken(
        "dead_letter: { queue: work-dead, ",
        "dead_letter: { queue: work-daed, ",
        &["queues.work.dead_letter.queue: there is no queue `work-daed`; did you mean `work-dead`?"],
    );
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: outbox, raw: true }",
        &[
            "topics.events.subscriptions[0].queue: there is no queue `outbox`; the queues are `work`, `work-dead`, `inbox`, \
         `given-up`",
        ],
    );
    broken(
        "on_failure: { queue: given-up }",
        "on_failure: { queue: thrown-away }",
        &[
            "functions.watcher.triggers[0].stream.on_failure.queue: there is no queue `thrown-away`; the queues are `work`, \
         `work-dead`, `inbox`, `given-up`",
        ],
    );
    broken(
        "indexes: [by_kind]",
        "indexes: [by_king]",
        &["functions.worker.grants[0].indexes[0]: there is no index `by_king`; did you mean `by_kind`?"],
    );
}

#[test]
fn numbers_outside_the_limits_of_aws_are_refused() {
    broken(
        "memory_mb: 256",
        "memory_mb: 10241",
        &["functions.worker.memory_mb: 10241 is outside 128 to 10240 MB, the memory of a Lambda function"],
    );
    broken(
        "timeout_s: 50",
        "timeout_s: 901",
        &["functions.clock.timeout_s: 901 is outside 1 to 900 seconds, the time a Lambda function may run"],
    );
    broken(
        "timeout_s: 50",
        "timeout_s: -1",
        &["functions.clock.timeout_s: -1 is outside 1 to 900 seconds, the time a Lambda function may run"],
    );
    broken(
        "maximum_concurrency: 4",
        "maximum_concurrency: 1",
        &[
            "functions.worker.triggers[1].queue.maximum_concurrency: 1 is outside 2 to 1000, the maximum concurrency of a \
         queue's trigger",
        ],
    );
    broken(
        "reserved_concurrency: 8",
        "reserved_concurrency: 0",
        &["functions.worker.reserved_concurrency: 0 is outside 1 to 1000, the concurrency of a Lambda function"],
    );
    broken(
        "retention_s: 1209600 # dead",
        "retention_s: 1209601 # dead",
        &["queues.work-dead.retention_s: 1209601 is outside 60 to 1209600 seconds, the retention of a queue"],
    );
    broken(
        "maximum_receive_count: 10",
        "maximum_receive_count: 0",
        &[
            "queues.work.dead_letter.maximum_receive_count: 0 is outside 1 to 1000, the receive count before a message is dead",
        ],
    );
    broken(
        "parallelization_factor: 2",
        "parallelization_factor: 11",
        &[
            "functions.watcher.triggers[0].stream.parallelization_factor: 11 is outside 1 to 10, the parallelization factor \
         of a stream's trigger",
        ],
    );
    broken(
        "maximum_record_age_s: 3600",
        "maximum_record_age_s: 59",
        &[
            "functions.watcher.triggers[0].stream.maximum_record_age_s: 59 is outside 60 to 604800 seconds, the record age \
         of a stream's trigger",
        ],
    );
    broken(
        "delay_s: 1",
        "delay_s: 901",
        &["queues.inbox.delay_s: 901 is outside 0 to 900 seconds, the delay of a queue"],
    );
}

#[test]
fn names_that_aws_would_refuse_are_refused() {
    broken(
        "  work-dead:\n",
        "  work-dead.fifo:\n",
        &[
            "queues.work.dead_letter.queue: there is no queue `work-dead`; the queues are `work`, `work-dead.fifo`, `inbox`, \
         `given-up`",
            "queues.work-dead.fifo: write `work-dead` with `fifo: true`: the suffix `.fifo` is added to the name by itself",
        ],
    );
    broken(
        "  clock:\n",
        "  clock!:\n",
        &[
            "functions.clock!: `clock!` cannot be the name of a function: it takes 1 to 31 characters of letters, digits, \
         hyphens and underscores",
        ],
    );
    broken(
        "STALE_AFTER_S: 720",
        "STALE-AFTER: 720",
        &[
            "functions.worker.environment.STALE-AFTER: `STALE-AFTER` cannot be the name of an environment variable: it takes \
         2 to 128 characters of letters, digits and underscores, a letter first",
        ],
    );
    broken(
        "STALE_AFTER_S: 720",
        "AWS_REGION: 720",
        &["functions.worker.environment.AWS_REGION: `AWS_REGION` is set by Lambda itself: choose another name"],
    );
}
