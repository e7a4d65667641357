//! The number of items that functions read is proportional to the room and to the request, and
//! never to the number of other connections.

use std::time::Duration;

use domain::{Job, RoomId, Timestamp, Work as Job_};
use testkit::memory::{Asked, Message, Read};

use crate::executor::TaskId;
use crate::feeds::Work;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// A former member may be read for this long after it left: the lag of an index and the time of an
/// invocation.
const LEFT: Duration = Duration::from_secs(60);

impl Run {
    /// Checks the reads of an ended invocation: each read is proportional, and so is the total of a
    /// fan-out.
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
            core.broke(Kind::Scanned, format!("{evaluated} items were read for {asked:?}, and {most} are allowed"));
        }
    }

    /// A fan-out reads the progress of shards, the logs of their rooms from there on, and the
    /// members of their rooms once for each page of a log. It reads both once more for a dead
    /// letter or after a part is done.
    fn check_fanout(&self, reads: &[Read], messages: &[Message<Job>]) {
        let of_the_job = |read: &&Read| !matches!(read.asked, Asked::RoomsOf(_));
        let evaluated: usize = reads.iter().filter(of_the_job).map(|read| read.evaluated).sum();
        let most = |job: &Job| {
            let rows = self.pipeline.store.publications(&job.room).len();
            let pages = rows.div_ceil(self.pipeline.scale.limits.log_page_rows).max(1);
            1 + late(job) + 2 * rows + (1 + pages) * self.members_of(&job.room)
        };
        let most: usize = messages.iter().map(|message| most(&message.body)).sum();
        if evaluated > most {
            let what = format!("{} jobs of the fan-out read {evaluated} items", messages.len());
            self.shared.lock().broke(Kind::Scanned, format!("{what}, and {most} are allowed"));
        }
    }

    /// The number of members that a room has, or had a moment ago. In `*` this is the number of all
    /// connections.
    fn members_of(&self, room: &RoomId) -> usize {
        let core = self.shared.lock();
        if room.is_everyone() {
            return core.sockets.len();
        }
        let there = |left: Option<Timestamp>| left.is_none_or(|left| core.now.since(left) < LEFT);
        self.belonged.iter().filter(|((_, one), belonging)| one == room && there(belonging.left)).count()
    }
}

/// The number of members that a job names.
fn late(job: &Job) -> usize {
    if let Job_::Late { members, .. } = &job.work { members.len() } else { 0 }
}
