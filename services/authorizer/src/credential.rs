//! Reads the credential of a handshake: a token in one of its places, the secret of a guest, or
//! nothing.
//!
//! A credential in another place or form is refused: if it were ignored, its client would become a
//! guest without noticing. Cookies are ignored, because browsers send them unasked.

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use protocol::{GUEST_PARAMETER, TOKEN_SUBPROTOCOL};

type Event = ApiGatewayCustomAuthorizerRequestTypeRequest;

/// Query parameter that carries a token.
const TOKEN_PARAMETER: &str = "token";
/// Length of a guest's secret in base64url: 22 characters hold 128 bits.
const GUEST_SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 22..=128;

/// Names that other systems give to credentials in a query or a subprotocol. They are in lower
/// case, without `-` and `_`.
const PARAMETER_NAMES: &[&str] = &[
    "accesstoken",
    "apikey",
    "apitoken",
    "auth",
    "authentication",
    "authorization",
    "authtoken",
    "bearer",
    "bearertoken",
    "credential",
    "credentials",
    "idtoken",
    "jwt",
    "jwttoken",
    "passwd",
    "password",
    "secret",
    "sessiontoken",
    "token",
    "usertoken",
    "xaccesstoken",
    "xapikey",
    "xauthtoken",
];
/// The same for headers. `x-api-key` is absent, because API Gateway itself reads it.
const HEADER_NAMES: &[&str] = &[
    "accesstoken",
    "auth",
    "authentication",
    "authtoken",
    "bearer",
    "idtoken",
    "jwt",
    "proxyauthorization",
    "token",
    "xaccesstoken",
    "xauth",
    "xauthentication",
    "xauthorization",
    "xauthtoken",
    "xidtoken",
    "xjwt",
    "xjwttoken",
    "xtoken",
];

/// The reason for refusing a credential in a place or form that is not read. The text does not
/// contain the credential.
pub(crate) type Misplaced = String;

/// Reads the token of a handshake from the subprotocol `token.<jwt>`, `Authorization: Bearer <jwt>`
/// or `?token=<jwt>`. A client may use one of these places (RFC 6750, 2). `subprotocols` are those
/// that the client offers.
pub(crate) fn token(event: &Event, subprotocols: &[String]) -> Result<Option<String>, Misplaced> {
    let offered = offered_token(subprotocols)?;
    let bearer = bearer_token(&header_values(event, "authorization")?)?;
    let asked = one_of(&query_values(event, TOKEN_PARAMETER), "?token=")?;
    check_query(event)?;
    check_headers(event)?;
    let mut places = [offered, bearer, asked].into_iter().flatten();
    match (places.next(), places.next()) {
        (token, None) => Ok(token),
        (_, Some(_)) => Err("a token is in more than one of the three places; it is read from one".to_owned()),
    }
}

/// Reads the secret that identifies a guest: `?guest=`.
pub(crate) fn guest_secret(event: &Event) -> Result<Option<String>, Misplaced> {
    let Some(secret) = one_of(&query_values(event, GUEST_PARAMETER), "?guest=")? else { return Ok(None) };
    let is_good = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if GUEST_SECRET_CHARACTERS.contains(&secret.len()) && secret.chars().all(is_good) {
        return Ok(Some(secret));
    }
    let (least, most) = (GUEST_SECRET_CHARACTERS.start(), GUEST_SECRET_CHARACTERS.end());
    Err(format!("?guest= must be a secret of {least} to {most} characters of A-Z a-z 0-9 - _"))
}

fn offered_token(subprotocols: &[String]) -> Result<Option<String>, Misplaced> {
    let (tokens, others): (Vec<&String>, Vec<&String>) =
        subprotocols.iter().partition(|name| name.starts_with(TOKEN_SUBPROTOCOL));
    for other in others {
        let names_one = other.split('.').any(|part| is_among(part, PARAMETER_NAMES));
        // A token may follow any prefix, or stand alone.
        let holds_one = other.match_indices("eyJ").any(|(at, _)| looks_like_jwt(&other[at..]));
        if names_one || holds_one {
            return Err("a subprotocol holds a credential in another form than token.<jwt>".to_owned());
        }
    }
    let tokens: Vec<&str> = tokens.iter().map(|name| &name[TOKEN_SUBPROTOCOL.len()..]).collect();
    one_of(&tokens, "the subprotocol token.<jwt>")
}

fn bearer_token(values: &[&str]) -> Result<Option<String>, Misplaced> {
    let Some(value) = one_of(values, "the header Authorization")? else { return Ok(None) };
    let Some((scheme, token)) = value.split_once(' ') else {
        return Err("the header Authorization must read Bearer <jwt>; it has one word only".to_owned());
    };
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("the header Authorization must read Bearer <jwt>; it has another scheme".to_owned());
    }
    if token.is_empty() || token.contains([' ', '\t', ',']) {
        return Err("the header Authorization must read Bearer <jwt>, with one token".to_owned());
    }
    Ok(Some(token.to_owned()))
}

/// Returns the only value, or `None` without a value. An empty value and several values are
/// refused.
fn one_of(values: &[&str], place: &str) -> Result<Option<String>, Misplaced> {
    match values {
        [] => Ok(None),
        [value] if value.trim().is_empty() => Err(format!("{place} is empty; it takes a JWT or a secret")),
        [value] => Ok(Some((*value).trim().to_owned())),
        several => Err(format!("{place} is given {} times; it is read once", several.len())),
    }
}

fn check_query(event: &Event) -> Result<(), Misplaced> {
    let parameters = event.query_string_parameters.iter().chain(event.multi_value_query_string_parameters.iter());
    for (name, value) in parameters {
        if name == TOKEN_PARAMETER {
            continue;
        }
        if is_among(name, PARAMETER_NAMES) {
            return Err("a query parameter of another name than token holds a credential".to_owned());
        }
        if looks_like_jwt(value.trim_start_matches("Bearer ")) {
            return Err("a query parameter of another name than token holds a JWT".to_owned());
        }
    }
    Ok(())
}

fn check_headers(event: &Event) -> Result<(), Misplaced> {
    let mut names = event.headers.keys().chain(event.multi_value_headers.keys());
    match names.find(|name| is_among(name.as_str(), HEADER_NAMES)) {
        // The name is one of `HEADER_NAMES`, so the message may contain it.
        Some(name) => Err(format!("the header {name} is not read; a token belongs in Authorization: Bearer <jwt>")),
        None => Ok(()),
    }
}

/// Returns all values of a header.
pub(crate) fn header_values<'e>(event: &'e Event, name: &str) -> Result<Vec<&'e str>, Misplaced> {
    let all: Vec<_> = event.multi_value_headers.get_all(name).iter().collect();
    let all = if all.is_empty() { event.headers.get_all(name).iter().collect() } else { all };
    let texts: Result<Vec<&str>, _> = all.into_iter().map(|value| value.to_str()).collect();
    texts.map_err(|_| format!("the header {name} holds other than visible ASCII characters"))
}

fn query_values<'e>(event: &'e Event, name: &str) -> Vec<&'e str> {
    let all = event.multi_value_query_string_parameters.all(name);
    all.or_else(|| event.query_string_parameters.all(name)).unwrap_or_default()
}

fn is_among(name: &str, names: &[&str]) -> bool {
    let plain: String = name.chars().filter(|character| !matches!(character, '-' | '_')).collect();
    names.contains(&plain.to_ascii_lowercase().as_str())
}

/// Reports whether a text has three or more parts of base64url, the first of them a JSON object
/// (RFC 7519, 3).
fn looks_like_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_base64url = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte));
    text.starts_with("eyJ") && parts.len() >= 3 && parts.iter().all(is_base64url)
}
