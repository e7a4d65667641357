//! What an application asks with, and what it hears from.

use domain::{Data, Key, Position, PublicationId, RoomId, Sequence, UserId};
use protocol::reply::{Failure, History, Who};
use tokio::sync::{mpsc, oneshot};

use crate::rules::{Event, NoAnswer, NotTaken};

/// Asks a client. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// What happens to a client, in order. When it is dropped, the client ends.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// A publication that was taken, and will be sent until it is accepted or refused, whatever happens to connections.
#[derive(Debug)]
pub struct Receipt {
    pid: PublicationId,
    outcome: oneshot::Receiver<Result<(), PublishError>>,
}

/// Why a client does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] NotTaken);

/// Why a publication was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It was not taken, or the client ended before there was an answer: it may or may not have been accepted.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The server refused it.
    #[error("{}", .0.message)]
    Rejected(Failure),
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The question was not taken, or the client ended before there was an answer.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The server gave none.
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

    /// Hears a room: from now on, or from a position remembered from an earlier run of the application.
    /// [`Event::Joined`] follows, or [`Event::Refused`].
    ///
    /// The rooms that every connection is in anyway, `*` and the user's own inbox, are heard like any other: after they
    /// have been joined here.
    ///
    /// # Errors
    /// At 100 rooms, or when the client has ended.
    pub async fn join(&self, room: RoomId, since: Option<Position>) -> Result<(), Error> {
        let (taken, answer) = oneshot::channel();
        self.ask(Command::Join { room, since, taken }).await?;
        Ok(answer.await.unwrap_or(Err(NotTaken::Ended))?)
    }

    /// Hears a room no more. [`Event::Left`] follows.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn leave(&self, room: RoomId) -> Result<(), Error> {
        Ok(self.ask(Command::Leave { room }).await?)
    }

    /// Says something to those who are in a room now, such as that somebody types: not stored, best effort, and of one
    /// key only the last counts. This connection does not hear it.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn say(&self, room: RoomId, key: Option<Key>, data: Data) -> Result<(), Error> {
        Ok(self.ask(Command::Say { room, key, data }).await?)
    }

    /// Publishes, under an id chosen at random. Publications to one room keep the order of these calls.
    ///
    /// # Errors
    /// When the client has ended. Whether the publication is accepted is told by the [`Receipt`].
    pub async fn publish(&self, room: RoomId, data: Data) -> Result<Receipt, PublishError> {
        let pid = PublicationId::parse(format!("{:032x}", rand::random::<u128>()));
        self.publish_as(room, pid.map_err(|_| NotTaken::Ended)?, data).await
    }

    /// Publishes under an id of the application's: what is published twice under one id is heard once.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub async fn publish_as(&self, room: RoomId, pid: PublicationId, data: Data) -> Result<Receipt, PublishError> {
        let (outcome, answer) = oneshot::channel();
        self.ask(Command::Publish { room, pid: pid.clone(), data, outcome }).await?;
        Ok(Receipt { pid, outcome: answer })
    }

    /// At most `limit` publications (1 to 100) that stand before a sequence, or the latest; as many as fit one reply.
    ///
    /// # Errors
    /// When it is refused or not answered, when 16 questions wait already, or when the client has ended.
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

    /// Who is in a room: at most `limit` users (1 to 100) in the order of their names, after one of them or from the
    /// first; in rooms of more than 1,000 members only how many there are. Whoever keeps it up to date asks once the room
    /// is joined, and then applies each [`Event::Presence`].
    ///
    /// # Errors
    /// When it is refused or not answered, when 16 questions wait already, or when the client has ended.
    pub async fn who(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Who, QuestionError> {
        let (page, answer) = oneshot::channel();
        self.ask(Command::Who { room, after, limit, page }).await?;
        answer.await.unwrap_or(Err(QuestionError::NotTaken(NotTaken::Ended)))
    }

    /// Through which publication everything of a room was heard; `None` before it is joined. An application that
    /// remembers it can [join](Handle::join) from there in its next run.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn position(&self, room: RoomId) -> Result<Option<Position>, Error> {
        let (at, answer) = oneshot::channel();
        self.ask(Command::Position { room, at }).await?;
        Ok(answer.await.map_err(|_| NotTaken::Ended)?)
    }

    /// Closes the connection and ends the client; returns when that is done. Publications without an answer are given
    /// up: await their receipts first.
    pub async fn close(self) {
        // If it has ended already, there is nothing to close.
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

    /// What happens next; `None` when the client has ended. What publications and questions for history come to is told
    /// by their receipts and answers, not here.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Receipt {
    /// The id of the publication: its [`Message`](crate::rules::Message) carries it.
    #[must_use]
    pub fn pid(&self) -> &PublicationId {
        &self.pid
    }

    /// Waits until the publication is stored; every member will hear it.
    ///
    /// # Errors
    /// When the server refuses it, when too many wait already, or when the client ends before there is an answer.
    pub async fn accepted(self) -> Result<PublicationId, PublishError> {
        self.outcome.await.unwrap_or(Err(PublishError::NotTaken(NotTaken::Ended)))?;
        Ok(self.pid)
    }
}
