//! What functions read is in proportion to the room, and to what they were asked for: never to who else is connected.

use std::time::Duration;

use domain::{Job, RoomId, Timestamp, Work as Job_};
use testkit::memory::{Asked, Message, Read};

use crate::executor::TaskId;
use crate::feeds::Work;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// Who has left is read of for as long as an index lags, and an invocation runs.
const LEFT: Duration = Duration::from_secs(60);

impl Run {
    /// An invocation is over, however it ended: each of its reads was in proportion, and those of a fan-out in all.
    pub(crate) fn check_reads(&self, task: TaskId, work: &Work) {
        let Some(meter) = self.shared.lock().meters.remove(&task) else { return };
        let reads = meter.take();
        for read in &reads {
            self.check_read(read);
        }
        if let Work::Deliveries(_, messages) = work {
            self.check_fanout(&reads, messages);
        }
    }

    fn check_read(&self, Read { asked, evaluated, .. }: &Read) {
        let most = match asked {
            Asked::Keys(count) | Asked::Rows(count) | Asked::Watched(count) => *count,
            Asked::Members(room) => self.members_of(room),
            Asked::RoomsOf(connection) => self.belonged.keys().filter(|(one, _)| one == connection).count(),
        };
        let mut core = self.shared.lock();
        core.weigh(Stake::Read);
        if *evaluated > most {
            core.broke(Kind::Scanned, format!("{evaluated} items were read for {asked:?}, where there are {most}"));
        }
    }

    /// A fan-out reads how far shards are, their rooms' logs from there on, and the members of their rooms: once to deliver, and
    /// once more for a dead letter, or where a part is done.
    fn check_fanout(&self, reads: &[Read], messages: &[Message<Job>]) {
        let of_the_job = |read: &&Read| !matches!(read.asked, Asked::RoomsOf(_));
        let evaluated: usize = reads.iter().filter(of_the_job).map(|read| read.evaluated).sum();
        let most = |job: &Job| {
            let rows = self.pipeline.store.publications(&job.room).len();
            1 + late(job) + 2 * rows + 2 * self.members_of(&job.room)
        };
        let most: usize = messages.iter().map(|message| most(&message.body)).sum();
        if evaluated > most {
            let what = format!("{} jobs of the fan-out read {evaluated} items", messages.len());
            self.shared.lock().broke(Kind::Scanned, format!("{what}, where their rooms have {most}"));
        }
    }

    /// Who is in a room, or was a moment ago. In `*` that is everybody.
    fn members_of(&self, room: &RoomId) -> usize {
        let core = self.shared.lock();
        if room.is_everyone() {
            return core.sockets.len();
        }
        let there = |left: Option<Timestamp>| left.is_none_or(|left| core.now.since(left) < LEFT);
        self.belonged.iter().filter(|((_, one), belonging)| one == room && there(belonging.left)).count()
    }
}

/// Members that a job names.
fn late(job: &Job) -> usize {
    if let Job_::Late { members, .. } = &job.work { members.len() } else { 0 }
}
