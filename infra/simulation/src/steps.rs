//! The steps of a run that are not requests of members: backends, growth, restores, the end of all
//! faults, the reaper.

use std::time::Duration;

use domain::{RoomId, Timestamp};
use testkit::memory::Lag;
use testkit::samples;

use crate::backend::What;
use crate::due::Due;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::kind::Kind;
use crate::owed::OWED_WITHIN;
use crate::run::{REAPER_EVERY_MS, Run};
use crate::socket::Socket;
use crate::step::{PLACES, Poison, Step};

/// A ban lasts this long: longer than a user that was closed stays away.
const BANNED_FOR: Duration = Duration::from_secs(6);

impl Run {
    pub(crate) fn step(&mut self, member: usize, step: &Step) {
        self.shared.lock().tell(|| format!("{}/{member} {step}", self.members[member].user));
        let room = |at: &usize| samples::room(PLACES[*at]);
        match step {
            Step::Join(at) => self.join(member, room(at)),
            Step::Leave(at) => self.leave(member, &room(at)),
            Step::Publish(at, count) => (0..*count).for_each(|_| self.publish(member, room(at), None)),
            Step::PublishSameId(at) => self.publish(member, room(at), Some("same")),
            Step::Event(at) => self.event_of_a_backend(room(at)),
            Step::Row(at) => self.row_of_a_backend(room(at)),
            Step::Ordered(group, at) => self.event_in_order(*group, room(at)),
            Step::PoisonInOrder(group) => self.poison_in_order(*group),
            Step::Flood(at, torrent) => self.flood(member, &room(at), *torrent),
            Step::Fail => self.set_failing(true),
            Step::Mend => self.set_failing(false),
            Step::AskWho(at) => self.ask_who(member, room(at)),
            Step::AskHistory(at) => self.ask_history(member, room(at)),
            Step::Say(at) => self.say(member, &room(at)),
            Step::PublishQuietly(at) => self.publish_quietly(member, room(at)),
            Step::Bring(at) => self.order(self.members[member].user_id(), What::Join(room(at))),
            Step::Remove(at) => self.order(self.members[member].user_id(), What::Remove(room(at))),
            Step::Kick => {
                let now = self.now();
                let what = match self.backend.orders.len() % 4 {
                    0 => What::Close,
                    2 => What::Revoke(now),
                    _ => What::Ban(now.plus(BANNED_FOR)),
                };
                self.order(self.members[member].user_id(), what);
            }
            Step::Reset => self.reset(member),
            Step::Vanish => self.vanish(member),
            Step::Deny(at) => self.deny(member, room(at)),
            Step::Restart(away_ms) => self.restart(member, *away_ms),
            Step::Cut => self.cut(member),
            Step::Storm => {
                self.shared.lock().faults.note(Fault::Storm);
                (0..self.members.len()).for_each(|member| self.reset(member));
            }
            Step::Grow(at) => self.grow(&room(at)),
            Step::Restore(at, lost) => self.restore(&room(at), *lost),
            Step::Poison(at, Poison::Publication) => self.poison(&room(at)),
            Step::Poison(at, Poison::Job) => self.poison_job(&room(at)),
            Step::Poison(_, Poison::Check) => self.poison_check(),
            Step::Poison(_, Poison::Event) => self.poison_of_a_backend(false),
            Step::Poison(_, Poison::Row) => self.poison_of_a_backend(true),
            Step::PoisonRecord => {
                self.shared.lock().faults.note(Fault::PoisonRecord);
                let now = self.now();
                self.feeds.poison_stream(now);
            }
        }
    }

    /// A run of the reaper without a failed call has closed every connection whose token had
    /// expired when the run began.
    pub(crate) fn check_expired_are_closed(&self, task: TaskId, began: Timestamp) {
        let mut core = self.shared.lock();
        let by = began.minus(core.clocks_differ());
        if core.disturbed.contains(&task) {
            return;
        }
        let lapsed = |socket: &Socket| socket.open && socket.rights.expires_at <= by;
        let lapsed = core.sockets.iter().find(|(_, socket)| lapsed(socket)).map(|(id, _)| id.clone());
        if let Some(connection) = lapsed {
            core.broke(Kind::NotClosed, format!("the token of {connection} has expired, and a reaper left it open"));
        }
    }

    /// Grows a room at once, as a join of a full shard does.
    fn grow(&mut self, room: &RoomId) {
        let store = &self.pipeline.store;
        let grown = futures::executor::block_on(async {
            use domain::ports::Rooms;
            let Some(head) = store.head(room).await.ok().flatten() else { return false };
            let Some(more) = domain::Growth::after_count(head.shards, u64::MAX) else { return false };
            head.shards.get() < 64 && store.grow(room, head.shards, more).await.is_ok()
        });
        if grown {
            self.shared.lock().tell(|| format!("{room} has grown"));
        }
    }

    /// Restores a room: up to two publications ago in a new generation, or without its head in the
    /// same generation. Restoring an old head in its own generation would give positions of its
    /// epoch a second time, and members would rightly report an error.
    fn restore(&mut self, room: &RoomId, way: u64) {
        use domain::ports::Rooms;
        let store = &self.pipeline.store;
        let head = futures::executor::block_on(store.head(room)).ok().flatten();
        let has_grown = head.is_some_and(|head| head.shards > domain::Shards::initial(room));
        let without_head = way > 5 && !has_grown;
        if without_head {
            store.restore_head(room, None);
        } else {
            store.restore(room, way % 3);
        }
        self.note_restored(room, without_head);
        self.shared.lock().faults.note(Fault::Restored);
        self.restored.insert(room.clone());
        // Members detect the restore with the next publication, or with a keep-alive.
        self.silent.restore(room);
    }

    pub(crate) fn heal(&mut self) {
        {
            let mut core = self.shared.lock();
            core.tell(|| "everything heals".to_owned());
            let redriven = core.faults.has(Fault::Redriven);
            core.faults.heal();
            let now = core.now;
            (core.throttled_until, core.forbidden_until) = (now, now);
            core.sockets.values_mut().for_each(|socket| socket.full_until = now);
            core.at(now.plus(OWED_WITHIN), Due::Owed);
            drop(core);
            self.redrive(1 + u32::from(redriven));
        }
        self.pipeline.store.set_lag(Lag::None);
        self.pipeline.store.set_empty_pages(false);
        self.set_failing(false);
        self.feeds.heal();
    }

    pub(crate) fn reap(&mut self) {
        self.cut_off();
        let twice = self.shared.lock().fires(Fault::ReapersOverlap, || "reaper".to_owned());
        if self.shared.lock().faults.has(Fault::ReaperRaces) {
            self.shared.lock().faults.note(Fault::ReaperRaces);
        }
        for _ in 0..1 + u32::from(twice) {
            let task = self.executor.reserve();
            let now = self.now();
            self.feeds.reaping(task, now);
            self.pipeline.reap(&mut self.executor, task);
        }
        let more_often = self.shared.lock().faults.has(Fault::ReaperRaces);
        self.shared.lock().after_ms(if more_often { REAPER_EVERY_MS / 4 } else { REAPER_EVERY_MS }, Due::Reap);
    }
}
