//! The routes of an HTTP API: methods and paths with names in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Method;
use percent_encoding::percent_decode_str;

/// One HTTP API with the stage `$default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpApi {
    /// `apiId` of the events.
    pub api_id: String,
    /// The routes. A path may match one only.
    pub routes: Vec<HttpRoute>,
}

/// A route of the HTTP API and its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    /// A method and a path, such as `GET /rooms/{room}`.
    pub key: String,
    /// Name of the function to invoke.
    pub function: String,
}

/// A checked [`HttpApi`].
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) api_id: String,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    key: Arc<str>,
    method: Method,
    segments: Vec<Segment>,
    function: Arc<str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Word(String),
    Name(String),
}

/// A route that a request matches, with the names in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) key: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The key of a route that is not a method and a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotARoute(pub(crate) String);

impl Routes {
    /// Checks an API.
    ///
    /// # Errors
    /// The first route that is not a method and a path.
    pub(crate) fn check(api: HttpApi) -> Result<Self, NotARoute> {
        let route = |route: HttpRoute| {
            let wrong = || NotARoute(route.key.clone());
            let (method, path) = route.key.split_once(' ').ok_or_else(wrong)?;
            let method = method.parse().map_err(|_| wrong())?;
            let path = path.strip_prefix('/').ok_or_else(wrong)?;
            let segments = path.split('/').map(Segment::parse).collect();
            Ok(Route { method, segments, key: route.key.as_str().into(), function: route.function.into() })
        };
        let routes = api.routes.into_iter().map(route).collect::<Result<_, NotARoute>>()?;
        Ok(Self { api_id: api.api_id, routes })
    }

    /// Returns whether a path belongs to this API: its first segment begins a route.
    pub(crate) fn owns(&self, path: &str) -> bool {
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
        let begins = |route: &Route| matches!(route.segments.first(), Some(Segment::Word(word)) if word == first);
        self.routes.iter().any(begins)
    }

    /// Returns the route of a request. Segments are compared as they were sent; the names are
    /// decoded.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Matched> {
        let sent: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        self.routes.iter().filter(|route| route.method == *method).find_map(|route| route.matches(&sent))
    }
}

impl Route {
    fn matches(&self, sent: &[&str]) -> Option<Matched> {
        if self.segments.len() != sent.len() {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for (segment, sent) in self.segments.iter().zip(sent) {
            match segment {
                Segment::Word(word) if word == sent => {}
                Segment::Name(name) if !sent.is_empty() => drop(parameters.insert(name.clone(), decode(sent))),
                Segment::Word(_) | Segment::Name(_) => return None,
            }
        }
        Some(Matched { key: Arc::clone(&self.key), function: Arc::clone(&self.function), parameters })
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Name(name.to_owned()),
            None => Self::Word(text.to_owned()),
        }
    }
}

/// Decodes the percent signs of a path. Bytes that are not UTF-8 are replaced.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |key: &str| HttpRoute { key: key.to_owned(), function: "api".to_owned() };
        let keys = ["GET /rooms/{room}", "GET /rooms/{room}/history", "DELETE /users/{user}/connections"];
        Routes::check(HttpApi { api_id: "http".to_owned(), routes: keys.map(route).to_vec() }).unwrap()
    }

    fn found(method: Method, path: &str) -> Option<(String, Vec<String>)> {
        let matched = routes().find(&method, path)?;
        Some((matched.key.to_string(), matched.parameters.into_values().collect()))
    }

    #[test]
    fn a_request_matches_the_route_of_its_method_and_segments() {
        let room = |name: &str| Some(("GET /rooms/{room}".to_owned(), vec![name.to_owned()]));
        assert_eq!(found(Method::GET, "/rooms/lobby"), room("lobby"));
        assert_eq!(found(Method::GET, "/rooms/team%3A7"), room("team:7"));
        assert_eq!(found(Method::GET, "/rooms/a%2Fb"), room("a/b"));
        assert_eq!(found(Method::GET, "/rooms/lobby/history").unwrap().0, "GET /rooms/{room}/history");
        for (method, path) in [
            (Method::POST, "/rooms/lobby"),
            (Method::GET, "/rooms"),
            (Method::GET, "/rooms/"),
            (Method::GET, "/rooms/lobby/"),
            (Method::GET, "/rooms/a/b"),
        ] {
            assert_eq!(found(method, path), None, "{path}");
        }
    }

    #[test]
    fn the_first_segment_decides_which_api_a_path_belongs_to() {
        for path in ["/rooms", "/rooms/lobby/nothing", "/users/ada"] {
            assert!(routes().owns(path), "{path}");
        }
        for path in ["/local", "/", "/roomsx", "/local/@connections/a="] {
            assert!(!routes().owns(path), "{path}");
        }
    }

    #[test]
    fn a_route_of_another_form_is_a_mistake() {
        for key in ["GET", "GET rooms", "/rooms"] {
            let routes = vec![HttpRoute { key: key.to_owned(), function: "api".to_owned() }];
            let error = Routes::check(HttpApi { api_id: "http".to_owned(), routes }).unwrap_err();
            assert_eq!(error, NotARoute(key.to_owned()));
        }
    }
}
