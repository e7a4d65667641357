//! The arguments of `cargo xtask token` and `roomcast token`: the claims of a development token.

use std::time::Duration;

use clap::Args;
use domain::{Device, Pattern, Permissions, Scope, UserId, parse_duration};
use protocol::token::Claims;

use super::{Error, Keys};

/// The claims of the token.
#[derive(Debug, Args)]
#[command(
    after_help = "Without any of --join, --publish, --history and --presence the token may do everything in plain rooms; \
    with one of them, what is listed and nothing else. `*` in a pattern stands for any run of characters."
)]
pub struct TokenArguments {
    /// The user that the token is for (claim `sub`).
    #[arg(long, value_name = "NAME", value_parser = user)]
    user: UserId,
    /// Rooms that may be joined, such as 'team:*'; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    join: Vec<String>,
    /// Rooms that may be published to; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,
    /// Rooms whose history may be read; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    history: Vec<String>,
    /// Rooms whose members may be listed; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    presence: Vec<String>,
    /// May publish to every room, and to `*`.
    #[arg(long)]
    admin: bool,
    /// For the HTTP API, as a backend that may do everything there. --publish and --history limit
    /// what it publishes to and reads.
    #[arg(long, conflicts_with_all = ["admin", "device", "join", "presence"])]
    backend: bool,
    /// Which of the user's devices it is for.
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<Device>,
    /// How long it is good: a number above 0 with s, m, h or d.
    #[arg(long, value_name = "TIME", value_parser = lifetime, default_value = "1h")]
    expires: Duration,
    /// Which key signs it; the first, unless named.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
}

impl TokenArguments {
    /// Mints the token at `now`, the time since 1970, with a key of the repository.
    ///
    /// # Errors
    /// [`Error`] when the keys cannot be read, or the named one does not exist.
    pub fn mint(&self, now: Duration) -> Result<String, Error> {
        Keys::find()?.mint(&self.claims(now), self.key_id.as_deref())
    }

    fn claims(&self, now: Duration) -> Claims {
        let patterns = |texts: &[String]| texts.iter().map(Pattern::new).collect();
        let or_all = |texts: &[String]| if texts.is_empty() { vec![Pattern::new("*")] } else { patterns(texts) };
        let scope =
            || Scope { publish: or_all(&self.publish), read: or_all(&self.history), close: vec![Pattern::new("*")] };
        let listed = [&self.join, &self.publish, &self.history, &self.presence];
        let limits_rooms = !self.backend && listed.iter().any(|patterns| !patterns.is_empty());
        let rooms = limits_rooms.then(|| Permissions {
            join: patterns(&self.join),
            publish: patterns(&self.publish),
            history: patterns(&self.history),
            presence: patterns(&self.presence),
        });
        Claims {
            device: self.device.as_ref().map(Device::to_string),
            admin: self.admin,
            rooms,
            backend: self.backend.then(scope),
            iat: Some(now.as_secs()),
            ..Claims::of(self.user.to_string(), now.saturating_add(self.expires).as_secs())
        }
    }
}

fn user(text: &str) -> Result<UserId, String> {
    let user = UserId::parse(text).map_err(|reject| reject.message)?;
    if user.is_reserved() {
        Err("backend, and names that begin with guest: or @, are reserved".to_owned())
    } else {
        Ok(user)
    }
}

fn device(text: &str) -> Result<Device, String> {
    Device::parse(text).map_err(|reject| reject.message)
}

/// A token always expires, so no number stands for "without a limit".
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = parse_duration(text).map_err(|error| error.to_string())?;
    if lifetime.is_zero() {
        Err("a token that is good for no time has expired; take 1s or more".to_owned())
    } else {
        Ok(lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: TokenArguments,
    }

    fn claims(line: &[&str]) -> serde_json::Value {
        let line = Line::try_parse_from([&["token", "--user", "ada"], line].concat()).unwrap();
        serde_json::to_value(line.arguments.claims(Duration::from_secs(1_000))).unwrap()
    }

    #[test]
    fn a_plain_token_has_no_rooms_claim_and_is_good_for_an_hour() {
        assert_eq!(claims(&[]), serde_json::json!({"sub": "ada", "iat": 1_000, "exp": 4_600}));
    }

    #[test]
    fn a_restricted_token_lists_exactly_what_was_given() {
        let claims =
            claims(&["--join", "team:*", "--join", "lobby", "--publish", "team:7", "--admin", "--device", "phone"]);
        let rooms =
            serde_json::json!({"join": ["team:*", "lobby"], "publish": ["team:7"], "history": [], "presence": []});
        assert_eq!(
            claims,
            serde_json::json!({"sub": "ada", "iat": 1_000, "exp": 4_600, "device": "phone", "admin": true, "rooms": rooms})
        );
    }

    #[test]
    fn a_token_is_good_for_some_time() {
        assert_eq!(lifetime("90s"), Ok(Duration::from_secs(90)));
        assert!(lifetime("0s").unwrap_err().contains("take 1s or more"));
        assert!(lifetime("1w").unwrap_err().contains("such as 90s, 15m, 1h or 7d"));
    }

    #[test]
    fn a_name_that_could_not_connect_is_refused_at_once() {
        let error = Line::try_parse_from(["token", "--user", "a#b"]).unwrap_err().to_string();
        assert!(error.contains("user has '#' at character 2"), "{error}");
        let error = Line::try_parse_from(["token", "--user", "guest:1"]).unwrap_err().to_string();
        assert!(error.contains("are reserved"), "{error}");
    }
}
