//! Who calls: every function has keys of its own, and everybody else is the developer.
//!
//! Signatures are not verified: the keys tell functions apart, they keep nobody out of a loopback address.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use uuid::Uuid;

/// What a function process signs its calls with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl Keys {
    /// New keys, in the form of temporary credentials.
    fn new() -> Self {
        let random = || Uuid::new_v4().simple().to_string();
        Self {
            access_key_id: format!("ASIA{}", random()[..16].to_uppercase()),
            secret_access_key: format!("{}{}", random(), &random()[..8]),
            session_token: random(),
        }
    }
}

/// Who made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A function of the topology, by name.
    Function(Arc<str>),
    /// A person, a script, or the runner itself, who may do everything.
    Developer,
    /// The request is not signed.
    Nobody,
}

/// Finds the caller of a request by its access key.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    functions: HashMap<String, Arc<str>>,
    keys: HashMap<String, Keys>,
}

impl Callers {
    /// Gives every function its keys.
    pub(crate) fn new<'a>(functions: impl Iterator<Item = &'a str>) -> Self {
        let mut callers = Self::default();
        for function in functions {
            let keys = Keys::new();
            callers.functions.insert(keys.access_key_id.clone(), function.into());
            callers.keys.insert(function.to_owned(), keys);
        }
        callers
    }

    /// The keys of a function.
    pub(crate) fn keys(&self, function: &str) -> Option<&Keys> {
        self.keys.get(function)
    }

    /// Whose access key this is.
    pub(crate) fn of_key(&self, access_key_id: &str) -> Caller {
        self.functions.get(access_key_id).cloned().map_or(Caller::Developer, Caller::Function)
    }

    /// Who signed a request, in its header or in its URL.
    pub(crate) fn of_request(&self, uri: &Uri, headers: &HeaderMap) -> Caller {
        let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        header.and_then(access_key_of_header).map_or_else(
            || access_key_of_query(uri.query().unwrap_or_default()).map_or(Caller::Nobody, |key| self.of_key(&key)),
            |key| self.of_key(key),
        )
    }
}

/// `AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/sqs/aws4_request, …`
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
