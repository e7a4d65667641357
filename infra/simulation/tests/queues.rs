//! The simulation's queues have the concurrency and the batch sizes of `infra/topology.yaml`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use simulation::AT_ONCE;
use topology::{Topology, Trigger};

#[test]
fn each_queue_works_on_as_many_batches_at_once_of_as_many_messages_as_the_topology_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topology.yaml");
    let topology = Topology::read(&path).unwrap();
    let queues = topology.triggers().filter_map(|(_, trigger)| match trigger {
        Trigger::Queue(queue) => Some((
            queue.queue.clone(),
            (usize::try_from(queue.maximum_concurrency?).unwrap(), queue.batch_size as usize),
        )),
        _ => None,
    });
    let said: BTreeMap<String, (usize, usize)> = queues.collect();
    let lived = AT_ONCE.iter().map(|(queue, most, batch)| ((*queue).to_owned(), (*most, *batch))).collect();
    assert_eq!(said, lived);
}
