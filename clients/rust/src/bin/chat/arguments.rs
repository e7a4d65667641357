//! The command line of the chat.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};
use domain::{Device, RoomId, UserId, limits};
use protocol::token::Claims;
use roomcast_client::connection::{Options, Token};
use roomcast_client::development::{self, Keys};

/// Life of a development token. The chat gets another one for every connection.
const TOKEN_LIFE: Duration = Duration::from_secs(3 * 60 * 60);

/// Joins a room: publishes each line that is typed, and shows each publication.
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
    /// Connect as this user, with a token signed by the development key of infra/local.yaml.
    /// Without this and --token, connect as a guest.
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub(crate) user: Option<UserId>,
    /// The WebSocket URL to connect to.
    #[arg(long, env = "ROOMCAST_WS_URL", default_value = "ws://127.0.0.1:3001/local")]
    pub(crate) url: String,
    /// A token to send unchanged, instead of --user.
    #[arg(long, env = "ROOMCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The name of this device of the user.
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<Device>,
    /// The number of earlier lines to show (0 to 100).
    #[arg(long, value_name = "LINES", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=limits::HISTORY_PUBLICATIONS as i64))]
    pub(crate) history: u8,
    /// Print without colours, as with the environment variable NO_COLOR.
    #[arg(long)]
    no_color: bool,
}

impl Arguments {
    /// Parses the arguments of the process. Prints a message and exits if they are wrong.
    pub(crate) fn from_process() -> Self {
        let is_plain = std::env::args_os().any(|argument| argument == "--no-color");
        let command = Self::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// Returns true if lines may have colours. Without a terminal they never have.
    pub(crate) fn has_colours(&self) -> bool {
        !self.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// The options of the connection.
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
                // The first token has just been minted. If a later one cannot be minted, the server
                // refuses the connection.
                Ok(Token::renewed(move || std::future::ready(keys.mint(&claims(&user), None).ok())))
            }
        }
    }
}

fn claims(user: &UserId) -> Claims {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exp = now.saturating_add(TOKEN_LIFE).as_secs();
    Claims { iat: Some(now.as_secs()), ..Claims::of(user.to_string(), exp) }
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
