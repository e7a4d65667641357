//! What the tables and the dead-letter queues hold of a publication.

use aws_adapters::{ShardProgress, Tables};
use domain::flow::read_run_backwards;
use domain::ports::{Directory, Memberships, Rooms, Rosters};
use domain::{
    ConnectionId, DedupeKey, Epoch, Head, Position, Publication, PublicationId, Publisher, Range, Remembered, RoomId,
    Sequence, Shard, Timestamp, UserId,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::Target;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::queue::{Contents, DeadLetterQueue, Receiver};
use crate::output::Row;
use crate::time::{moment, now};

/// Reads that are made at the same time.
const READS_AT_ONCE: usize = 16;
/// Rows of the log that are read at once.
const PAGE_ROWS: usize = 100;
/// Rows that are read to find a publication id whose user is not named.
const ROWS_SEARCHED: usize = 10_000;
/// Letters of one queue that are looked at.
const LETTERS_SEARCHED: usize = 1_000;
/// The queues whose letters have positions, or publications that have none yet.
const QUEUES: [&str; 7] = [
    "deliveries-dead",
    "deliveries-wide-dead",
    "publications-dead",
    "publications-held-dead",
    "events-dead",
    "events-ordered-dead",
    "outbox-dead",
];

/// The publication that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Id(PublicationId),
    Sequence(Sequence),
}

/// A dead letter about the publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) queue: String,
    pub(crate) since: Timestamp,
    pub(crate) reason: Option<String>,
    /// The connections that lack the publication, if it has a position.
    pub(crate) members: Vec<String>,
}

/// The progress of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardFact {
    pub(crate) shard: Shard,
    pub(crate) members: u64,
    pub(crate) progress: Option<ShardProgress>,
}

/// A connection of the member that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberFact {
    pub(crate) connection: ConnectionId,
    pub(crate) shard: Shard,
    pub(crate) joined_at: Timestamp,
}

/// Everything that is known of the publication.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) room: RoomId,
    pub(crate) subject: Subject,
    pub(crate) head: Option<Head>,
    /// The position, if the publication has one.
    pub(crate) position: Option<Position>,
    /// The row of the log, for 24 h.
    pub(crate) row: Option<Publication>,
    /// The content of the dedupe row, for 15 days.
    pub(crate) remembered: Option<Remembered>,
    pub(crate) shards: Vec<ShardFact>,
    pub(crate) letters: Vec<Letter>,
    /// The connections of the member in the room; `None` if no member is asked for.
    pub(crate) members: Option<Vec<MemberFact>>,
}

/// A line of the timeline.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    at: Option<Timestamp>,
    step: &'static str,
    what: String,
}

impl Row for Step {
    const COLUMNS: &'static [&'static str] = &["at", "step", "what"];

    fn cells(&self) -> Vec<String> {
        vec![self.at.map_or_else(|| "-".to_owned(), moment), self.step.to_owned(), self.what.clone()]
    }
}

impl Facts {
    /// Reads everything that is known of the publication.
    pub(crate) async fn gather(
        deployment: &Deployment,
        room: &RoomId,
        subject: &Subject,
        by: Option<&UserId>,
        member: Option<&Target>,
    ) -> Result<Self, Error> {
        let tables = deployment.tables()?;
        let head = tables.head(room).await?;
        let mut facts = Self {
            room: room.clone(),
            subject: subject.clone(),
            head,
            position: None,
            row: None,
            remembered: None,
            shards: Vec::new(),
            letters: Vec::new(),
            members: None,
        };
        facts.find(&tables, by).await?;
        if let (Some(position), Some(head)) = (facts.position.clone(), &facts.head) {
            let reads = stream::iter(head.shards.iter()).map(|shard| read_shard(&tables, room, shard, &position.epoch));
            facts.shards = reads.buffered(READS_AT_ONCE).try_collect().await?;
        }
        if let Some(member) = member {
            facts.members = Some(members_of(&tables, room, member).await?);
        }
        for queue in QUEUES {
            let letters = facts.letters_in(deployment, queue).await?;
            facts.letters.extend(letters);
        }
        Ok(facts)
    }

    /// Finds the position, the row of the log and the dedupe row.
    async fn find(&mut self, tables: &Tables, by: Option<&UserId>) -> Result<(), Error> {
        let Some(head) = self.head.clone() else { return Ok(()) };
        match self.subject.clone() {
            Subject::Sequence(sequence) => {
                if sequence <= head.sequence && sequence > Sequence::ZERO {
                    self.position = Some(Position { epoch: head.epoch, sequence });
                    self.row = self.read_row(tables).await?;
                }
            }
            Subject::Id(id) => {
                self.remembered = recall(tables, &self.room, &id, by).await?;
                self.position = self.remembered.as_ref().map(|remembered| remembered.position.clone());
                self.row = match &self.position {
                    Some(_) => self.read_row(tables).await?,
                    None => search(tables, &self.room, &head, &id).await?,
                };
                self.position = self.position.take().or_else(|| self.row.as_ref().map(|row| row.position.clone()));
            }
        }
        Ok(())
    }

    async fn read_row(&self, tables: &Tables) -> Result<Option<Publication>, Error> {
        let Some(Position { epoch, sequence }) = self.position.clone() else { return Ok(None) };
        read_row(tables, &self.room, &epoch, sequence).await
    }

    /// Looks for letters of the room that are about the publication. They stay in their queue.
    async fn letters_in(&self, deployment: &Deployment, queue: &str) -> Result<Vec<Letter>, Error> {
        let queue = DeadLetterQueue::named(&deployment.topology, queue)?;
        let operator = deployment.operator_queues();
        if operator.state(deployment.queue_url(&queue.name)?).await?.visible == 0 {
            return Ok(Vec::new());
        }
        let mut receiver = Receiver::new(&operator, deployment, &queue.name)?;
        let found = self.search_letters(&queue.name, &mut receiver).await;
        receiver.end().await?;
        found
    }

    async fn search_letters(&self, queue: &str, receiver: &mut Receiver<'_>) -> Result<Vec<Letter>, Error> {
        let (mut found, mut searched) = (Vec::new(), 0);
        while searched < LETTERS_SEARCHED {
            let letters = receiver.next().await?;
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                searched += 1;
                let contents = Contents::of(&letter);
                if self.is_about(&contents) {
                    let Contents { reason, members, .. } = contents;
                    found.push(Letter { queue: queue.to_owned(), since: letter.sent_at, reason, members });
                }
                receiver.keep(letter);
            }
        }
        Ok(found)
    }

    fn is_about(&self, contents: &Contents) -> bool {
        if contents.room.as_ref() != Some(&self.room) {
            return false;
        }
        let has_position = self.position.as_ref().is_some_and(|position| {
            contents.missed.as_deref().and_then(parse_missed).is_some_and(|(epoch, first, last)| {
                epoch == position.epoch.as_str() && (first..=last).contains(&position.sequence.get())
            })
        });
        let has_id =
            matches!(&self.subject, Subject::Id(id) if contents.publications.iter().any(|one| one == id.as_ref()));
        has_position || (has_id && self.position.is_none())
    }

    /// Lists what happened, in order.
    pub(crate) fn timeline(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut step = |at: Option<Timestamp>, step: &'static str, what: String| steps.push(Step { at, step, what });
        if let Some(row) = &self.row {
            step(Some(row.accepted_at), "accepted", format!("publication {} by {}", row.id, row.by));
        }
        if let Some(position) = &self.position {
            let at = self.row.as_ref().map(|row| row.sequenced_at);
            let at = at.or(self.remembered.as_ref().map(|remembered| remembered.sequenced_at));
            step(at, "sequenced", format!("epoch {}, sequence {}", position.epoch, position.sequence.get()));
            let head = self.head.as_ref().filter(|head| head.epoch == position.epoch);
            if let Some(head) = head {
                let is_sent = head.sent >= position.sequence;
                let queued = if is_sent { "jobs are queued for every shard" } else { "jobs may not be queued yet" };
                step(None, "queued", format!("{queued} (sent {})", head.sent.get()));
            }
        }
        for shard in &self.shards {
            let members = format!("shard {} of {} members", shard.shard, shard.members);
            match (&shard.progress, shard.has(self.position.as_ref())) {
                (Some(progress), true) => {
                    let through = progress.range.through.get();
                    step(
                        Some(progress.recorded_at),
                        "given",
                        format!("{members} was given everything through {through}"),
                    );
                }
                (Some(progress), false) => step(
                    Some(progress.recorded_at),
                    "waits",
                    format!("{members} was given everything through {}", progress.range.through.get()),
                ),
                (None, _) => step(None, "waits", format!("{members}: no delivery is recorded")),
            }
        }
        for letter in &self.letters {
            let lack = match letter.members.len() {
                0 => String::new(),
                1 => " 1 member lacks it:".to_owned(),
                members => format!(" {members} members lack it:"),
            };
            let reason = letter.reason.as_deref().unwrap_or("received too often");
            step(Some(letter.since), "dead", format!("a letter in {}:{lack} {reason}", letter.queue));
        }
        steps
    }
}

impl ShardFact {
    /// Returns whether every member of the shard was given the position, or is late for it.
    pub(crate) fn has(&self, position: Option<&Position>) -> bool {
        let through = self.progress.as_ref().map(|progress| progress.range.through);
        position.is_some_and(|position| through.is_some_and(|through| through >= position.sequence))
    }
}

async fn read_shard(tables: &Tables, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<ShardFact, Error> {
    let members = tables.count(room, shard).await?;
    Ok(ShardFact { shard, members, progress: tables.shard_progress(room, shard, epoch).await? })
}

/// Finds the position of a publication by its id; `None` if it has none, or if the id is of a user
/// and not among the last 10,000 publications of the room.
pub(crate) async fn locate(tables: &Tables, room: &RoomId, id: &PublicationId) -> Result<Option<Position>, Error> {
    if let Some(remembered) = recall(tables, room, id, None).await? {
        return Ok(Some(remembered.position));
    }
    let Some(head) = tables.head(room).await? else { return Ok(None) };
    Ok(search(tables, room, &head, id).await?.map(|row| row.position))
}

/// Reads the dedupe row of the id, for the user if it is known and for both kinds of backends.
async fn recall(
    tables: &Tables,
    room: &RoomId,
    id: &PublicationId,
    by: Option<&UserId>,
) -> Result<Option<Remembered>, Error> {
    let publishers = by.map(Publisher::user).into_iter().chain([Publisher::events(), Publisher::outbox()]);
    let keys: Vec<DedupeKey> =
        publishers.map(|publisher| DedupeKey { room: room.clone(), publisher, id: id.clone() }).collect();
    let mut known = tables.known(&keys).await?;
    Ok(keys.iter().find_map(|key| known.remove(key)))
}

/// Searches the log backwards for an id, in the epoch of the head.
async fn search(tables: &Tables, room: &RoomId, head: &Head, id: &PublicationId) -> Result<Option<Publication>, Error> {
    let (mut through, mut searched) = (head.sequence, 0);
    while searched < ROWS_SEARCHED && through > Sequence::ZERO {
        let page = read_page(tables, room, &head.epoch, through).await?;
        if page.is_empty() {
            break;
        }
        if let Some(found) = page.into_iter().find(|row| row.id == *id) {
            return Ok(Some(found));
        }
        searched += PAGE_ROWS;
        through = Sequence::new(through.get().saturating_sub(PAGE_ROWS as u64));
    }
    Ok(None)
}

/// Reads the page of the log that ends with `through`, without the rows that cannot be read.
async fn read_page(
    tables: &Tables,
    room: &RoomId,
    epoch: &Epoch,
    through: Sequence,
) -> Result<Vec<Publication>, Error> {
    match read_run_backwards(tables, room, epoch, through, PAGE_ROWS, now()).await {
        Err(error) if !error.is_transient() => {}
        page => return Ok(page?),
    }
    // One unreadable row hides its whole page.
    let first = through.get().saturating_sub(PAGE_ROWS as u64) + 1;
    let rows = (first..=through.get()).map(|sequence| read_row(tables, room, epoch, Sequence::new(sequence)));
    let rows: Vec<Option<Publication>> = stream::iter(rows).buffered(READS_AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Reads one row of the log. Returns `None` if there is none, or if it cannot be read.
async fn read_row(
    tables: &Tables,
    room: &RoomId,
    epoch: &Epoch,
    sequence: Sequence,
) -> Result<Option<Publication>, Error> {
    let range = Range { epoch: epoch.clone(), after: sequence.before(), through: sequence };
    match tables.log(room, &range, 1, now()).await {
        Err(error) if !error.is_transient() => Ok(None),
        rows => Ok(rows?.pop()),
    }
}

/// Reads the connections of a member that are in the room.
async fn members_of(tables: &Tables, room: &RoomId, member: &Target) -> Result<Vec<MemberFact>, Error> {
    let connections = match member {
        Target::Connection(connection) => vec![connection.clone()],
        Target::User(user) => tables.connections_of(user, now()).await?,
    };
    let mut facts = Vec::new();
    for occupant in tables.occupants(room, &connections).await? {
        if let Some(shard) = tables.shard_of(room, &occupant.connection).await? {
            facts.push(MemberFact { connection: occupant.connection, shard, joined_at: occupant.joined_at });
        }
    }
    Ok(facts)
}

/// Parses the positions of a letter, `EPOCH.FIRST-LAST`.
fn parse_missed(text: &str) -> Option<(&str, u64, u64)> {
    let (epoch, run) = text.split_once('.')?;
    let (first, last) = run.split_once('-')?;
    Some((epoch, first.parse().ok()?, last.parse().ok()?))
}
