//! Checks that each route has one function, that these functions answer in time, and that there is
//! at most one authorizer.

use std::collections::HashMap;

use super::triggers;
use crate::at::Log;
use crate::limits::WEBSOCKET_TIMEOUT_S;
use crate::{Topology, Trigger};

pub(super) fn check(topology: &Topology, log: &Log) {
    routes(topology, log);
    authorizers(topology, log);
    timeouts(topology, log);
}

fn routes(topology: &Topology, log: &Log) {
    let mut served: HashMap<&str, &str> = HashMap::new();
    for (path, function, trigger) in triggers(topology) {
        let Trigger::Websocket(trigger) = trigger else { continue };
        if topology.websocket.is_none() {
            log.mistake(&path, "there is no WebSocket API: declare `websocket` with its route selection expression");
        }
        for (index, route) in trigger.routes.iter().enumerate() {
            if let Some(other) = served.insert(route, &function.name) {
                let path = format!("{path}.websocket.routes[{index}]");
                log.mistake(
                    &path,
                    format!("the route `{route}` is served by the function `{other}` already: keep one of the two"),
                );
            }
        }
    }
}

fn authorizers(topology: &Topology, log: &Log) {
    let mut first: Option<&str> = None;
    for (path, function, trigger) in triggers(topology) {
        if !matches!(trigger, Trigger::Authorizer { .. }) {
            continue;
        }
        if let Some(other) = first {
            log.mistake(
                &path,
                format!("the function `{other}` is the authorizer already: `$connect` can have one only"),
            );
        }
        first.get_or_insert(&function.name);
        if !connects(topology) {
            log.mistake(&path, "an authorizer is asked on `$connect`: serve that route, or remove the authorizer");
        }
    }
}

fn connects(topology: &Topology) -> bool {
    topology.triggers().any(|(_, trigger)| {
        matches!(trigger, Trigger::Websocket(trigger) if trigger.routes.iter().any(|route| route == "$connect"))
    })
}

fn timeouts(topology: &Topology, log: &Log) {
    for function in topology.functions.iter().filter(|function| function.answers_a_websocket()) {
        let timeout_s = function.timeout_s;
        if timeout_s > WEBSOCKET_TIMEOUT_S {
            log.mistake(
                &format!("functions.{}.timeout_s", function.name),
                format!(
                    "API Gateway waits {WEBSOCKET_TIMEOUT_S} seconds for a function behind a route, not {timeout_s}: \
                     use {WEBSOCKET_TIMEOUT_S} or less"
                ),
            );
        }
    }
}
