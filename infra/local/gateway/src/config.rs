//! What a gateway is told about its API, and the check that it makes sense before the first byte is read.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::Limits;
use crate::origin::Hosts;
use crate::route::Selection;

/// One WebSocket API with one stage.
#[derive(Debug, Clone)]
pub struct Config {
    /// `apiId` of the events, such as `abcdef123`.
    pub api_id: String,
    /// The Region, as in ARNs and in the credential scope of management calls.
    pub region: String,
    /// Twelve digits, as in ARNs.
    pub account_id: String,
    /// The stage: the first segment of every path.
    pub stage: String,
    /// `domainName` of the events. A function that has no endpoint configured posts to `{domainName}/{stage}`, so
    /// this is what reaches the gateway, with the port: `127.0.0.1:3001`.
    pub domain_name: String,
    /// Such as `$request.body.action`.
    ///
    /// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>
    pub route_selection_expression: String,
    /// `$connect`, `$disconnect` and `$default`, each optional, and the API's own.
    pub routes: Vec<Route>,
    /// Who may connect; nobody is asked when absent.
    pub authorizer: Option<Authorizer>,
    /// Whether binary messages are passed on, base64-encoded, and base64-encoded answers sent as binary. API Gateway
    /// does neither (it closes with 1003): for conformance suites only.
    pub allow_binary: bool,
    /// The hosts that the port answers to: 403 to everything else, and to web pages of other origins. Any if absent.
    pub hosts: Option<Hosts>,
    /// What is enforced.
    pub limits: Limits,
}

/// A route and the function behind it (Lambda proxy integration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `$connect`, `$disconnect`, `$default`, or a value of the route selection expression.
    pub key: String,
    /// The function to invoke.
    pub function: String,
    /// Whether the route has a route response: only then is the `body` of the function's answer sent to the client.
    pub responds: bool,
}

/// A Lambda authorizer of type REQUEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The function to invoke.
    pub function: String,
    /// `route.request.header.NAME` or `route.request.querystring.NAME`; all must be present, else the client gets a
    /// 401 and the authorizer is not invoked.
    pub identity_sources: Vec<String>,
}

/// What is wrong with a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The expression is none.
    #[error("route selection expression {expression:?}: {reason}")]
    RouteSelection {
        /// As it was given.
        expression: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Two routes have one key.
    #[error("route {0:?} is served twice; a route key has one function")]
    DuplicateRoute(String),
    /// A key that begins with `$` and is not one of the three.
    #[error("route key {0:?} begins with `$`; only $connect, $disconnect and $default do")]
    ReservedRoute(String),
    /// A route without a key can never be selected.
    #[error("a route key is empty; it must be a value of the route selection expression")]
    EmptyRoute,
    /// Not a place the gateway can look at.
    #[error("identity source {0:?} is not supported; use route.request.header.NAME or route.request.querystring.NAME")]
    IdentitySource(String),
    /// The stage is a path segment.
    #[error("stage {0:?} must be one or more of a-z A-Z 0-9 - _ and neither `ping` nor `sping`, which are reserved")]
    Stage(String),
}

/// A [`Config`] that has been checked, in the form the gateway uses.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) api_id: String,
    pub(crate) region: String,
    pub(crate) stage: String,
    pub(crate) domain_name: String,
    /// `arn:aws:execute-api:{region}:{account}:{api}/{stage}/$connect`: no HTTP method, unlike REST.
    pub(crate) connect_arn: String,
    pub(crate) connect: Option<Arc<str>>,
    pub(crate) disconnect: Option<Arc<str>>,
    pub(crate) authorizer: Option<CheckedAuthorizer>,
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

/// Where a credential must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentitySource {
    Header(String),
    QueryString(String),
}

/// A route that messages can take: everything but `$connect` and `$disconnect`.
#[derive(Debug, Clone)]
pub(crate) struct MessageRoute {
    pub(crate) key: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) responds: bool,
}

const CONNECT: &str = "$connect";
const DISCONNECT: &str = "$disconnect";
const DEFAULT: &str = "$default";

impl Api {
    /// Checks a configuration.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn check(config: Config) -> Result<Self, Error> {
        let Config { api_id, region, account_id, stage, domain_name, allow_binary, hosts, limits, .. } = config;
        check_stage(&stage)?;
        let selection = Selection::parse(&config.route_selection_expression).map_err(|reason| {
            Error::RouteSelection { expression: config.route_selection_expression.clone(), reason }
        })?;
        let mut messages = check_routes(config.routes)?;
        let connect = messages.remove(CONNECT).map(|route| route.function);
        let disconnect = messages.remove(DISCONNECT).map(|route| route.function);
        Ok(Self {
            connect_arn: format!("arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage}/$connect"),
            api_id,
            region,
            stage,
            domain_name,
            connect,
            disconnect,
            authorizer: config.authorizer.map(CheckedAuthorizer::check).transpose()?,
            allow_binary,
            hosts,
            limits,
            selection,
            messages,
        })
    }

    /// The route of a message: the key that the expression evaluates to, else `$default`, else none.
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
    for Route { key, function, responds } in routes {
        if key.is_empty() {
            return Err(Error::EmptyRoute);
        }
        if key.starts_with('$') && ![CONNECT, DISCONNECT, DEFAULT].contains(&key.as_str()) {
            return Err(Error::ReservedRoute(key));
        }
        let route = MessageRoute { key: key.as_str().into(), function: function.into(), responds };
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
            allow_binary: false,
            hosts: None,
            limits: Limits::default(),
        }
    }

    fn route(key: &str) -> Route {
        Route { key: key.into(), function: format!("serves-{key}"), responds: false }
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
