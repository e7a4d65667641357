//! Checks that each route of the HTTP API has one function, and that these functions answer in
//! time.

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

#[cfg(test)]
mod tests {
    use crate::Topology;

    /// Returns the mistakes of a topology with these routes of two functions.
    fn mistakes(http: &str, first: &str, second: &str, timeout_s: u32) -> String {
        let function = |name: &str, routes: &str| {
            format!(
                "  {name}:\n    binary: {name}\n    memory_mb: 128\n    timeout_s: {timeout_s}\n    triggers: [{{ http: {{ routes: [{routes}] }} }}]\n"
            )
        };
        let functions = [function("one", first), function("two", second)].concat();
        let text = format!("version: 1\nname: x\n{http}functions:\n{functions}");
        Topology::parse(&text).map_or_else(|mistakes| mistakes.to_string(), |_| String::new())
    }

    const HTTP: &str = "http: { optional: true }\n";

    #[test]
    fn routes_of_an_http_api_are_methods_and_paths() {
        assert_eq!(mistakes(HTTP, r#""GET /rooms/{room}""#, r#""POST /rooms/{room}""#, 30), "");
        for route in ["GET", "get /rooms", "ANY /rooms", "GET rooms", "GET /rooms//x", "GET /{}", "GET /rooms/{room+}"]
        {
            let found = mistakes(HTTP, r#""GET /rooms/{room}""#, &format!("{route:?}"), 30);
            assert!(found.contains(&format!("`{route}` is no route")), "{route}: {found}");
        }
    }

    #[test]
    fn a_route_of_an_http_api_is_served_once_whatever_its_names() {
        let found = mistakes(HTTP, r#""GET /rooms/{room}""#, r#""GET /rooms/{name}""#, 30);
        assert!(found.contains("is served by the function `one` already"), "{found}");
    }

    #[test]
    fn an_http_api_is_declared_and_its_functions_answer_in_time() {
        let found = mistakes("", r#""GET /a""#, r#""GET /b""#, 30);
        assert!(found.contains("there is no HTTP API: declare `http`"), "{found}");
        let found = mistakes(HTTP, r#""GET /a""#, r#""GET /b""#, 31);
        assert!(found.contains("an HTTP API waits 30 seconds for a function, not 31"), "{found}");
    }
}
