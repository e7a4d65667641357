//! `roomcast publish`, `kick`, `ban`, `revoke` and `unban`: events and commands through the topics
//! of backends.

use std::process::ExitCode;
use std::time::Duration;

use domain::ports::Connections;
use domain::{BanScope, ConnectionId, Data, Device, PublicationId, RoomId, Timestamp, TokenId, UserId, parse_duration};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::{room, rule, user};
use crate::output::Output;
use crate::time::{moment, now, parse_moment};

/// The topic that takes events of backends.
const EVENTS: &str = "events";
/// The topic that takes commands of backends.
const COMMANDS: &str = "commands";
/// The author of publications without `--by`.
const AUTHOR: &str = "operator";

/// The arguments of a publication.
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

/// The arguments of a ban.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A ban closes the connections that it keeps out, and holds for later connections and renewals.\n\n\
    The id of a token is its claim jti; roomcast token check shows it. Let the ban last as long as the token.\n\n\
    Examples:\n  roomcast ban @bob --for 1h\n  roomcast ban --force @bob --device phone\n  \
    roomcast ban @bob --token-id 0b6c5f0e --for 12h"
)]
pub(crate) struct BanArguments {
    /// The user, such as @bob
    #[arg(value_name = "@USER")]
    target: String,
    /// Only this device of the user
    #[arg(long, value_name = "DEVICE", conflicts_with = "token_id")]
    device: Option<String>,
    /// Only the token of the user with this id (claim jti)
    #[arg(long, value_name = "JTI")]
    token_id: Option<String>,
    /// How long the ban holds, such as 15m, 1h or 7d. Without it until `unban`
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    lasts: Option<Duration>,
    /// Does not ask
    #[arg(long)]
    force: bool,
}

/// The arguments of a revocation.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A token counts by its claim iat, which has whole seconds; a token without iat is revoked too. The user\n\
    connects again with a newer token. A revocation holds for good; only one of a later time replaces it.\n\n\
    Examples:\n  roomcast revoke @bob\n  roomcast revoke --force @bob --issued-before 2026-11-27T18:04:05Z"
)]
pub(crate) struct RevokeArguments {
    /// The user, such as @bob
    #[arg(value_name = "@USER")]
    target: String,
    /// Tokens issued before this time, such as 2026-11-27T18:04:05Z. Without it: before now
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    issued_before: Option<Timestamp>,
    /// Does not ask
    #[arg(long)]
    force: bool,
}

/// The arguments that name a ban.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roomcast unban @bob\n  roomcast unban @bob --device phone\n  \
    roomcast unban @bob --issued-before 2026-11-27T18:04:05Z")]
pub(crate) struct UnbanArguments {
    /// The user, such as @bob
    #[arg(value_name = "@USER")]
    target: String,
    /// The device of the ban; a ban of the whole user has none
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["token_id", "issued_before"])]
    device: Option<String>,
    /// The id of the token that is banned
    #[arg(long, value_name = "JTI", conflicts_with = "issued_before")]
    token_id: Option<String>,
    /// The time of the revocation, or a later one
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    issued_before: Option<Timestamp>,
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
    output.remark("the command is carried out within seconds; `roomcast who` shows it");
    Ok(ExitCode::SUCCESS)
}

/// Keeps a user, or one device or token of a user, out, and closes the connections.
pub(crate) async fn ban(deployment: &Deployment, asked: &BanArguments, output: &Output) -> Result<ExitCode, Error> {
    let scope = scope(asked.device.as_deref(), asked.token_id.as_deref(), None)?;
    let (who, mut command) = banned("ban", &asked.target, &scope)?;
    if let Some(lasts) = asked.lasts {
        command["until"] = now().plus(lasts).as_ms().into();
    }
    output.confirm(&format!("Ban {who} and close the connections?"), asked.force)?;
    send_command(deployment, &command).await?;
    output.line(&format!("ordered: ban {who}"), &command)?;
    output.remark("the command is carried out within seconds; `roomcast unban` lifts the ban");
    Ok(ExitCode::SUCCESS)
}

/// Revokes tokens of a user, and closes their connections.
pub(crate) async fn revoke(
    deployment: &Deployment,
    asked: &RevokeArguments,
    output: &Output,
) -> Result<ExitCode, Error> {
    let scope = BanScope::IssuedBefore(asked.issued_before.unwrap_or_else(now));
    let (tokens, command) = banned("revoke", &asked.target, &scope)?;
    output.confirm(&format!("Revoke {tokens} and close their connections?"), asked.force)?;
    send_command(deployment, &command).await?;
    output.line(&format!("ordered: revoke {tokens}"), &command)?;
    output.remark("the command is carried out within seconds; the user connects again with a newer token");
    Ok(ExitCode::SUCCESS)
}

/// Lifts a ban.
pub(crate) async fn unban(deployment: &Deployment, asked: &UnbanArguments, output: &Output) -> Result<ExitCode, Error> {
    let scope = scope(asked.device.as_deref(), asked.token_id.as_deref(), asked.issued_before)?;
    let (who, command) = banned("unban", &asked.target, &scope)?;
    send_command(deployment, &command).await?;
    output.line(&format!("ordered: unban {who}"), &command)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the scope of a ban. The parser of arguments admits one of the three at most.
fn scope(device: Option<&str>, token_id: Option<&str>, issued_before: Option<Timestamp>) -> Result<BanScope, Error> {
    Ok(match (device, token_id, issued_before) {
        (Some(device), ..) => BanScope::Device(Device::parse(device)?),
        (_, Some(id), _) => BanScope::Token(TokenId::parse(id)?),
        (.., Some(moment)) => BanScope::IssuedBefore(moment),
        (None, None, None) => BanScope::User,
    })
}

/// Returns the words for a user and a scope, and the command for it.
fn banned(command: &str, target: &str, scope: &BanScope) -> Result<(String, Value), Error> {
    let Some(name) = target.strip_prefix('@') else {
        let cause = format!("{target} is not the name of a user, which begins with @");
        return Err(Error::new(cause, format!("roomcast {command} @{target}")));
    };
    let user = UserId::parse(name)?;
    let mut sent = json!({ "command": command, "user": user });
    let words = match scope {
        BanScope::User => format!("user {user}"),
        BanScope::Device(device) => {
            sent["device"] = json!(device);
            format!("device {device} of user {user}")
        }
        BanScope::Token(id) => {
            sent["token_id"] = json!(id);
            format!("token {id} of user {user}")
        }
        BanScope::IssuedBefore(at) => {
            sent["issued_before"] = at.as_ms().into();
            format!("tokens of user {user} issued before {}", moment(*at))
        }
    };
    Ok((words, sent))
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
