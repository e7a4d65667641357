//! `roomcast code`: what a code of the protocol means, and what to do.

use std::process::ExitCode;

use domain::Code;
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, Row};

/// The code to explain.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roomcast code rate_limited\n  roomcast code kicked\n  roomcast code")]
pub(crate) struct Arguments {
    /// The code of a refusal (`err`), of a `bye` or of a `left`; without it all codes are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// A code, its meaning, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Explained {
    code: &'static str,
    /// Where the code occurs.
    occurs_in: &'static str,
    /// True if the same request may succeed later.
    retry: bool,
    means: &'static str,
    client: &'static str,
    operator: &'static str,
}

impl Row for Explained {
    const COLUMNS: &'static [&'static str] = &["code", "in", "retry", "means"];

    fn cells(&self) -> Vec<String> {
        let retry = if self.retry { "yes" } else { "no" };
        [self.code, self.occurs_in, retry, self.means].map(str::to_owned).to_vec()
    }
}

/// Codes of system messages. They are not refusals of requests.
const SYSTEM_CODES: [Explained; 4] = [
    Explained {
        code: "kicked",
        occurs_in: "bye",
        retry: false,
        means: "a backend or an operator closed the connection",
        client: "stop; connect again only if the person asks for it",
        operator: "nothing: it was an order. `roomcast who @USER` shows whether the user came back",
    },
    Explained {
        code: "expired",
        occurs_in: "bye",
        retry: false,
        means: "the token of the connection expired and was not renewed",
        client: "get another token, and connect again; renew it with `auth` 1 to 2 minutes before it expires",
        operator: "many at once: the backend that issues tokens does not answer, or its clock is wrong",
    },
    Explained {
        code: "revoked",
        occurs_in: "bye",
        retry: false,
        means: "a backend or an operator revoked the token of the connection",
        client: "get another token, and connect again; without one the user has to log in",
        operator: "nothing: it was an order. If the client does not come back, its new token names no `iat`, or an older one",
    },
    Explained {
        code: "removed",
        occurs_in: "left",
        retry: false,
        means: "a backend removed the user from the room",
        client: "show that the room was left; a new join is allowed if the token allows it",
        operator: "nothing: it was an order",
    },
];

/// Explains a code of a refusal.
fn explain(code: Code) -> Explained {
    let (means, client, operator) = match code {
        Code::NotJson => (
            "the message is not a JSON object",
            "send one JSON object a message, as text",
            "a defective client: find its connection in the log lines of ingest or membership",
        ),
        Code::UnknownAction => (
            "there is no such action",
            "correct `action`; PROTOCOL.md lists the actions",
            "a client of another version, or of another system",
        ),
        Code::InvalidField => (
            "a field is missing, of the wrong type or out of range; `field` names it",
            "correct the field that the refusal names; do not repeat the request unchanged",
            "nothing, unless a release of the client causes many of them",
        ),
        Code::InvalidRoom => (
            "the name of the room breaks the rules for names, or the action does not take this room",
            "use 1 to 128 bytes of A-Z a-z 0-9 - _ . : / @ | + = ~",
            "nothing, unless a backend hands out wrong names",
        ),
        Code::Forbidden => (
            "the token does not allow this in this room",
            "do not repeat it; get a token with this permission",
            "compare the claim `rooms` with the room: roomcast token --check TOKEN",
        ),
        Code::InvalidToken => (
            "the token of an `auth` request is not valid; the connection keeps its token",
            "get another token, and send `auth` again",
            "many at once: the signing key was rotated and the deployment does not have the new one. \
             Check the secrets: roomcast doctor",
        ),
        Code::TokenExpired => (
            "the token of the connection has expired",
            "send `auth` with another token, or connect again with one",
            "many at once: clients do not renew, or the issuer does not answer",
        ),
        Code::TooLarge => (
            "`data` is over 24 KiB (4 KiB if ephemeral), or the request is over its limit",
            "send less, or store the content elsewhere and publish its address",
            "nothing: the limits are those of API Gateway and SQS",
        ),
        Code::LimitExceeded => (
            "the request exceeds a limit on a number: 100 rooms a connection, 10 items a publish, members a room",
            "leave rooms, or send fewer items",
            "a full room: the parameter room_members limits its members",
        ),
        Code::RateLimited => (
            "too many requests of this connection, or too many publications of this room",
            "wait `after_ms`, then send the same request again with the same pid",
            "a room takes 50 publications a second, and 100 at once. A hot room: roomcast room ROOM, \
             roomcast tail ROOM --since 1m; a user that floods: roomcast kick @USER",
        ),
        Code::NotConnected => (
            "the connection is not stored, or no longer",
            "open a new connection, then sync",
            "many at once: the connections table was restored or cleared, or the reaper removes live connections",
        ),
        Code::Unavailable => (
            "a dependency did not answer in time",
            "wait `after_ms` and a random pause, then send the same request again with the same pid",
            "find the dependency: roomcast doctor, and the log lines of the function with this request",
        ),
    };
    Explained { code: code.as_str(), occurs_in: "err", retry: code.retry(), means, client, operator }
}

/// Prints what a code means and what to do, or the list of all codes.
pub(crate) fn print(asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let all: Vec<Explained> = Code::ALL.into_iter().map(explain).chain(SYSTEM_CODES).collect();
    let Some(wanted) = &asked.code else {
        output.rows(&all)?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(found) = all.iter().find(|explained| explained.code == wanted) else {
        return Err(Error::new(format!("there is no code {wanted:?}"), "roomcast code"));
    };
    if output.is_json() {
        output.object(found)?;
        return Ok(ExitCode::SUCCESS);
    }
    output.text(&format!("{} (in `{}`)", found.code, found.occurs_in))?;
    output.text(&format!("  means     {}", found.means))?;
    let retry =
        if found.retry { "the same request may succeed later" } else { "the same request will not succeed later" };
    output.text(&format!("  retry     {retry}"))?;
    output.text(&format!("  client    {}", found.client))?;
    output.text(&format!("  operator  {}", found.operator))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_meaning_and_an_advice_of_its_own() {
        let all: Vec<Explained> = Code::ALL.into_iter().map(explain).chain(SYSTEM_CODES).collect();
        let distinct = |text: fn(&Explained) -> &'static str| all.iter().map(text).collect::<BTreeSet<_>>().len();
        assert_eq!([distinct(|one| one.code), distinct(|one| one.means), distinct(|one| one.client)], [all.len(); 3]);
        for explained in all {
            let shortest = explained.means.len().min(explained.client.len()).min(explained.operator.len());
            assert!(shortest > 15, "{explained:?}");
        }
    }

    #[test]
    fn advice_to_repeat_is_given_exactly_where_a_repeat_may_help() {
        for code in Code::ALL {
            assert_eq!(explain(code).client.starts_with("wait"), code.retry(), "{code:?}");
        }
    }

    #[test]
    fn the_page_of_the_protocol_has_the_codes_of_system_messages() {
        let page = include_str!("../../../shared/protocol/PROTOCOL.md");
        for explained in SYSTEM_CODES {
            let (listed, shown) = (format!("`{}`", explained.code), format!("\"code\":\"{}\"", explained.code));
            assert!(page.contains(&listed) || page.contains(&shown), "{}", explained.code);
        }
    }
}
