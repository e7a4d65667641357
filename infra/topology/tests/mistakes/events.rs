//! Tests mistakes in triggers by queues, streams and schedules.

use crate::{SOUND, broken, mistakes_of};

#[test]
fn a_queue_hides_a_message_for_six_timeouts_of_its_reader() {
    broken(
        "visibility_timeout_s: 30",
        "visibility_timeout_s: 29",
        &[
            "functions.worker.triggers[1].queue.queue: the queue `work` hides a message for 29 s, less than six times the 5 s \
         timeout of the function `worker`: set its `visibility_timeout_s` to 30 or more",
        ],
    );
    broken(
        "batch_window_s: 2",
        "batch_window_s: 3",
        &[
            "functions.reader.triggers[0].queue.queue: the queue `inbox` hides a message for 32 s, less than six times the 5 s \
         timeout of the function `reader` plus the batch window: set its `visibility_timeout_s` to 33 or more",
        ],
    );
}

#[test]
fn batches_are_as_large_as_their_queue_allows() {
    broken(
        "batch_size: 10 # fifo",
        "batch_size: 11",
        &[
            "functions.worker.triggers[1].queue.batch_size: 11 messages are more than a FIFO queue hands over at once: use 10 \
         or less",
        ],
    );
    broken(
        "batch_size: 10 # fifo",
        "batch_window_s: 0 # fifo\n          batch_size: 10001",
        &[
            "functions.worker.triggers[1].queue.batch_size: 10001 is outside 1 to 10000 messages, the batch size of a queue",
        ],
    );
    broken(
        "batch_window_s: 2",
        "batch_window_s: 0",
        &["functions.reader.triggers[0].queue.batch_size: a batch of more than 10 messages needs time to fill: set \
         `batch_window_s` to 1 or more"],
    );
    broken("batch_size: 10 # fifo", "batch_window_s: 1", &[
        "functions.worker.triggers[1].queue.batch_window_s: a FIFO queue has no batch window: remove it",
        "functions.worker.triggers[1].queue.queue: the queue `work` hides a message for 30 s, less than six times the 5 s \
         timeout of the function `worker` plus the batch window: set its `visibility_timeout_s` to 31 or more",
    ]
    .iter()
    .rev()
    .copied()
    .collect::<Vec<_>>());
}

#[test]
fn a_queue_has_one_reader_and_a_stream_two() {
    broken(
        "- schedule: { rate: 1 minute }",
        "- queue: { queue: inbox }",
        &[
            "functions.clock.triggers[0].queue.queue: the queue `inbox` hides a message for 32 s, less than six times the 50 s \
         timeout of the function `clock`: set its `visibility_timeout_s` to 300 or more",
            "functions.reader.triggers[0].queue.queue: the function `clock` reads the queue `inbox` already, and each message \
         would go to one of the two by chance: give each its own queue",
        ],
    );
    broken(
        "- schedule: { rate: 1 minute }",
        "- stream: { table: things, maximum_retry_attempts: 1 }\n      - stream: { table: things, maximum_retry_attempts: 1 }",
        &[
            "functions.watcher.triggers[0].stream.table: the stream of `things` has 2 readers already, and more are throttled",
        ],
    );
}

#[test]
fn a_stream_trigger_needs_a_stream_and_a_queue_it_can_fill() {
    broken(
        "    stream: new_and_old_images\n",
        "",
        &[
            "functions.watcher.triggers[0].stream.table: the table `things` has no stream: add `stream: new_and_old_images` to \
         it",
        ],
    );
    broken(
        "on_failure: { queue: given-up }",
        "on_failure: { queue: work }",
        &[
            "functions.watcher.triggers[0].stream.on_failure: `work` is a FIFO queue, and given-up batches go to standard queues \
         only: name one",
        ],
    );
    let endless =
        SOUND.replace("maximum_retry_attempts: 5\n", "batch_window_s: 0\n").replace("maximum_record_age_s: 3600", "");
    assert_eq!(
        mistakes_of(&endless),
        [
            "functions.watcher.triggers[0].stream.on_failure: no batch is ever given up: set `maximum_retry_attempts` or \
         `maximum_record_age_s`, or remove `on_failure`",
        ]
    );
    broken(
        "starting_position: latest",
        "starting_position: newest",
        &[
            "functions.watcher.triggers[0].stream.starting_position: there is no starting position `newest`; the positions are \
         `trim_horizon`, `latest`",
        ],
    );
    broken(
        "filters: [{ eventName: [REMOVE] }]",
        "filters: [REMOVE]",
        &[
            "functions.watcher.triggers[0].stream.filters[0]: a filter is a mapping from a field to what it may be, such as \
         `eventName: [REMOVE]`",
        ],
    );
    broken(
        "filters: [{ eventName: [REMOVE] }]",
        "filters: [{a: [1]}, {a: [2]}, {a: [3]}, {a: [4]}, {a: [5]}, {a: [6]}]",
        &["functions.watcher.triggers[0].stream.filters: 6 filters are more than 5, what a trigger may have"],
    );
}

#[test]
fn reserved_concurrency_is_enough_for_the_queues() {
    broken(
        "reserved_concurrency: 8",
        "reserved_concurrency: 3",
        &[
            "functions.worker.reserved_concurrency: 3 is less than 4, what its queues may start at once, and a throttled message counts \
         as received: use 4 or more",
        ],
    );
}

#[test]
fn schedules_are_written_as_eventbridge_wants_them() {
    for wrong in ["1 minutes", "5 minute", "0 minutes", "often", "90 seconds"] {
        broken(
            "rate: 1 minute",
            &format!("rate: {wrong}"),
            &[&format!(
                "functions.clock.triggers[0].schedule.rate: `{wrong}` is no rate: write `1 minute`, `5 minutes`, `1 hour`, `2 \
             days`"
            )],
        );
    }
}
