//! Faults on demand: each fault causes repeated deliveries and never a loss.

use local_event_sources::Config;
use local_faults::{Fault, Faults};

use crate::queues::{Queue, receive_count, records};
use crate::script::Script;
use crate::streams::{Table, values};

/// Returns `config` with faults that happen each time, until the test sets other faults.
fn under(spec: &str, mut config: Config) -> (Config, Faults) {
    let faults = Faults::new(&spec.parse().unwrap(), 7);
    config.settings.faults = faults.clone();
    (config, faults)
}

fn heal(faults: &Faults) {
    faults.set(&"".parse().unwrap());
}

#[tokio::test]
async fn a_message_whose_delete_is_lost_comes_again_after_its_visibility_timeout() {
    let queue = Queue::create("q", 1).await;
    queue.send(&["a"]).await;
    let script = Script::content();
    let (config, faults) = under("F8=1", queue.config(|_| {}));
    let _sources = queue.stack.run(&config, &script);
    let calls = script.until_called(2).await;
    heal(&faults);
    assert_eq!(receive_count(&records(&calls[1])[0]), 2);
    queue.until_empty().await;
    assert!(faults.count(Fault::MessageAgain).fired >= 1);
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_comes_again_whole() {
    let queue = Queue::create("q", 1).await;
    queue.send(&["a", "b", "c"]).await;
    let script = Script::content();
    let (config, faults) = under("F11=1", queue.config(|_| {}));
    let _sources = queue.stack.run(&config, &script);
    let again = |calls: &[serde_json::Value]| calls.iter().flat_map(records).filter(|r| receive_count(r) == 2).count();
    script.until(|calls| again(calls) >= 3).await;
    heal(&faults);
    queue.until_empty().await;
    assert!(faults.count(Fault::BatchAgain).fired >= 1);
}

#[tokio::test]
async fn a_batch_of_a_stream_comes_again_and_nothing_overtakes_it() {
    let table = Table::create().await;
    table.put_all(0..3).await;
    let script = Script::content();
    let (config, faults) = under("F25=1", table.config(|source| source.batch_size = 2));
    let _sources = table.stack.run(&config, &script);
    let calls = script.until_called(3).await;
    assert!(calls.iter().all(|event| values(records(event)) == ["0", "1"]));
    heal(&faults);
    script.until(|calls| calls.last().is_some_and(|event| values(records(event)) == ["2"])).await;
    assert!(faults.count(Fault::StreamAgain).fired >= 3);
}
