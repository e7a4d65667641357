//! The events function (queues `events`, `events-ordered` and `commands`, fed by the SNS topics of
//! the same names) publishes the events of backends, and carries out their commands.
//!
//! The queue of a message decides whether it may be a command. Only the topic `commands` may send
//! to the queue `commands`. The message itself proves nothing: a backend that may publish could
//! write a text that looks like an envelope of another topic.
//!
//! The function moves a message that no retry can help to the dead-letter queue, with the reason.
//! Nothing waits behind it. In an ordered group a message that fails for now holds back the
//! messages behind it, and no others.
//!
//! A publication beyond the rate of its room is held, and no room holds more than a limit
//! (`domain::flow::admit`). Successive events of a batch are admitted together, so a batch costs
//! one read of its rooms.

mod commands;
mod config;

use domain::flow::{Admitted, admit};
use domain::ports::{
    Bans, Chance, Clock, Connections, DeadLetters, Directory, Error, Gateway, Holds, Memberships, Presences, Renewals,
    Rooms, Submissions,
};
use domain::{PublicationId, Publisher, Retry};
use futures::future::join_all;
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use protocol::backend::{Broadcast, Command, Letter, Reason, Wrapping};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Messages, or groups of them, that are worked on at the same time.
const AT_ONCE: usize = 10;

/// Handles the events and commands of backends.
#[derive(Debug)]
pub struct Events<T, Q, G, C, R> {
    pub(crate) tables: T,
    pub(crate) queues: Q,
    pub(crate) gateway: G,
    pub(crate) clock: C,
    pub(crate) chance: R,
    source: Source,
}

/// The origin of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the queue whose messages are commands. Messages of all other queues are events.
    commands: String,
    /// The form in which the subscriptions of all queues deliver.
    wrapping: Wrapping,
}

impl Source {
    /// Takes the URL or the name of the queue of commands.
    #[must_use]
    pub fn of_queue(commands: &str, wrapping: Wrapping) -> Self {
        let name = commands.rsplit('/').next().unwrap_or_default();
        Self { commands: name.to_owned(), wrapping }
    }
}

/// The result for a message.
enum Outcome {
    /// That many publications are queued.
    Published(u64),
    /// A command was carried out.
    Obeyed,
    /// It is in the dead-letter queue.
    Buried,
    /// It failed for now and returns to its queue.
    Later(Failed),
}

/// The results of messages that are handled one after the other.
#[derive(Default)]
struct Line {
    outcomes: Vec<Outcome>,
    held: u64,
    /// The ids of the events.
    ids: Vec<PublicationId>,
}

/// Messages of a line that are handled together.
enum Task {
    /// Events that are queued together.
    Publish(Vec<(Message, Broadcast)>),
    /// A command of a backend.
    Obey(Message, Command),
    /// What can never be handled.
    Bury(Message, Reason),
}

impl<T, Q, G, C, R> Events<T, Q, G, C, R>
where
    T: Bans + Connections + Directory + Holds + Memberships + Rooms + Presences + Renewals,
    Q: Submissions + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, gateway: G, clock: C, chance: R, source: Source) -> Self {
        Self { tables, queues, gateway, clock, chance, source }
    }

    /// One after the other; once one has to wait, so do those after it.
    async fn line(&self, tasks: Vec<Task>) -> Line {
        let mut line = Line::default();
        let mut waiting = false;
        for task in tasks {
            if waiting {
                line.outcomes.extend(task.messages().into_iter().map(|message| Outcome::Later(message.retry_soon())));
                continue;
            }
            match task {
                Task::Publish(events) => self.publish(events, &mut line).await,
                Task::Obey(message, command) => {
                    line.outcomes.push(match self.obey(&command).await {
                        Ok(()) => Outcome::Obeyed,
                        Err(error) => self.disobeyed(message, &error).await,
                    });
                }
                Task::Bury(message, reason) => line.outcomes.push(self.bury(message, &reason).await),
            }
            waiting = line.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Later(_)));
        }
        line
    }

    /// Parses a message.
    fn read(&self, message: Message) -> Task {
        let letter = Letter::open(self.source.wrapping, &message.body, &message.attributes, &message.id);
        if message.receipt.queue == self.source.commands {
            let command = letter.and_then(|letter| letter.read_command());
            return match command.and_then(|command| command.check_moment(self.clock.now())) {
                Ok(command) => Task::Obey(message, command),
                Err(reason) => Task::Bury(message, reason),
            };
        }
        match letter.and_then(|letter| letter.read_event()) {
            Ok(event) => Task::Publish(vec![(message, event)]),
            Err(reason) => Task::Bury(message, reason),
        }
    }

    /// The lines of a group. Messages without a group have no order: events are one line, and each
    /// of the others is a line.
    fn lines(&self, group: Vec<Message>) -> Vec<Vec<Task>> {
        let is_ordered = group.first().is_some_and(|message| !message.group.is_empty());
        let mut tasks: Vec<Task> = group.into_iter().map(|message| self.read(message)).collect();
        if !is_ordered {
            tasks.sort_by_key(|task| !matches!(task, Task::Publish(_)));
        }
        let mut together: Vec<Task> = Vec::new();
        for task in tasks {
            match (together.last_mut(), task) {
                (Some(Task::Publish(events)), Task::Publish(more)) => events.extend(more),
                (_, task) => together.push(task),
            }
        }
        if is_ordered { vec![together] } else { together.into_iter().map(|task| vec![task]).collect() }
    }

    /// Queues each event for each of its rooms. One that is refused is a dead letter: no try will
    /// help.
    async fn publish(&self, events: Vec<(Message, Broadcast)>, line: &mut Line) {
        let now = self.clock.now();
        let mut places = Vec::new();
        let mut submissions = Vec::new();
        for (place, (_, broadcast)) in events.iter().enumerate() {
            for submission in broadcast.submissions(&Publisher::events(), now) {
                places.push(place);
                submissions.push(submission);
            }
        }
        line.ids.extend(events.iter().take(telemetry::LISTED).map(|(_, broadcast)| broadcast.id.clone()));
        let Admitted { results, held, unread } = admit(&self.tables, &self.queues, &submissions, now).await;
        line.held += held;
        if let Some(error) = unread {
            tracing::error!({ field::ERROR.0 } = %error, "could not read the holds of rooms; events are held, or published at once if their hold cannot be written");
        }
        let mut errors: Vec<Option<Error>> = events.iter().map(|_| None).collect();
        for (place, result) in places.into_iter().zip(results) {
            let Err(error) = result else { continue };
            let is_worse = errors[place].as_ref().is_none_or(|first| !first.is_transient() && error.is_transient());
            if is_worse {
                errors[place] = Some(error);
            }
        }
        // Later events of the room of one that failed for now have failed with it.
        let outcomes = events.into_iter().zip(errors).map(|((message, broadcast), error)| async move {
            match error {
                None => Outcome::Published(broadcast.rooms.len() as u64),
                Some(error) if error.is_transient() => later(message, &error),
                Some(error) => self.bury(message, &Reason::refused(&error)).await,
            }
        });
        line.outcomes.extend(join_all(outcomes).await);
    }

    async fn bury(&self, message: Message, reason: &Reason) -> Outcome {
        tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %reason, "an event can never be published; it becomes a dead letter");
        match self.queues.bury_letter(&message.letter(reason)).await {
            Ok(()) => Outcome::Buried,
            Err(error) => later(message, &error),
        }
    }

    /// The outcome of a command that failed: it returns to its queue, or becomes a dead letter once
    /// it was refused often enough, because an ordered group waits for it.
    async fn disobeyed(&self, message: Message, error: &Error) -> Outcome {
        match message.next_after(error, self.clock.now()) {
            Retry::After(_) => later(message, error),
            Retry::GiveUp => {
                let reason = Reason::other(format!("tried {} times; at last: {error}", message.receives));
                self.bury(message, &reason).await
            }
        }
    }

    async fn obey(&self, command: &Command) -> Result<(), Error> {
        match command {
            Command::Join { user, room } => self.join(user, room).await,
            Command::Remove { user, room } => self.remove(user, room).await,
            Command::Ban { user, scope, until } => self.ban(user, scope, *until).await,
            Command::Unban { user, scope } => self.unban(user, scope).await,
            Command::CloseUser(user) => self.close_user(user).await,
            Command::CloseConnection(connection) => self.close_connection(connection).await,
        }
    }
}

impl<T, Q, G, C, R> Batches for Events<T, Q, G, C, R>
where
    T: Bans + Connections + Directory + Holds + Memberships + Rooms + Presences + Renewals,
    Q: Submissions + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    async fn handle(&self, groups: Vec<Vec<Message>>, _: Deadline, summary: &mut Summary) -> Vec<Failed> {
        let lines = groups.into_iter().flat_map(|group| self.lines(group)).map(|line| self.line(line));
        let lines: Vec<Line> = stream::iter(lines).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = Vec::new();
        summary.add(metric::PUBLICATIONS_HELD, lines.iter().map(|line| line.held).sum());
        let ids = lines.iter().flat_map(|line| &line.ids);
        ids.for_each(|id| summary.list(field::PUBLICATION_ID, id.to_string()));
        for outcome in lines.into_iter().flat_map(|line| line.outcomes) {
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

impl Task {
    fn messages(self) -> Vec<Message> {
        match self {
            Self::Publish(events) => events.into_iter().map(|(message, _)| message).collect(),
            Self::Obey(message, _) | Self::Bury(message, _) => vec![message],
        }
    }
}

fn later(message: Message, error: &Error) -> Outcome {
    tracing::error!({ field::MESSAGE_ID.0 } = message.id, { field::ERROR.0 } = %error, "an event could not be handled; it returns to its queue");
    Outcome::Later(message.retry_soon())
}
