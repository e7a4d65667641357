//! The application's side of a client: commands and events.

use domain::{Data, Key, Position, PublicationId, RoomId, Sequence, UserId};
use protocol::reply::{Failure, History, Who};
use tokio::sync::{mpsc, oneshot};

use crate::rules::{Event, NoAnswer, NotTaken};

/// Sends commands to a client. Clones send to the same client.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// The events of a client, in order. Dropping them ends the client.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// A publication that the client accepted for sending. The client sends it until the server accepts
/// or refuses it, across reconnects.
#[derive(Debug)]
pub struct Receipt {
    pid: PublicationId,
    outcome: oneshot::Receiver<Result<(), PublishError>>,
}

/// The reason why a client refused a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] NotTaken);

/// The reason why a publication was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The client refused it, or ended before a reply. The server may or may not have accepted it.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The server refused the publication.
    #[error("{}", .0.message)]
    Rejected(Failure),
}

/// The reason why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The client refused the question, or ended before a reply.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The server refused the question, or did not reply.
    #[error(transparent)]
    None(#[from] NoAnswer),
}

#[derive(Debug)]
pub(super) enum Command {
    Join {
        room: RoomId,
        since: Option<Position>,
        taken: oneshot::Sender<Result<(), NotTaken>>,
    },
    Leave {
        room: RoomId,
    },
    Say {
        room: RoomId,
        key: Option<Key>,
        data: Data,
    },
    Publish {
        room: RoomId,
        pid: PublicationId,
        data: Data,
        outcome: oneshot::Sender<Result<(), PublishError>>,
    },
    History {
        room: RoomId,
        before: Option<Sequence>,
        limit: usize,
        page: oneshot::Sender<Result<History, QuestionError>>,
    },
    Who {
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
        page: oneshot::Sender<Result<Who, QuestionError>>,
    },
    Position {
        room: RoomId,
        at: oneshot::Sender<Option<Position>>,
    },
    Close,
}

impl Handle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Joins a room: from now on, or from a position that an earlier run of the application stored.
    /// [`Event::Joined`] follows, or [`Event::Refused`].
    ///
    /// Every connection is a member of `*` and of the user's own inbox. The application receives
    /// events of these two only after it has joined them here, like any other room.
    ///
    /// # Errors
    /// At 100 rooms, or when the client has ended.
    pub async fn join(&self, room: RoomId, since: Option<Position>) -> Result<(), Error> {
        let (taken, answer) = oneshot::channel();
        self.ask(Command::Join { room, since, taken }).await?;
        Ok(answer.await.unwrap_or(Err(NotTaken::Ended))?)
    }

    /// Leaves a room. [`Event::Left`] follows.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn leave(&self, room: RoomId) -> Result<(), Error> {
        Ok(self.ask(Command::Leave { room }).await?)
    }

    /// Sends an ephemeral publication to the current members of a room, for example that the user
    /// types. It is best effort and is not stored, and only the last one of each key counts. This
    /// connection does not receive it.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn say(&self, room: RoomId, key: Option<Key>, data: Data) -> Result<(), Error> {
        Ok(self.ask(Command::Say { room, key, data }).await?)
    }

    /// Publishes under a random id. Publications to one room keep the order of these calls.
    ///
    /// # Errors
    /// When the client has ended. The [`Receipt`] reports whether the server accepts the
    /// publication.
    pub async fn publish(&self, room: RoomId, data: Data) -> Result<Receipt, PublishError> {
        let pid = PublicationId::parse(format!("{:032x}", rand::random::<u128>()));
        self.publish_as(room, pid.map_err(|_| NotTaken::Ended)?, data).await
    }

    /// Publishes under an id of the application's choice. Two publications with one id are
    /// delivered once.
    ///
    /// # Errors
    /// Same as [`Handle::publish`].
    pub async fn publish_as(&self, room: RoomId, pid: PublicationId, data: Data) -> Result<Receipt, PublishError> {
        let (outcome, answer) = oneshot::channel();
        self.ask(Command::Publish { room, pid: pid.clone(), data, outcome }).await?;
        Ok(Receipt { pid, outcome: answer })
    }

    /// Reads at most `limit` publications (1 to 100) before a sequence, or the latest ones. One
    /// reply may carry fewer.
    ///
    /// # Errors
    /// When the question is refused or not answered, when 16 questions wait already, or when the
    /// client has ended.
    pub async fn history(
        &self,
        room: RoomId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<History, QuestionError> {
        let (page, answer) = oneshot::channel();
        self.ask(Command::History { room, before, limit, page }).await?;
        answer.await.unwrap_or(Err(QuestionError::NotTaken(NotTaken::Ended)))
    }

    /// Lists the users in a room: at most `limit` users (1 to 100) in the order of their names,
    /// after the name `after` or from the first. For rooms of more than 1,000 members, the reply
    /// has only the number of members. To keep the list current, request it once the room is
    /// joined, then apply each [`Event::Presence`].
    ///
    /// # Errors
    /// When the question is refused or not answered, when 16 questions wait already, or when the
    /// client has ended.
    pub async fn who(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Who, QuestionError> {
        let (page, answer) = oneshot::channel();
        self.ask(Command::Who { room, after, limit, page }).await?;
        answer.await.unwrap_or(Err(QuestionError::NotTaken(NotTaken::Ended)))
    }

    /// The position up to which the application has received the room; `None` before the room is
    /// joined. An application that stores it can [join](Handle::join) from there in its next run.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn position(&self, room: RoomId) -> Result<Option<Position>, Error> {
        let (at, answer) = oneshot::channel();
        self.ask(Command::Position { room, at }).await?;
        Ok(answer.await.map_err(|_| NotTaken::Ended)?)
    }

    /// Closes the connection and ends the client, then returns. Publications without a reply are
    /// dropped, so await their receipts first.
    pub async fn close(self) {
        // If the client has ended already, there is nothing to close.
        let _ = self.commands.send(Command::Close).await;
        self.commands.closed().await;
    }

    async fn ask(&self, command: Command) -> Result<(), NotTaken> {
        self.commands.send(command).await.map_err(|_| NotTaken::Ended)
    }
}

impl Events {
    pub(super) fn new(events: mpsc::Receiver<Event>) -> Self {
        Self(events)
    }

    /// Waits for the next event; `None` when the client has ended. The outcomes of publications and
    /// questions go to their callers and not here.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Receipt {
    /// The id of the publication. Its [`Message`](crate::rules::Message) carries the same id.
    #[must_use]
    pub fn pid(&self) -> &PublicationId {
        &self.pid
    }

    /// Waits until the publication is stored. From then on its delivery to every member is
    /// guaranteed.
    ///
    /// # Errors
    /// When the server refuses it, when too many publications wait already, or when the client ends
    /// before a reply.
    pub async fn accepted(self) -> Result<PublicationId, PublishError> {
        self.outcome.await.unwrap_or(Err(PublishError::NotTaken(NotTaken::Ended)))?;
        Ok(self.pid)
    }
}
