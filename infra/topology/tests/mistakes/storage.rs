//! Tests mistakes in queues, topics and tables.

use crate::broken;

#[test]
fn fifo_queues_and_topics_go_with_their_like() {
    broken(
        "    fifo: true # dead\n",
        "",
        &[
            "queues.work.dead_letter.queue: the dead-letter queue of a FIFO queue must be a FIFO queue: set `fifo: true` on \
         `work-dead`",
        ],
    );
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: work, raw: true }",
        &[
            "topics.events.subscriptions[0].queue: `work` is a FIFO queue, and a standard topic delivers to standard queues \
         only: make one like the other",
        ],
    );
    broken(
        "delay_s: 1",
        "high_throughput: true",
        &["queues.inbox.high_throughput: only a FIFO queue has this: add `fifo: true`, or remove it"],
    );
    broken(
        "  events:\n    subscriptions:",
        "  events:\n    content_based_deduplication: true\n    subscriptions:",
        &["topics.events.content_based_deduplication: only a FIFO topic has this: add `fifo: true`, or remove it"],
    );
}

#[test]
fn dead_letters_are_kept_as_long_as_what_they_were() {
    broken(
        "retention_s: 1209600 # dead",
        "retention_s: 3600",
        &[
            "queues.work.dead_letter.queue: `work-dead` keeps a message for 3600 s, less than the 345600 s of this queue, and \
         the time counts from the first send: set its `retention_s` to 345600 or more",
        ],
    );
    broken(
        "dead_letter: { queue: work-dead, ",
        "dead_letter: { queue: work, ",
        &["queues.work.dead_letter.queue: a queue cannot be its own dead-letter queue: declare another one"],
    );
}

#[test]
fn subscriptions_are_few_filtered_and_told_apart() {
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: inbox }\n      - { queue: inbox }",
        &["topics.events.subscriptions[1].queue: `inbox` subscribes a second time: keep one"],
    );
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: inbox, filter_policy: { kind: order } }",
        &[
            "topics.events.subscriptions[0].filter_policy.kind: expected a list of what `kind` may be, such as `[\"order\"]`",
        ],
    );
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: inbox, filter_policy_scope: body }",
        &[
            "topics.events.subscriptions[0].filter_policy_scope: a scope without a `filter_policy` does nothing: add the \
         policy, or remove the scope",
        ],
    );
    broken(
        "- { queue: inbox, raw: true }",
        "- { queue: inbox, filter_policy: { a: [1], b: [1], c: [1], d: [1], e: [1], f: [1] } }",
        &["topics.events.subscriptions[0].filter_policy: 6 keys are more than 5, what a policy may have"],
    );
}

#[test]
fn keys_have_one_type_and_indexes_hold_what_is_not_there_anyway() {
    broken(
        "sort_key: { name: sk, type: S }",
        "sort_key: { name: sk, type: X }",
        &["tables.things.sort_key.type: a key cannot be of type `X`: write `S`, `N` or `B`"],
    );
    broken(
        "sort_key: { name: sk, type: S }",
        "sort_key: { name: pk, type: S }",
        &["tables.things.sort_key: the sort key is the partition key: name another attribute"],
    );
    broken(
        "partition_key: { name: kind, type: S }",
        "partition_key: { name: sk, type: \"N\" }",
        &["tables.things.indexes.by_kind.partition_key.type: `sk` is of type `S` above: an attribute has one type"],
    );
    broken(
        "include: [size]",
        "include: [size, pk, size]",
        &[
            "tables.things.indexes.by_kind.projection.include[1]: `pk` is a key, and keys are in every index: leave it out",
            "tables.things.indexes.by_kind.projection.include[2]: `size` is included a second time: keep one",
        ],
    );
    broken(
        "projection: { include: [size] }",
        "projection: some",
        &[
            "tables.things.indexes.by_kind.projection: there is no projection `some`: write `keys_only`, `all` or `include: \
         [ATTRIBUTE, …]`",
        ],
    );
    broken(
        "ttl: expires",
        "ttl: pk",
        &["tables.things.ttl: `pk` is a key that is not a number, and expiry is one: name another attribute"],
    );
    broken(
        "stream: new_and_old_images",
        "stream: images",
        &[
            "tables.things.stream: there is no stream view `images`; the views are `keys_only`, `new_image`, `old_image`, \
         `new_and_old_images`",
        ],
    );
}
