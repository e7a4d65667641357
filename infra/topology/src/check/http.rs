//! Checks that each route of the HTTP API has one function, and that these functions answer in time.

use std::collections::HashMap;

use super::triggers;
use crate::at::Log;
use crate::limits::HTTP_TIMEOUT_S;
use crate::{Topology, Trigger};

pub(super) fn check(topology: &Topology, log: &Log) {
    let mut served: HashMap<String, &str> = HashMap::new();
    for (path, function, trigger) in triggers(topology) {
        let Trigger::Http { routes } = trigger else { continue };
        if topology.http.is_none() {
            log.mistake(&path, "there is no HTTP API: declare `http`, such as `http: { optional: true }`");
        }
        for (index, route) in routes.iter().enumerate() {
            if let Some(other) = served.insert(shape(route), &function.name) {
                let path = format!("{path}.http.routes[{index}]");
                log.mistake(
                    &path,
                    format!("the route `{route}` is served by the function `{other}` already: keep one of the two"),
                );
            }
        }
        if function.timeout_s > HTTP_TIMEOUT_S {
            log.mistake(
                &format!("functions.{}.timeout_s", function.name),
                format!(
                    "an HTTP API waits {HTTP_TIMEOUT_S} seconds for a function, not {}: use {HTTP_TIMEOUT_S} or less",
                    function.timeout_s
                ),
            );
        }
    }
}

/// Returns the route without the names in braces: two routes that differ only in these are one.
fn shape(route: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "{}".to_owned() } else { segment.to_owned() };
    route.split('/').map(segment).collect::<Vec<_>>().join("/")
}
