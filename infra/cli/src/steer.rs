//! `roomcast publish` and `roomcast kick`: events and commands through the topic of backends.

use std::process::ExitCode;

use domain::ports::Connections;
use domain::{ConnectionId, Data, PublicationId, RoomId, UserId};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::{room, rule, user};
use crate::output::Output;

/// The topic that takes events of backends.
const EVENTS: &str = "events";
/// The topic that takes commands of backends.
const COMMANDS: &str = "events";
/// The author of publications without `--by`.
const AUTHOR: &str = "operator";

/// The publication.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roomcast publish lobby '{\"text\":\"We restart at 18:00\"}'\n  \
    roomcast publish '*' --text 'We restart at 18:00'\n  roomcast publish @ada --id order-7 '{\"order\":7}'")]
pub(crate) struct PublishArguments {
    /// The room, such as lobby, @ada (the inbox of ada) or '*' (every connection)
    #[arg(value_name = "ROOM", value_parser = room)]
    room: RoomId,
    /// The data: any JSON value of at most 24 KiB
    #[arg(value_name = "JSON", value_parser = data, required_unless_present = "text", conflicts_with = "text")]
    data: Option<Data>,
    /// The text of a chat message, instead of JSON
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The publication id; a repeat with the same id is published once. Without it a new one
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<PublicationId>,
    /// The author that members see
    #[arg(long, value_name = "USER", default_value = AUTHOR, value_parser = user)]
    by: UserId,
}

/// The connections to close.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A name with @ is a user, any other name is a connection id (roomcast who ROOM lists them).\n\n\
    Examples:\n  roomcast kick @bob\n  roomcast kick --force L0SM9cOFvHcCIhw="
)]
pub(crate) struct KickArguments {
    /// A user, such as @bob; or a connection id
    #[arg(value_name = "@USER|CONNECTION")]
    target: String,
    /// Does not ask
    #[arg(long)]
    force: bool,
}

/// Publishes to the room, and prints the publication id.
pub(crate) async fn publish(
    deployment: &Deployment,
    asked: &PublishArguments,
    output: &Output,
) -> Result<ExitCode, Error> {
    let data = match (&asked.data, &asked.text) {
        (Some(data), _) => data.clone(),
        (None, text) => Data::text(text.as_deref().unwrap_or_default())?,
    };
    let id = asked.id.as_ref().map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), PublicationId::to_string);
    let (room, by) = (&asked.room, &asked.by);
    let (topic, arn) = deployment.topic(EVENTS)?;
    topic.publish_text(arn, &json!({ "room": room, "id": id, "by": by, "data": data }).to_string()).await?;
    output.line(&id, &json!({ "room": room, "id": id }))?;
    output.remark(&format!("accepted by the topic {EVENTS}; its way: roomcast explain {room} {id}"));
    Ok(ExitCode::SUCCESS)
}

/// Closes the connections of a user, or one connection, for good: clients do not come back by
/// themselves.
pub(crate) async fn kick(deployment: &Deployment, asked: &KickArguments, output: &Output) -> Result<ExitCode, Error> {
    let (command, what) = match asked.target.strip_prefix('@') {
        Some(name) => {
            let user = UserId::parse(name)?;
            (json!({ "command": "close", "user": user }), format!("every connection of user {user}"))
        }
        None => {
            let connection = ConnectionId::parse(asked.target.as_str())?;
            if deployment.tables()?.find(&connection).await?.is_none() {
                let cause = format!("there is no connection {connection}; the name of a user begins with @");
                return Err(Error::new(cause, format!("roomcast kick @{connection}, or roomcast who ROOM")));
            }
            (json!({ "command": "close", "connection": connection }), format!("connection {connection}"))
        }
    };
    output.confirm(&format!("Close {what}?"), asked.force)?;
    send_command(deployment, &command).await?;
    output.line(&format!("ordered: close {what}"), &command)?;
    output.remark("the command is carried out within seconds, if the deployment takes commands from this topic (parameter command_topics); `roomcast who` shows it");
    Ok(ExitCode::SUCCESS)
}

/// Sends a command, as a backend does.
async fn send_command(deployment: &Deployment, command: &Value) -> Result<(), Error> {
    let (topic, arn) = deployment.topic(COMMANDS)?;
    Ok(topic.publish_text(arn, &command.to_string()).await?)
}

fn data(json: &str) -> Result<Data, String> {
    Data::parse(json).map_err(rule)
}

fn id(text: &str) -> Result<PublicationId, String> {
    PublicationId::parse(text).map_err(rule)
}
