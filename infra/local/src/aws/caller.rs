//! Identifies callers: every function has its own keys, and every other caller is the developer.
//!
//! Signatures are not verified. The keys only distinguish functions; they do not protect a loopback
//! address.

use std::collections::HashMap;
use std::sync::Arc;

use aws_credential_types::Credentials;
use http::{HeaderMap, Uri};
use uuid::Uuid;

/// The keys with which a function process signs its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl Keys {
    /// Creates keys in the form of temporary credentials.
    fn new() -> Self {
        let random = || Uuid::new_v4().simple().to_string();
        Self {
            access_key_id: format!("ASIA{}", random()[..16].to_uppercase()),
            secret_access_key: format!("{}{}", random(), &random()[..8]),
            session_token: random(),
        }
    }
}

impl Keys {
    /// Converts the keys to the SDK's type.
    pub(crate) fn credentials(&self) -> Credentials {
        let Self { access_key_id, secret_access_key, session_token } = self.clone();
        Credentials::new(access_key_id, secret_access_key, Some(session_token), None, "local")
    }
}

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A function of the topology, by name.
    Function(Arc<str>),
    /// Lambda, which polls the queues and streams of a function with that function's role.
    Poller(Arc<str>),
    /// A user, a script, or the runner itself. May make every call.
    Developer,
    /// The request is not signed.
    Nobody,
}

/// Finds the caller of a request by its access key.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    by_key: HashMap<String, Caller>,
    functions: HashMap<String, Keys>,
    pollers: HashMap<String, Keys>,
}

impl Callers {
    /// Creates keys for every function, and other keys for the poller of each function.
    pub(crate) fn new<'a>(functions: impl Iterator<Item = &'a str>) -> Self {
        let mut callers = Self::default();
        for function in functions {
            let (own, pollers) = (Keys::new(), Keys::new());
            callers.by_key.insert(own.access_key_id.clone(), Caller::Function(function.into()));
            callers.by_key.insert(pollers.access_key_id.clone(), Caller::Poller(function.into()));
            callers.functions.insert(function.to_owned(), own);
            callers.pollers.insert(function.to_owned(), pollers);
        }
        callers
    }

    /// Returns the keys of a function.
    pub(crate) fn keys(&self, function: &str) -> Option<&Keys> {
        self.functions.get(function)
    }

    /// Returns the keys that poll the queues and streams of a function.
    pub(crate) fn poller_keys(&self, function: &str) -> Option<&Keys> {
        self.pollers.get(function)
    }

    /// Returns the caller with this access key.
    pub(crate) fn of_key(&self, access_key_id: &str) -> Caller {
        self.by_key.get(access_key_id).cloned().unwrap_or(Caller::Developer)
    }

    /// Returns the caller that signed a request in its header or in its URL.
    pub(crate) fn of_request(&self, uri: &Uri, headers: &HeaderMap) -> Caller {
        let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        header.and_then(access_key_of_header).map_or_else(
            || access_key_of_query(uri.query().unwrap_or_default()).map_or(Caller::Nobody, |key| self.of_key(&key)),
            |key| self.of_key(key),
        )
    }
}

/// Returns the access key in
/// `AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/sqs/aws4_request, …`.
fn access_key_of_header(header: &str) -> Option<&str> {
    let (_, credential) = header.split_once("Credential=")?;
    credential.split(['/', ',', ' ']).next().filter(|key| !key.is_empty())
}

fn access_key_of_query(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, credential) = pairs.find(|(name, _)| name == "X-Amz-Credential")?;
    credential.split('/').next().filter(|key| !key.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(key: &str) -> HeaderMap {
        let value =
            format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host");
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_call_is_its_functions_that_holds_the_key() {
        let callers = Callers::new(["one", "two"].into_iter());
        let key = |function: &str| callers.keys(function).unwrap().access_key_id.clone();
        assert_ne!(key("one"), key("two"));
        assert_eq!(callers.of_request(&Uri::from_static("/"), &signed(&key("two"))), Caller::Function("two".into()));
        let pollers_of_two = callers.poller_keys("two").unwrap().access_key_id.clone();
        assert_eq!(callers.of_key(&pollers_of_two), Caller::Poller("two".into()));
        let presigned = format!("/?X-Amz-Credential={}%2F20260101%2Fus-east-1%2Fsqs%2Faws4_request", key("one"));
        assert_eq!(callers.of_request(&presigned.parse().unwrap(), &HeaderMap::new()), Caller::Function("one".into()));
    }

    #[test]
    fn any_other_key_is_the_developers_and_no_key_is_nobodys() {
        let callers = Callers::new(["one"].into_iter());
        assert_eq!(callers.of_request(&Uri::from_static("/"), &signed("test")), Caller::Developer);
        assert_eq!(callers.of_request(&Uri::from_static("/"), &HeaderMap::new()), Caller::Nobody);
    }
}
