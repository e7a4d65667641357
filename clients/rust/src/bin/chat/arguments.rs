//! What the chat is told on its command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};
use domain::{Device, RoomId, UserId, limits};
use protocol::token::Claims;
use roomcast_client::connection::{Options, Token};
use roomcast_client::development::{self, Keys};

/// A development token is good this long; the chat asks for another with every connection.
const TOKEN_LIFE: Duration = Duration::from_secs(3 * 60 * 60);

/// Joins a room: what is typed is published, what is published appears.
#[derive(Debug, Parser)]
#[command(
    name = "chat",
    bin_name = "cargo chat",
    after_help = "Commands: /join ROOM, /leave, /who, /quit; Ctrl-D quits too."
)]
pub(crate) struct Arguments {
    /// The room to join, such as lobby.
    #[arg(value_parser = room)]
    pub(crate) room: RoomId,
    /// Who to be: the token is then signed with the development key of infra/local.yaml. A guest, if neither this nor
    /// --token is given.
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub(crate) user: Option<UserId>,
    /// Where to connect to.
    #[arg(long, env = "ROOMCAST_WS_URL", default_value = "ws://127.0.0.1:3001/local")]
    pub(crate) url: String,
    /// A token to use as it is, instead of --user.
    #[arg(long, env = "ROOMCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Which of the user's devices this is.
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<Device>,
    /// How many earlier lines to show (0 to 100).
    #[arg(long, value_name = "LINES", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=limits::HISTORY_PUBLICATIONS as i64))]
    pub(crate) history: u8,
    /// Prints without colours (so does the environment variable NO_COLOR).
    #[arg(long)]
    no_color: bool,
}

impl Arguments {
    /// Parses the arguments of the process, or ends it with a message.
    pub(crate) fn from_process() -> Self {
        let is_plain = std::env::args_os().any(|argument| argument == "--no-color");
        let command = Self::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// Whether lines may have colours; without a terminal they have none in any case.
    pub(crate) fn has_colours(&self) -> bool {
        !self.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// How to connect.
    pub(crate) fn options(&self) -> Result<Options, development::Error> {
        Ok(Options::new(&self.url).with_token(self.token()?).with_device(self.device.clone()))
    }

    fn token(&self) -> Result<Token, development::Error> {
        match (&self.token, &self.user) {
            (Some(token), _) => Ok(Token::Fixed(token.trim().to_owned())),
            (None, None) => Ok(Token::None),
            (None, Some(user)) => {
                let (keys, user) = (Keys::find()?, user.clone());
                keys.mint(&claims(&user), None)?;
                // It has just worked; should it not later, the server says so.
                Ok(Token::renewed(move || std::future::ready(keys.mint(&claims(&user), None).ok())))
            }
        }
    }
}

fn claims(user: &UserId) -> Claims {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exp = now.saturating_add(TOKEN_LIFE).as_secs();
    Claims { sub: user.to_string(), exp, nbf: None, iss: None, aud: None, device: None, admin: false, rooms: None }
}

fn room(text: &str) -> Result<RoomId, String> {
    RoomId::parse(text).map_err(|reject| reject.message)
}

fn user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|reject| reject.message)
}

fn device(text: &str) -> Result<Device, String> {
    Device::parse(text).map_err(|reject| reject.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_room_that_could_not_be_joined_is_refused_at_once() {
        let error = Arguments::try_parse_from(["chat", "a b", "--user", "ada"]).unwrap_err().to_string();
        assert!(error.contains("room has ' ' at character 2"), "{error}");
    }
}
