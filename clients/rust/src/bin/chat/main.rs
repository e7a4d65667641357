//! A terminal member: `cargo chat lobby --user ada`.
//!
//! The chat publishes each line that is typed, and shows each publication. It reconnects after a
//! restart of the server, and resumes from its position. Without a terminal it reads lines from
//! standard input, and exits when all of them have been accepted.

mod arguments;
mod session;
mod terminal;
mod view;

use std::process::ExitCode;

use roomcast_client::connection::connect;

use crate::arguments::Arguments;
use crate::session::Session;
use crate::terminal::Terminal;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match chat(Arguments::from_process()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chat. Returns true if every typed line was accepted.
async fn chat(arguments: Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let options = arguments.options()?;
    let terminal = Terminal::open(arguments.has_colours())?;
    let (handle, events) = connect(options)?;
    Ok(Session::new(handle, terminal, arguments.url, arguments.history, arguments.user)
        .run(arguments.room, events)
        .await)
}
