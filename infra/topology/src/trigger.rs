//! The triggers of a function.

use std::fmt;
use std::time::Duration;

use crate::at::At;
use crate::limits;
use crate::source::{QueueTrigger, StreamTrigger};

/// A source of invocations of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// Messages and events of WebSocket connections.
    Websocket(RouteTrigger),
    /// Requests to routes of the HTTP API: `POST /rooms/{room}/publications`.
    Http {
        /// Route keys: a method and a path, each once.
        routes: Vec<String>,
    },
    /// The REQUEST authorizer on `$connect`.
    Authorizer {
        /// Credentials that must be present, such as `route.request.header.Authorization`. If one
        /// is absent, the authorizer is not invoked. An empty list always invokes it.
        identity_sources: Vec<String>,
    },
    /// Messages of a queue.
    Queue(QueueTrigger),
    /// Changes of a table.
    Stream(StreamTrigger),
    /// A schedule at regular times.
    Schedule(Rate),
}

/// Routes of the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTrigger {
    /// Route keys: `$connect`, `$disconnect`, `$default`, or a value of the route selection
    /// expression.
    pub routes: Vec<String>,
    /// True if the function's answer is sent to the client (a route response).
    pub response: bool,
    /// Messages that each of these routes takes from all clients together. `None` for the limit of
    /// the stage.
    pub throttle: Option<Throttle>,
}

/// A token bucket of a route.
///
/// Source:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Messages a second.
    pub rate: u32,
    /// Messages at once.
    pub burst: u32,
}

/// The interval of a schedule: `rate(5 minutes)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Number of units, at least 1.
    pub value: u32,
    /// Unit of the interval.
    pub unit: RateUnit,
}

/// The units of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// A minute: 60 seconds.
    Minute,
    /// An hour: 60 minutes.
    Hour,
    /// A day: 24 hours.
    Day,
}

/// Prefixes of the identity sources of an authorizer.
///
/// Source:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>
const IDENTITY_SOURCES: [&str; 4] =
    ["route.request.header.", "route.request.querystring.", "stageVariables.", "context."];

/// Methods of routes of the HTTP API. `ANY` is left out: every route names what it does.
const HTTP_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

impl Trigger {
    pub(crate) fn read(at: &At<'_>) -> Self {
        Self::try_read(at).unwrap_or(Self::Schedule(Rate { value: 1, unit: RateUnit::Day }))
    }

    fn try_read(at: &At<'_>) -> Option<Self> {
        let (kind, what) = at.single(&["websocket", "http", "authorizer", "queue", "stream", "schedule"])?;
        Some(match kind {
            "websocket" => Self::Websocket(RouteTrigger::read(&what)),
            "http" => Self::Http { routes: read_http_routes(&what) },
            "authorizer" => Self::Authorizer { identity_sources: read_identity_sources(&what) },
            "queue" => Self::Queue(QueueTrigger::read(&what)),
            "stream" => Self::Stream(StreamTrigger::read(&what)),
            _ => Self::Schedule(what.fields(&["rate"]).required("rate").and_then(|rate| Rate::read(&rate))?),
        })
    }
}

impl RouteTrigger {
    fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&["routes", "response", "throttle"]);
        let routes = fields.required("routes").map(|routes| routes.list());
        if routes.as_ref().is_some_and(Vec::is_empty) {
            at.mistake("a trigger without a route is never pulled: name at least one, such as `$default`");
        }
        let trigger = Self {
            routes: routes.iter().flatten().filter_map(read_route).collect(),
            response: fields.boolean("response", false),
            throttle: fields.optional("throttle").map(|throttle| Throttle::read(&throttle)),
        };
        if trigger.throttle.is_some() && trigger.routes.iter().any(|route| route == "$disconnect") {
            at.mistake("`$disconnect` has no client to try again: name it in a separate trigger without `throttle`");
        }
        let answers_none = |route: &String| route == "$connect" || route == "$disconnect";
        if trigger.response
            && let Some(route) = trigger.routes.iter().find(|route| answers_none(route))
        {
            at.mistake(format!(
                "`{route}` has no client to answer: name it in a separate trigger with `response: false`"
            ));
        }
        trigger
    }
}

impl Throttle {
    fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&["rate", "burst"]);
        Self {
            rate: fields.required_integer("rate", &limits::ROUTE_THROTTLE),
            burst: fields.required_integer("burst", &limits::ROUTE_THROTTLE),
        }
    }
}

fn read_route(at: &At<'_>) -> Option<String> {
    let route = at.text()?;
    if route.starts_with('$') && !["$connect", "$disconnect", "$default"].contains(&route) {
        at.mistake(format!(
            "`{route}` cannot be a route: with a `$` there are `$connect`, `$disconnect` and `$default` only"
        ));
    }
    Some(route.to_owned())
}

fn read_http_routes(at: &At<'_>) -> Vec<String> {
    let fields = at.fields(&["routes"]);
    let routes = fields.required("routes").map(|routes| routes.list()).unwrap_or_default();
    if routes.is_empty() {
        at.mistake("a trigger without a route is never pulled: name at least one, such as `GET /rooms/{room}`");
    }
    routes.iter().filter_map(read_http_route).collect()
}

/// Reads a route key such as `GET /rooms/{room}`.
///
/// Source:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
fn read_http_route(at: &At<'_>) -> Option<String> {
    let route = at.text()?;
    let is_route = route.split_once(' ').is_some_and(|(method, path)| {
        let mut segments = path.split('/');
        let is_absolute = segments.next() == Some("");
        HTTP_METHODS.contains(&method) && is_absolute && segments.all(is_segment)
    });
    if !is_route {
        at.mistake(format!(
            "`{route}` is no route: write a method and a path of words and names, such as `GET /rooms/{{room}}`"
        ));
    }
    Some(route.to_owned())
}

/// Returns true for a word of a path, and for a name in braces.
fn is_segment(segment: &str) -> bool {
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(segment);
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && name.chars().all(is_good)
}

fn read_identity_sources(at: &At<'_>) -> Vec<String> {
    let fields = at.fields(&["identity_sources"]);
    let sources = fields.list("identity_sources");
    for source in &sources {
        if let Some(text) = source.text()
            && !IDENTITY_SOURCES.iter().any(|prefix| text.starts_with(prefix) && text.len() > prefix.len())
        {
            source.mistake(format!(
                "`{text}` is no identity source: write `route.request.header.NAME` or `route.request.querystring.NAME`"
            ));
        }
    }
    sources.iter().filter_map(At::text).map(str::to_owned).collect()
}

impl Rate {
    /// Returns the time between two invocations.
    #[must_use]
    pub fn period(&self) -> Duration {
        let seconds = match self.unit {
            RateUnit::Minute => 60,
            RateUnit::Hour => 3_600,
            RateUnit::Day => 86_400,
        };
        Duration::from_secs(u64::from(self.value) * seconds)
    }

    /// Parses `1 minute` or `5 minutes`, as strictly as EventBridge.
    ///
    /// Source:
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-rate-expressions>
    fn read(at: &At<'_>) -> Option<Self> {
        let text = at.text()?;
        let read = text.split_once(' ').and_then(|(value, unit)| {
            let value: u32 = value.parse().ok().filter(|value| *value > 0)?;
            let unit = match (unit, value) {
                ("minute", 1) => RateUnit::Minute,
                ("minutes", 2..) => RateUnit::Minute,
                ("hour", 1) => RateUnit::Hour,
                ("hours", 2..) => RateUnit::Hour,
                ("day", 1) => RateUnit::Day,
                ("days", 2..) => RateUnit::Day,
                _ => return None,
            };
            Some(Self { value, unit })
        });
        if read.is_none() {
            at.mistake(format!("`{text}` is no rate: write `1 minute`, `5 minutes`, `1 hour`, `2 days`"));
        }
        read
    }
}

impl Rate {
    /// Returns the text of the file, such as `5 minutes`.
    pub(crate) fn words(&self) -> String {
        let unit = match self.unit {
            RateUnit::Minute => "minute",
            RateUnit::Hour => "hour",
            RateUnit::Day => "day",
        };
        let plural = if self.value == 1 { "" } else { "s" };
        format!("{} {unit}{plural}", self.value)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rate({})", self.words())
    }
}
