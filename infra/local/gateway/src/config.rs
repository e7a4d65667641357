//! The configuration of a gateway and its API. It is checked before the gateway reads any byte.

use std::collections::HashMap;
use std::sync::Arc;

use crate::http_routes::{HttpApi, NotARoute, Routes};
use crate::limits::{Limits, Rate};
use crate::origin::Hosts;
use crate::route::Selection;
use crate::throttle::Throttle;

/// One WebSocket API with one stage.
#[derive(Debug, Clone)]
pub struct Config {
    /// `apiId` of the events, such as `abcdef123`.
    pub api_id: String,
    /// The Region in ARNs and in the credential scope of management calls.
    pub region: String,
    /// The account in ARNs: twelve digits.
    pub account_id: String,
    /// Name of the stage. It is the first segment of every path.
    pub stage: String,
    /// `domainName` of the events. A function without a configured endpoint posts to
    /// `{domainName}/{stage}`, so this must be an address that reaches the gateway, with the port:
    /// `127.0.0.1:3001`.
    pub domain_name: String,
    /// The expression that selects the route of a message, such as `$request.body.action`.
    ///
    /// Source:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>
    pub route_selection_expression: String,
    /// The API's own routes, and optionally `$connect`, `$disconnect` and `$default`.
    pub routes: Vec<Route>,
    /// The authorizer of handshakes. Without one, every client may connect.
    pub authorizer: Option<Authorizer>,
    /// An HTTP API on the same port, if there is one.
    pub http: Option<HttpApi>,
    /// True if binary messages are passed on in base64, and base64 answers are sent as binary. Only
    /// for conformance suites: API Gateway does neither, and closes with 1003.
    pub allow_binary: bool,
    /// The hosts that the port answers to. Other hosts and web pages of other origins get 403.
    /// `None` allows every host.
    pub hosts: Option<Hosts>,
    /// The limits that the gateway enforces.
    pub limits: Limits,
}

/// A route and its function (Lambda proxy integration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `$connect`, `$disconnect`, `$default`, or a value of the route selection expression.
    pub key: String,
    /// Name of the function to invoke.
    pub function: String,
    /// True if the route has a route response. Only then does the client receive the `body` of the
    /// function's answer.
    pub responds: bool,
    /// Rate of the route's messages, or of the handshakes of `$connect`, from all clients together
    /// (`RouteSettings` of the stage). `None` is unlimited.
    pub rate: Option<Rate>,
}

/// A Lambda authorizer of type REQUEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// Name of the function to invoke.
    pub function: String,
    /// `route.request.header.NAME` or `route.request.querystring.NAME`. If one is absent, the
    /// client gets a 401 and the authorizer is not invoked.
    pub identity_sources: Vec<String>,
}

/// A mistake in a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The route selection expression is not valid.
    #[error("route selection expression {expression:?}: {reason}")]
    RouteSelection {
        /// The expression from the configuration.
        expression: String,
        /// The mistake and its correction.
        reason: String,
    },
    /// Two routes have the same key.
    #[error("route {0:?} is served twice; a route key has one function")]
    DuplicateRoute(String),
    /// The key begins with `$` and is not one of the three reserved keys.
    #[error("route key {0:?} begins with `$`; only $connect, $disconnect and $default do")]
    ReservedRoute(String),
    /// The key is empty, so the route can never be selected.
    #[error("a route key is empty; it must be a value of the route selection expression")]
    EmptyRoute,
    /// The key of a route of the HTTP API is not a method and a path.
    #[error("route {0:?} is not a method and a path, such as GET /rooms/{{room}}")]
    HttpRoute(String),
    /// The gateway does not support this identity source.
    #[error("identity source {0:?} is not supported; use route.request.header.NAME or route.request.querystring.NAME")]
    IdentitySource(String),
    /// The stage is not usable as a path segment.
    #[error("stage {0:?} must be one or more of a-z A-Z 0-9 - _ and neither `ping` nor `sping`, which are reserved")]
    Stage(String),
}

/// A checked [`Config`], in the form that the gateway uses.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) api_id: String,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) stage: String,
    pub(crate) domain_name: String,
    /// `arn:aws:execute-api:{region}:{account}:{api}/{stage}/$connect`. Unlike in REST APIs, the
    /// ARN has no HTTP method.
    pub(crate) connect_arn: String,
    pub(crate) connect: Option<Arc<str>>,
    pub(crate) connect_throttle: Option<Arc<Throttle>>,
    pub(crate) disconnect: Option<Arc<str>>,
    pub(crate) authorizer: Option<CheckedAuthorizer>,
    pub(crate) http: Option<Routes>,
    pub(crate) allow_binary: bool,
    pub(crate) hosts: Option<Hosts>,
    pub(crate) limits: Limits,
    selection: Selection,
    messages: HashMap<String, MessageRoute>,
}

#[derive(Debug)]
pub(crate) struct CheckedAuthorizer {
    pub(crate) function: Arc<str>,
    pub(crate) identity_sources: Vec<IdentitySource>,
}

/// The place of a credential in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentitySource {
    Header(String),
    QueryString(String),
}

/// A route for messages: any route except `$connect` and `$disconnect`.
#[derive(Debug, Clone)]
pub(crate) struct MessageRoute {
    pub(crate) key: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) responds: bool,
    pub(crate) throttle: Option<Arc<Throttle>>,
}

const CONNECT: &str = "$connect";
const DISCONNECT: &str = "$disconnect";
const DEFAULT: &str = "$default";

impl Api {
    /// Checks a configuration.
    ///
    /// # Errors
    /// The first mistake.
    pub(crate) fn check(config: Config) -> Result<Self, Error> {
        let Config { api_id, region, account_id, stage, domain_name, allow_binary, hosts, limits, .. } = config;
        check_stage(&stage)?;
        let selection = Selection::parse(&config.route_selection_expression).map_err(|reason| {
            Error::RouteSelection { expression: config.route_selection_expression.clone(), reason }
        })?;
        let mut messages = check_routes(config.routes)?;
        let (connect, connect_throttle) = match messages.remove(CONNECT) {
            Some(route) => (Some(route.function), route.throttle),
            None => (None, None),
        };
        let disconnect = messages.remove(DISCONNECT).map(|route| route.function);
        Ok(Self {
            connect_arn: format!("arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/$connect"),
            api_id,
            region,
            account_id,
            stage,
            domain_name,
            connect,
            connect_throttle,
            disconnect,
            authorizer: config.authorizer.map(CheckedAuthorizer::check).transpose()?,
            http: config.http.map(Routes::check).transpose().map_err(|NotARoute(key)| Error::HttpRoute(key))?,
            allow_binary,
            hosts,
            limits,
            selection,
            messages,
        })
    }

    /// Returns the route of a message: the route whose key is the value of the expression, else
    /// `$default`, else none.
    pub(crate) fn route(&self, body: &str) -> Option<&MessageRoute> {
        let selected = self.selection.evaluate(body).filter(|key| !key.starts_with('$'));
        selected.and_then(|key| self.messages.get(key.as_str())).or_else(|| self.messages.get(DEFAULT))
    }
}

fn check_stage(stage: &str) -> Result<(), Error> {
    let spelled = !stage.is_empty() && stage.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !spelled || stage == "ping" || stage == "sping" {
        return Err(Error::Stage(stage.to_owned()));
    }
    Ok(())
}

fn check_routes(routes: Vec<Route>) -> Result<HashMap<String, MessageRoute>, Error> {
    let mut checked = HashMap::with_capacity(routes.len());
    for Route { key, function, responds, rate } in routes {
        if key.is_empty() {
            return Err(Error::EmptyRoute);
        }
        if key.starts_with('$') && ![CONNECT, DISCONNECT, DEFAULT].contains(&key.as_str()) {
            return Err(Error::ReservedRoute(key));
        }
        let throttle = rate.map(|rate| Arc::new(Throttle::new(rate)));
        let route = MessageRoute { key: key.as_str().into(), function: function.into(), responds, throttle };
        if checked.insert(key.clone(), route).is_some() {
            return Err(Error::DuplicateRoute(key));
        }
    }
    Ok(checked)
}

impl CheckedAuthorizer {
    fn check(authorizer: Authorizer) -> Result<Self, Error> {
        let identity_sources =
            authorizer.identity_sources.into_iter().map(IdentitySource::parse).collect::<Result<_, _>>()?;
        Ok(Self { function: authorizer.function.into(), identity_sources })
    }
}

impl IdentitySource {
    fn parse(text: String) -> Result<Self, Error> {
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(str::to_owned);
        named("route.request.header.")
            .map(Self::Header)
            .or_else(|| named("route.request.querystring.").map(Self::QueryString))
            .ok_or(Error::IdentitySource(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            api_id: "abcdef123".into(),
            region: "us-east-1".into(),
            account_id: "123456789012".into(),
            stage: "local".into(),
            domain_name: "127.0.0.1:3001".into(),
            route_selection_expression: "$request.body.action".into(),
            routes: Vec::new(),
            authorizer: None,
            http: None,
            allow_binary: false,
            hosts: None,
            limits: Limits::default(),
        }
    }

    fn route(key: &str) -> Route {
        Route { key: key.into(), function: format!("serves-{key}"), responds: false, rate: None }
    }

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = config();
        change(&mut config);
        Api::check(config).unwrap_err().to_string()
    }

    #[test]
    fn a_mistake_is_named_with_what_would_be_right() {
        let twice = refused(|config| config.routes = vec![route("join"), route("join")]);
        assert_eq!(twice, r#"route "join" is served twice; a route key has one function"#);
        let reserved = refused(|config| config.routes = vec![route("$join")]);
        assert!(reserved.contains("only $connect, $disconnect and $default"), "{reserved}");
        let empty = refused(|config| config.routes = vec![route("")]);
        assert!(empty.contains("empty"), "{empty}");
        let stage = refused(|config| config.stage = "ping".into());
        assert!(stage.contains("reserved"), "{stage}");
        let source = refused(|config| {
            config.authorizer = Some(Authorizer { function: "f".into(), identity_sources: vec!["context.ip".into()] });
        });
        assert!(source.contains("route.request.header.NAME"), "{source}");
        let expression = refused(|config| config.route_selection_expression = "$request.header.x".into());
        assert!(expression.contains("$request.body"), "{expression}");
    }

    #[test]
    fn a_message_cannot_select_the_routes_of_the_lifecycle() {
        let mut config = config();
        config.routes = vec![route("$connect"), route("$disconnect"), route("$default")];
        let api = Api::check(config).unwrap();
        for key in ["$connect", "$disconnect", "$default"] {
            let body = format!(r#"{{"action":"{key}"}}"#);
            assert_eq!(&*api.route(&body).unwrap().key, "$default");
        }
    }

    #[test]
    fn a_message_takes_its_own_route_else_the_default_else_none() {
        let mut config = config();
        config.routes = vec![route("join")];
        let without_default = Api::check(config.clone()).unwrap();
        assert_eq!(&*without_default.route(r#"{"action":"join"}"#).unwrap().key, "join");
        assert!(without_default.route(r#"{"action":"Join"}"#).is_none());
        assert!(without_default.route("not json").is_none());
        config.routes.push(route("$default"));
        let with_default = Api::check(config).unwrap();
        assert_eq!(&*with_default.route("not json").unwrap().key, "$default");
    }
}
