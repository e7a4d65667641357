//! `roomcast`: the operator's program. It shows rooms, members, log lines and dead letters, explains
//! the way of a publication, publishes, kicks, drains and redrives, and plans capacity and cost.
//!
//! It uses the ports of `domain` over `aws-adapters`, as the functions do, and sends commands as a
//! backend does. Beside `cargo dev` it needs no settings. `docs/operations/cli.md` has examples.

mod account;
mod arguments;
mod codes;
mod deployment;
mod doctor;
mod drain;
mod error;
mod explain;
mod global;
mod letters;
mod logs;
mod names;
mod output;
mod plan;
mod rooms;
mod shell;
mod steer;
mod time;
mod token;
mod top;

use std::process::ExitCode;

pub use arguments::Arguments;

use clap::CommandFactory;

use arguments::Command;
use deployment::Deployment;
use error::Error;
use global::Global;
use output::Output;

/// Runs the command of the arguments. Errors are printed with their cause and the next command.
pub async fn run(arguments: Arguments) -> ExitCode {
    let Arguments { global, command } = arguments;
    match dispatch(&global, command).await {
        Ok(code) => code,
        // The reader of the output has read enough, as `head` does.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roomcast: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(global: &Global, command: Command) -> Result<ExitCode, Error> {
    let output = Output::new(global.json);
    // These commands need no deployment.
    match &command {
        Command::Code(asked) => return codes::print(asked, &output),
        Command::Completions(asked) => return shell::print_completions(asked, Arguments::command()),
        Command::Plan(asked) => return plan::print(asked, &output),
        Command::Man => return shell::print_man_page(Arguments::command()),
        Command::Token(asked) if !asked.needs_deployment() => return token::mint(asked, &output),
        _ => {}
    }
    let deployment = Deployment::find(global).await?;
    match command {
        Command::Doctor(_) => doctor::run(&deployment, &output).await,
        Command::Explain(asked) => explain::print(&deployment, &asked, &output).await,
        Command::Token(asked) => token::check(&deployment, &asked, &output).await,
        Command::Room(asked) => rooms::room::print(&deployment, &asked, &output).await,
        Command::History(asked) => rooms::history::print(&deployment, &asked, &output).await,
        Command::Who(asked) => rooms::who::print(&deployment, &asked, &output).await,
        Command::Tail(asked) => rooms::tail::print(&deployment, &asked, &output).await,
        Command::Logs(asked) => logs::print(&deployment, &asked, &output).await,
        Command::Top(asked) => top::print(&deployment, &asked, &output).await,
        Command::DeadLetters(asked) => letters::run(&deployment, &asked, &output).await,
        Command::Publish(asked) => steer::publish(&deployment, &asked, &output).await,
        Command::Kick(asked) => steer::kick(&deployment, &asked, &output).await,
        Command::Ban(asked) => steer::ban(&deployment, &asked, &output).await,
        Command::Revoke(asked) => steer::revoke(&deployment, &asked, &output).await,
        Command::Unban(asked) => steer::unban(&deployment, &asked, &output).await,
        Command::Drain(asked) => drain::run(&deployment, &asked, &output).await,
        Command::Code(_) | Command::Completions(_) | Command::Plan(_) | Command::Man => Ok(ExitCode::SUCCESS),
    }
}
