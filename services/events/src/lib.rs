//! The events function (queues `events` and `events-ordered`, fed by the SNS topics of the same names): what backends say
//! becomes publications in the same queue as everybody's, and commands are carried out.
//!
//! What no try will help goes to the dead-letter queue by this function itself, with the reason, and counts as done:
//! nothing waits behind it. In an ordered group what cannot be done now holds back what comes after it, and nothing else.

mod commands;
mod config;

use std::sync::Arc;

use domain::Publisher;
use domain::ports::{
    Chance, Clock, Connections, DeadLetters, Directory, Error, Gateway, Memberships, Presences, Renewals, Rooms,
    Submissions,
};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use protocol::backend::{Broadcast, Command, Letter, Reason, Said};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Messages, or groups of them, that are worked on at the same time.
const AT_ONCE: usize = 10;

/// Hears backends.
#[derive(Debug)]
pub struct Events<T, Q, G, C, R> {
    pub(crate) tables: T,
    pub(crate) queues: Q,
    pub(crate) gateway: G,
    pub(crate) clock: C,
    pub(crate) chance: R,
    /// Names of the topics whose messages may carry commands.
    command_topics: Arc<[String]>,
}

/// What became of a message.
enum Outcome {
    /// That many publications are queued.
    Published(u64),
    /// A command was carried out.
    Obeyed,
    /// It is in the dead-letter queue.
    Buried,
    /// Not now.
    Later(Failed),
}

impl<T, Q, G, C, R> Events<T, Q, G, C, R>
where
    T: Connections + Directory + Memberships + Rooms + Presences + Renewals,
    Q: Submissions + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// Over these ports. `command_topics` are the names of the topics whose messages may carry commands.
    #[must_use]
    pub fn new(tables: T, queues: Q, gateway: G, clock: C, chance: R, command_topics: Vec<String>) -> Self {
        Self { tables, queues, gateway, clock, chance, command_topics: command_topics.into() }
    }

    /// One after the other; once one has to wait, so do those after it.
    async fn line(&self, messages: Vec<Message>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut waiting = false;
        for message in messages {
            if waiting {
                outcomes.push(Outcome::Later(message.retry_soon()));
                continue;
            }
            let outcome = self.one(message).await;
            waiting = matches!(outcome, Outcome::Later(_));
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn one(&self, message: Message) -> Outcome {
        let letter = Letter::open(&message.body, &message.attributes, &message.id);
        let said = letter.read().and_then(|said| self.allowed(&letter, said));
        let done = match said {
            Err(reason) => self.bury(&message, &reason).await.map(|()| Outcome::Buried),
            Ok(Said::Command(command)) => self.obey(&command).await.map(|()| Outcome::Obeyed),
            Ok(Said::Publish(broadcast)) => self.publish(&message, &broadcast).await,
        };
        done.unwrap_or_else(|error| {
            tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %error, "an event comes back");
            Outcome::Later(message.retry_soon())
        })
    }

    /// Queues an event for each of its rooms. One that a queue refuses is a dead letter: no try will help.
    async fn publish(&self, message: &Message, broadcast: &Broadcast) -> Result<Outcome, Error> {
        let submissions = broadcast.submissions(&Publisher::events(), self.clock.now());
        let mut refused = None;
        for result in self.queues.submit_each(&submissions).await {
            match result {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
                Ok(()) => {}
            }
        }
        match refused {
            Some(error) => self.bury(message, &Reason::refused(&error)).await.map(|()| Outcome::Buried),
            None => Ok(Outcome::Published(submissions.len() as u64)),
        }
    }

    /// Commands come from allowed topics only. A raw delivery cannot prove its topic.
    fn allowed(&self, letter: &Letter, said: Said) -> Result<Said, Reason> {
        let Said::Command(_) = &said else { return Ok(said) };
        let Some(arn) = &letter.topic_arn else {
            return Err(Reason::other("a command needs SNS's envelope, which says its topic; turn raw delivery off"));
        };
        let topic = arn.rsplit(':').next().unwrap_or_default();
        if self.command_topics.iter().any(|allowed| allowed == topic) {
            return Ok(said);
        }
        Err(Reason::other(format!("topic {topic} may not carry commands; COMMAND_TOPICS names those that may")))
    }

    async fn bury(&self, message: &Message, reason: &Reason) -> Result<(), Error> {
        tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %reason, "an event is a dead letter");
        self.queues.bury_letter(&message.letter(reason)).await
    }

    async fn obey(&self, command: &Command) -> Result<(), Error> {
        match command {
            Command::Join { user, room } => self.join(user, room).await,
            Command::Remove { user, room } => self.remove(user, room).await,
            Command::CloseUser(user) => self.close_user(user).await,
            Command::CloseConnection(connection) => self.close_connection(connection).await,
        }
    }
}

impl<T, Q, G, C, R> Batches for Events<T, Q, G, C, R>
where
    T: Connections + Directory + Memberships + Rooms + Presences + Renewals,
    Q: Submissions + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    async fn handle(&self, groups: Vec<Vec<Message>>, _: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let lines = groups.into_iter().flat_map(lines).map(|line| self.line(line));
        let outcomes: Vec<Vec<Outcome>> = stream::iter(lines).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = Vec::new();
        for outcome in outcomes.into_iter().flatten() {
            match outcome {
                Outcome::Published(count) => summary.add(metric::PUBLICATIONS_ACCEPTED, count),
                Outcome::Obeyed => summary.add(metric::COMMANDS_OBEYED, 1),
                Outcome::Buried => summary.add(metric::MESSAGES_POISONOUS, 1),
                Outcome::Later(message) => failed.push(message),
            }
        }
        failed
    }
}

/// Messages without a group have no order: each is a line of its own.
fn lines(group: Vec<Message>) -> Vec<Vec<Message>> {
    let ordered = group.first().is_some_and(|message| !message.group.is_empty());
    if ordered { vec![group] } else { group.into_iter().map(|message| vec![message]).collect() }
}
