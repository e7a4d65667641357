//! The client rules over sockets. [`connect`] returns a [`Handle`] for commands and [`Events`] for
//! events.
//!
//! ```no_run
//! use domain::{Data, RoomId};
//! use roomcast_client::connection::{Options, Token, connect};
//! use roomcast_client::rules::Event;
//!
//! # async fn chat() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("ws://127.0.0.1:3001/local")
//!     .with_token(Token::Fixed("eyJhbGciOi…".to_owned()));
//! let (handle, mut events) = connect(options)?;
//! let lobby = RoomId::parse("lobby")?;
//! handle.join(lobby.clone(), None).await?;
//! let receipt = handle.publish(lobby, Data::text("hi")?).await?;
//! receipt.accepted().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.by, message.data.as_json());
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! The client opens, replaces and abandons connections by itself. An application that takes its
//! events slowly slows the socket, and no event is dropped. Dropping the [`Events`] ends the
//! client.

mod driver;
mod handle;
mod handshake;
mod options;
mod socket;

use tokio::sync::mpsc;

pub use handle::{Error, Events, Handle, PublishError, QuestionError, Receipt};
pub use options::{BadGuestSecret, BadOptions, GuestSecret, Options, Renew, Token, TokenPlace};

/// Commands that wait for the client. Further callers wait until there is space.
const COMMANDS: usize = 128;

/// Starts a client. It runs on the current Tokio runtime until it is closed or its [`Events`] are
/// dropped.
///
/// # Errors
/// [`BadOptions`] when the URL is not a WebSocket URL. Later failures are events.
pub fn connect(options: Options) -> Result<(Handle, Events), BadOptions> {
    options.check()?;
    let (commands, asked) = mpsc::channel(COMMANDS);
    let (told, events) = mpsc::channel(options.events_waiting.max(1));
    tokio::spawn(driver::Driver::new(options, told).run(asked));
    Ok((Handle::new(commands), Events::new(events)))
}
