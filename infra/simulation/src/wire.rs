//! Counts how often a member gets the same position on the wire: never without a cause, and never
//! more often than there are causes.
//!
//! The count is for one member and one position. Each of these is a cause for one frame:
//!
//! - A job that covers the position. A shard has one such job. It has more only if the queue
//!   delivered the job again, if an interrupted sequencer queued it again, or if one sequencer
//!   worked off a reminder beside another one. It has one more while its room passes from the
//!   narrow line to the wide one.
//! - A pass that came back, because its worker died or could not go on. Its job covers the
//!   position, or ends before it and the pass went on to it.
//! - A pass of which a call was refused: its jobs are then delivered one by one.
//! - A pass that could not store its progress.
//! - A post whose outcome was unknown.
//! - A late job for a member that failed at one of several frames of a range: the member gets the
//!   frames before it again.
//! - A dead letter that is redriven.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, Job, Line, Position, Range, RoomId, Sequence, Shard, Work};
use protocol::block::AnyBlock;
use protocol::server::ServerFrame;
use testkit::memory::Message;

use crate::executor::TaskId;
use crate::feeds::REDRIVEN;
use crate::kind::Kind;
use crate::run::Run;
use crate::silent::names;

/// A position of a room: the room, the epoch and the sequence.
pub(crate) type Place = (RoomId, String, Sequence);

/// The result of one post, as far as the fan-out knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posted {
    /// The frame arrived, and the fan-out knows it.
    Known,
    /// The frame arrived, and the fan-out does not know it.
    Unknown,
    /// The frame did not arrive.
    Not,
}

/// A job as the fan-out received it.
#[derive(Debug)]
struct Handed {
    job: Job,
    deduplication_id: String,
    /// The number of further workers that received the job while one worker processed it.
    again: u64,
}

/// All posts of a run, and the jobs that caused them.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    posts: BTreeMap<(ConnectionId, Place), Vec<(TaskId, Posted)>>,
    jobs: BTreeMap<String, Handed>,
    came_back: BTreeMap<TaskId, BTreeSet<String>>,
    /// Late jobs, with the invocations that queued them.
    late: Vec<(TaskId, Job)>,
    /// How often each invocation failed to store the progress of a shard.
    not_noted: BTreeMap<TaskId, u64>,
    /// Invocations of which a call was refused: jobs that were one range are then delivered one by
    /// one.
    refused: BTreeSet<TaskId>,
    /// For each room: interrupted invocations of the sequencer, messages that the sequencer
    /// received twice, and reminders.
    interrupted: BTreeMap<RoomId, u64>,
}

impl Wire {
    /// Records the post of a frame.
    pub(crate) fn posted(&mut self, task: TaskId, connection: &ConnectionId, text: &str, posted: Posted) {
        let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { return };
        for block in blocks.into_iter().filter_map(AnyBlock::into_run) {
            let epoch = block.ep.to_string();
            for n in 0..block.m.len() as u64 + block.skip {
                let place = (block.room.clone(), epoch.clone(), block.seq.plus(n));
                self.posts.entry((connection.clone(), place)).or_default().push((task, posted));
            }
        }
    }

    /// Records that a worker received a job.
    pub(crate) fn handed(&mut self, message: &Message<Job>) {
        let (job, deduplication_id) = (message.body.clone(), message.deduplication_id.clone());
        self.jobs.entry(message.id.clone()).or_insert(Handed { job, deduplication_id, again: 0 });
    }

    /// Records that another worker receives the same job.
    pub(crate) fn handed_again(&mut self, message: &str) {
        self.jobs.entry(message.to_owned()).and_modify(|handed| handed.again += 1);
    }

    /// Records messages that a worker has not finished, as far as the queue knows.
    pub(crate) fn came_back(&mut self, task: TaskId, messages: impl IntoIterator<Item = String>) {
        self.came_back.entry(task).or_default().extend(messages);
    }

    /// Records that an invocation could not store the progress of a shard.
    pub(crate) fn not_noted(&mut self, task: TaskId) {
        *self.not_noted.entry(task).or_default() += 1;
    }

    /// Records a late job that an invocation queues, whether or not that succeeds.
    pub(crate) fn made_late_by(&mut self, task: TaskId, job: &Job) {
        self.late.push((task, job.clone()));
    }

    /// Records that a call of an invocation was refused.
    pub(crate) fn refused(&mut self, task: TaskId) {
        self.refused.insert(task);
    }

    /// Records that a sequencer was interrupted in its work for a room, or may do the same work
    /// twice.
    pub(crate) fn interrupted(&mut self, room: &RoomId) {
        *self.interrupted.entry(room.clone()).or_default() += 1;
    }

    /// Reports whether an invocation tried to post a position to a member.
    pub(crate) fn was_tried(&self, task: TaskId, connection: &ConnectionId, room: &RoomId, at: &Position) -> bool {
        let place = (room.clone(), at.epoch.to_string(), at.sequence);
        let attempts = self.posts.get(&(connection.clone(), place));
        attempts.into_iter().flatten().any(|(by, _)| *by == task)
    }

    /// The results of all posts of a position to a member.
    pub(crate) fn attempts(&self, connection: &ConnectionId, place: &Place) -> impl Iterator<Item = Posted> {
        let attempts = self.posts.get(&(connection.clone(), place.clone()));
        attempts.into_iter().flatten().map(|(_, posted)| *posted)
    }

    /// How often a position may arrive at a member: the number of causes that the module lists.
    fn bound(&self, connection: &ConnectionId, place: &Place, shards: &BTreeSet<Shard>) -> u64 {
        let attempts = &self.posts[&(connection.clone(), place.clone())];
        let unknown = attempts.iter().filter(|(_, posted)| *posted == Posted::Unknown).count() as u64;
        let ours: BTreeMap<&String, &Handed> =
            self.jobs.iter().filter(|(_, handed)| handed.is_for(connection, place, shards)).collect();
        let tasks: BTreeSet<TaskId> = attempts.iter().map(|(task, _)| *task).collect();
        let made_late: BTreeSet<TaskId> = self.made_late(connection, place).map(|(task, _)| task).collect();
        let reaches = |id: &&String| {
            ours.contains_key(id) || self.jobs.get(*id).is_some_and(|handed| handed.reaches(place, shards))
        };
        let back = |task| self.came_back.get(task).into_iter().flatten().filter(reaches).count();
        // A pass that made the member late for the position may not have reached the position.
        let passes: BTreeSet<TaskId> = tasks.iter().chain(&made_late).copied().collect();
        let passes_back = passes.iter().map(back).sum::<usize>() as u64;
        let not_noted: u64 = passes.iter().filter_map(|task| self.not_noted.get(task)).sum();
        let one_by_one = tasks.intersection(&self.refused).count() as u64;
        let main = ours.values().filter(|handed| handed.is_main()).count() as u64;
        let late: Vec<&str> =
            ours.values().filter(|handed| !handed.is_main()).map(|handed| handed.deduplication_id.as_str()).collect();
        let late_repeats = (late.len() - late.iter().collect::<BTreeSet<_>>().len()) as u64;
        let reaching = self.jobs.values().filter(|handed| !handed.covers(place) && handed.reaches(place, shards));
        let again: u64 = ours.values().copied().chain(reaching).map(|handed| handed.again).sum();
        // A room that outgrows the narrow line has two lines for a while, and neither sees the
        // progress of the other.
        let has = |line: Line| self.jobs.values().any(|handed| handed.job.line == line && handed.is_of(place, shards));
        let crossed = u64::from(has(Line::Narrow) && has(Line::Wide));
        // One invocation may queue several late jobs that cover the position.
        let partly = self
            .made_late(connection, place)
            .filter(|(task, through)| tasks.contains(task) && self.stopped_before(*through, *task, connection, place));
        let partly = partly.count() as u64;
        let redriven = late.iter().filter(|id| id.starts_with(REDRIVEN)).count() as u64;
        main.max(1)
            + late_repeats
            + partly
            + redriven
            + again
            + passes_back
            + one_by_one
            + not_noted
            + crossed
            + unknown
    }

    /// Invocations that made a member late for a position, each with the end of the late range.
    fn made_late(&self, connection: &ConnectionId, place: &Place) -> impl Iterator<Item = (TaskId, Sequence)> {
        let shards = BTreeSet::new();
        self.late.iter().filter_map(move |(task, job)| {
            let through = job.work.range()?.through;
            (covered(job, place) && names(job, connection, &shards)).then_some((*task, through))
        })
    }

    /// Reports whether an invocation posted a position to a member more often than some later one
    /// of a range: the range is several frames, and a late job begins with the first. The
    /// invocation may have posted the range for several late jobs, and have stopped in one of them.
    fn stopped_before(&self, through: Sequence, task: TaskId, connection: &ConnectionId, place: &Place) -> bool {
        let arrived = |sequence: u64| {
            let place = (place.0.clone(), place.1.clone(), Sequence::new(sequence));
            let attempts = self.posts.get(&(connection.clone(), place)).into_iter().flatten();
            attempts.filter(|(by, posted)| *by == task && *posted == Posted::Known).count()
        };
        let times = arrived(place.2.get());
        (place.2.get() + 1..=through.get()).any(|later| arrived(later) < times)
    }

    /// The number of jobs of a shard, beyond the first, that cover the same position under
    /// different names: a sequencer queued them again.
    fn queued_again(&self, place: &Place, shard: Shard) -> u64 {
        let covers =
            self.jobs.values().filter(|handed| handed.is_main() && handed.covers(place) && handed.job.shard == shard);
        let names: BTreeSet<&str> = covers.map(|handed| handed.deduplication_id.as_str()).collect();
        (names.len() as u64).saturating_sub(1)
    }
}

/// Reports whether a job delivers a position.
fn covered(job: &Job, (room, epoch, sequence): &Place) -> bool {
    job.room == *room
        && job.work.range().is_some_and(|range| {
            range.epoch.to_string() == *epoch && range.after < *sequence && *sequence <= range.through
        })
}

fn written((room, epoch, sequence): &Place) -> String {
    format!("{epoch}/{} of {room}", sequence.get())
}

impl Handed {
    fn is_main(&self) -> bool {
        matches!(self.job.work, Work::Shard { .. })
    }

    fn covers(&self, place: &Place) -> bool {
        covered(&self.job, place)
    }

    /// Reports whether the job is of the main line of one of these shards, in the epoch of a
    /// position.
    fn is_of(&self, (room, epoch, _): &Place, shards: &BTreeSet<Shard>) -> bool {
        let same_epoch = |range: &Range| range.epoch.to_string() == *epoch;
        let ours = self.is_main() && self.job.room == *room && shards.contains(&self.job.shard);
        ours && self.job.work.range().is_some_and(same_epoch)
    }

    /// Reports whether a pass of the job may go on to a position behind it.
    fn reaches(&self, place: &Place, shards: &BTreeSet<Shard>) -> bool {
        self.is_of(place, shards) && self.job.work.range().is_some_and(|range| range.after < place.2)
    }

    fn is_for(&self, connection: &ConnectionId, place: &Place, shards: &BTreeSet<Shard>) -> bool {
        let addressed = match &self.job.work {
            Work::Late { members, .. } => members.iter().any(|member| member.connection == *connection),
            _ => shards.contains(&self.job.shard),
        };
        addressed && self.covers(place)
    }
}

impl Run {
    /// No position arrived at a member more often than there were causes.
    pub(crate) fn check_the_repeats(&self) {
        let mut core = self.shared.lock();
        let mut broken = None;
        for ((connection, place), attempts) in &core.wire.posts {
            let arrived = attempts.iter().filter(|(_, posted)| *posted != Posted::Not).count() as u64;
            if arrived < 2 {
                continue;
            }
            let shards = self.shards_of(connection, &place.0);
            let bound = core.wire.bound(connection, place, &shards);
            if arrived > bound {
                let place = written(place);
                broken = Some(format!("{connection} got {place} {arrived} times, and has causes for {bound}"));
            }
            let interrupted = core.wire.interrupted.get(&place.0).copied().unwrap_or_default();
            for shard in shards {
                let queued_again = core.wire.queued_again(place, shard);
                if queued_again > interrupted {
                    let what = format!("a job for {} was queued {queued_again} times more than once", written(place));
                    broken = Some(format!("{what}; the sequencer was interrupted {interrupted} times"));
                }
            }
        }
        broken.into_iter().for_each(|what| core.broke(Kind::Repeated, what));
    }

    /// The shards of a room in which a connection was a member.
    pub(crate) fn shards_of(&self, connection: &ConnectionId, room: &RoomId) -> BTreeSet<Shard> {
        if room.is_everyone() {
            return [domain::Shards::initial(room).place(connection)].into();
        }
        let belonging = self.belonged.get(&(connection.clone(), room.clone()));
        belonging.map(|belonging| belonging.shards.clone()).unwrap_or_default()
    }
}
