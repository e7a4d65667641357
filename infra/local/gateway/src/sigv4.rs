//! Identifies the caller of the management API by the credential scope of a Signature Version 4
//! `Authorization` header.
//!
//! The signature itself is not verified: the keys on one machine are not secret and only identify
//! the caller. Source:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>

use hyper::StatusCode;

use crate::replies::{HttpResponse, json_error};

/// The reason why a call is refused before its content is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// The `Authorization` header is absent or has another scheme.
    Missing,
    /// The header has no complete credential scope.
    Incomplete,
    /// The call was signed for another service.
    WrongService,
    /// The call was signed for this other Region.
    WrongRegion(String),
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "execute-api";

/// Returns the access key id of a call, if its credential is scoped to this service and Region.
///
/// # Errors
/// See [`Unsigned`].
pub(crate) fn access_key_id<'a>(authorization: Option<&'a str>, region: &str) -> Result<&'a str, Unsigned> {
    let parameters = authorization.and_then(|header| header.strip_prefix(ALGORITHM)).ok_or(Unsigned::Missing)?;
    let mut parameters = parameters.split(',').map(str::trim);
    let credential =
        parameters.find_map(|parameter| parameter.strip_prefix("Credential=")).ok_or(Unsigned::Incomplete)?;
    // The scope is split from the right, because a key id may contain a slash:
    // KEY/20240209/us-east-1/execute-api/aws4_request
    let mut scope = credential.rsplitn(5, '/');
    let (Some("aws4_request"), Some(service), Some(scoped_to), Some(_date), Some(key)) =
        (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
    else {
        return Err(Unsigned::Incomplete);
    };
    match () {
        () if key.is_empty() => Err(Unsigned::Incomplete),
        () if service != SERVICE => Err(Unsigned::WrongService),
        () if scoped_to != region => Err(Unsigned::WrongRegion(scoped_to.to_owned())),
        () => Ok(key),
    }
}

impl Unsigned {
    /// Builds the 403 with the text of AWS.
    pub(crate) fn response(&self) -> HttpResponse {
        let (error_type, message) = match self {
            Self::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
            Self::Incomplete => {
                ("IncompleteSignatureException", "Authorization header requires 'Credential' parameter.".to_owned())
            }
            Self::WrongService => {
                ("InvalidSignatureException", format!("Credential should be scoped to correct service: '{SERVICE}'. "))
            }
            Self::WrongRegion(region) => (
                "InvalidSignatureException",
                format!("Credential should be scoped to a valid region, not '{region}'. "),
            ),
        };
        let body = serde_json::json!({ "message": message }).to_string();
        json_error(StatusCode::FORBIDDEN, error_type, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(credential: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=00")
    }

    #[test]
    fn the_scope_names_the_caller() {
        let header = signed("AKIDEXAMPLE/20240209/us-east-1/execute-api/aws4_request");
        assert_eq!(access_key_id(Some(&header), "us-east-1"), Ok("AKIDEXAMPLE"));
        let compact = "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=a/b/20240209/us-east-1/execute-api/aws4_request,Signature=00";
        assert_eq!(access_key_id(Some(compact), "us-east-1"), Ok("a/b"));
    }

    #[test]
    fn a_call_that_is_not_signed_for_this_service_and_region_is_refused_in_the_words_of_aws() {
        for (header, expected) in [
            (None, Unsigned::Missing),
            (Some("Bearer token".to_owned()), Unsigned::Missing),
            (Some("AWS4-HMAC-SHA256 Signature=00".to_owned()), Unsigned::Incomplete),
            (Some(signed("AKID")), Unsigned::Incomplete),
            (Some(signed("/20240209/us-east-1/execute-api/aws4_request")), Unsigned::Incomplete),
            (Some(signed("AKID/20240209/us-east-1/apigateway/aws4_request")), Unsigned::WrongService),
            (
                Some(signed("AKID/20240209/eu-west-1/execute-api/aws4_request")),
                Unsigned::WrongRegion("eu-west-1".into()),
            ),
        ] {
            assert_eq!(access_key_id(header.as_deref(), "us-east-1"), Err(expected), "{header:?}");
        }
    }
}
