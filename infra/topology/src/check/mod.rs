//! Checks that need the whole topology: whether names exist, and whether the parts match each
//! other.

mod events;
mod http;
mod queues;
mod references;
mod tables;
mod unused;
mod websocket;

use crate::at::Log;
use crate::{Function, Topology, Trigger};

pub(crate) use references::references;
pub(crate) use unused::findings;

/// Records every rule that the topology violates.
pub(crate) fn rules(topology: &Topology, log: &Log) {
    websocket::check(topology, log);
    http::check(topology, log);
    events::check(topology, log);
    queues::check(topology, log);
    tables::check(topology, log);
}

/// Returns the paths and triggers of all functions, in the order of the text.
fn triggers(topology: &Topology) -> impl Iterator<Item = (String, &Function, &Trigger)> {
    topology.functions.iter().flat_map(|function| {
        function
            .triggers
            .iter()
            .enumerate()
            .map(move |(index, trigger)| (format!("functions.{}.triggers[{index}]", function.name), function, trigger))
    })
}
