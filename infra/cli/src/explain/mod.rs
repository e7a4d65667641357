//! `roomcast explain`: the way of one publication, as far as the stored items show it.

mod facts;
mod verdict;

use std::process::ExitCode;

use domain::{ConnectionId, PublicationId, RoomId, UserId};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::{room, rule, user};
use crate::output::Output;

pub(crate) use facts::locate;
use facts::{Facts, Subject};
use verdict::Verdict;

/// The publication, and the member if one is meant.
#[derive(Debug, clap::Args)]
#[command(after_help = "A number is a sequence, everything else a publication id; `id:7` is the publication id 7.\n\n\
    Examples:\n  roomcast explain lobby order-7\n  roomcast explain lobby 1042\n  \
    roomcast explain lobby 01J9Z3K8Q4 --by ada --member @bob")]
pub(crate) struct Arguments {
    /// The room, such as lobby, @ada (the inbox of ada) or '*' (every connection)
    #[arg(value_name = "ROOM", value_parser = room)]
    room: RoomId,
    /// The publication id, or the sequence
    #[arg(value_name = "PID|SEQUENCE", value_parser = subject)]
    subject: Subject,
    /// The user that published it. With it a publication id is found without reading the log
    #[arg(long, value_name = "USER", value_parser = user)]
    by: Option<UserId>,
    /// Did this member receive it? A user, such as @bob, or a connection id
    #[arg(long, value_name = "@USER|CONNECTION", value_parser = target)]
    member: Option<Target>,
}

/// A member, by its user or by its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    User(UserId),
    Connection(ConnectionId),
}

/// Prints the timeline, the verdict and the next command. The exit status is 1 if something is
/// wrong.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let facts =
        Facts::gather(deployment, &asked.room, &asked.subject, asked.by.as_ref(), asked.member.as_ref()).await?;
    let verdict = Verdict::of(&facts);
    let timeline = facts.timeline();
    output.rows(&timeline)?;
    if output.is_json() {
        output.object(&verdict)?;
    } else {
        output.text(&format!("\nverdict  {}", verdict.text))?;
        if let Some(next) = &verdict.next {
            output.text(&format!("next     {next}"))?;
        }
    }
    Ok(if verdict.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn subject(text: &str) -> Result<Subject, String> {
    let id = |text: &str| PublicationId::parse(text).map(Subject::Id).map_err(rule);
    match (text.strip_prefix("id:"), text.parse::<u64>()) {
        (Some(rest), _) => id(rest),
        (None, Ok(number)) => Ok(Subject::Sequence(domain::Sequence::new(number))),
        (None, Err(_)) => id(text),
    }
}

fn target(text: &str) -> Result<Target, String> {
    match text.strip_prefix('@') {
        Some(name) => user(name).map(Target::User),
        None => ConnectionId::parse(text).map(Target::Connection).map_err(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_sequence_unless_it_is_marked_as_an_id() {
        let id = |text: &str| Subject::Id(PublicationId::parse(text).unwrap());
        assert_eq!(subject("1042").unwrap(), Subject::Sequence(domain::Sequence::new(1042)));
        assert_eq!(subject("id:1042").unwrap(), id("1042"));
        assert_eq!(subject("order-7").unwrap(), id("order-7"));
        assert!(subject("a b").unwrap_err().contains("pid"));
        assert_eq!(target("@bob").unwrap(), Target::User(UserId::parse("bob").unwrap()));
    }
}
