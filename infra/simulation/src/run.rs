//! One run: everybody and everything, step by step, until what is owed must be there and what is gone forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{ConnectionId, RoomId, Timestamp};
use testkit::clock::{TurnedClock, Turning};
use testkit::memory::{Bug, Lag, Queues, Store, Topic};
use testkit::samples;

use crate::chance::Dice;
use crate::check::{Broken, Heard, Kind, Truth};
use crate::core::{Due, Shared};
use crate::executor::{Executor, TaskId};
use crate::faults::{Fault, Faults};
use crate::feeds::{Feeds, Loose};
use crate::members::Member;
use crate::pipeline::Pipeline;
use crate::script::{ROOMS, Script, Step};

/// After everything has healed, what is owed is there within this: a killed function's messages come back after 30 s.
pub const OWED_WITHIN: Duration = Duration::from_secs(90);
/// The same if jobs or sockets were lost without a word: then a client finds out with its next keep-alive.
pub const OWED_AFTER_KEEP_ALIVE: Duration = Duration::from_secs(360);
/// Who is gone is forgotten within this: 12 min of silence, the gateway's 10 min before that, and a run of the reaper.
const GHOSTS_GONE: Duration = Duration::from_secs(25 * 60);
/// How often the reaper runs.
const REAPER_EVERY_MS: u64 = 60_000;

/// A mistake that is made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// By what functions are wired to.
    Memory(Bug),
    /// A batch is reported as done, whatever failed.
    WholeBatchDone,
    /// A client drops what comes above a gap.
    HoldDropped,
    /// A client does not check its position after joining.
    SettlingSkipped,
}

impl Mistake {
    /// Every one of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let others = [Self::WholeBatchDone, Self::HoldDropped, Self::SettlingSkipped];
        Bug::ALL.into_iter().map(Self::Memory).chain(others).collect()
    }

    /// As the command line names it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Memory(bug) => format!("{bug:?}"),
            other => format!("{other:?}"),
        }
    }
}

/// How a run differs from what its seed says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Faults that do not happen.
    pub without: BTreeSet<Fault>,
    /// Steps that are not taken, by number.
    pub skipped: BTreeSet<usize>,
    /// Whether the story is told.
    pub told: bool,
    /// A mistake that is made.
    pub mistake: Option<Mistake>,
    /// Points to be killed at, and at how manieth time.
    pub targets: BTreeMap<String, u64>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// What was broken; empty if all held.
    pub broken: Vec<Broken>,
    /// How often each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// The points that invocations came to, and how often they were killed there.
    pub points: BTreeMap<String, (u64, u64)>,
    /// Pairs of a publication and a member that was told of it.
    pub deliveries: u64,
    /// Publications that got a position.
    pub publications: u64,
    /// Faults that could happen in it.
    pub chosen: BTreeSet<Fault>,
    /// How many steps its script has.
    pub steps: usize,
    /// Its story, if it was told.
    pub story: Vec<String>,
}

/// A run.
pub struct Run {
    pub(crate) shared: Shared,
    pub(crate) executor: Executor,
    pub(crate) pipeline: Pipeline,
    pub(crate) feeds: Feeds,
    pub(crate) members: Vec<Member>,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) published: u64,
    /// What became a membership, and since when it is none.
    pub(crate) belonged: BTreeMap<(ConnectionId, RoomId), Option<Timestamp>>,
    pub(crate) restored: BTreeSet<RoomId>,
    /// Events of backends: where, and under which id.
    pub(crate) events: Vec<(RoomId, String)>,
    /// Whose end `$disconnect` has told.
    pub(crate) said_gone: BTreeSet<ConnectionId>,
    /// Whether something was lost that only a keep-alive finds.
    pub(crate) lost_silently: bool,
    order: Dice,
    ended: bool,
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    let faults = Faults::of(seed, &options.without);
    let chosen = faults.chosen();
    let script = Script::of(seed, &faults);
    let steps = script.steps.len();
    let mut run = Run::new(seed, faults, &script, options);
    run.go();
    let conditions_failed = run.pipeline.store.conditions_failed();
    let core = &mut *run.shared.lock();
    for _ in 0..conditions_failed {
        core.faults.note(Fault::ConditionFailed);
    }
    let rooms = ROOMS.map(|name| run.pipeline.store.publications(&samples::room(name)).len() as u64);
    Report {
        seed,
        broken: std::mem::take(&mut core.broken),
        fired: core.faults.fired().clone(),
        points: std::mem::take(&mut core.points),
        deliveries: run.members.iter().map(|member| member.heard_in_all()).sum(),
        publications: rooms.iter().sum(),
        chosen,
        steps,
        story: core.story.take().unwrap_or_default(),
    }
}

impl Run {
    fn new(seed: u64, faults: Faults, script: &Script, options: &Options) -> Self {
        let clock = TurnedClock::new(samples::NOW, Turning::ByHand);
        let (lags, small) = (faults.has(Fault::IndexLags), faults.has(Fault::SmallPages));
        let shared = Shared::new(clock.clone(), samples::NOW, seed, faults, options.told);
        let store = Store::new(clock.clone());
        let bug = match options.mistake {
            Some(Mistake::Memory(bug)) => Some(bug),
            _ => None,
        };
        let pipeline = Pipeline {
            shared: shared.clone(),
            store: store.with_bug(bug),
            queues: Queues::new(clock),
            topic: Topic::default(),
            bug,
            chance: Dice::new(seed, 5).seeded(),
        };
        {
            let mut core = shared.lock();
            core.targets.clone_from(&options.targets);
            if lags {
                core.faults.note(Fault::IndexLags);
                store.set_lag(Lag::Time(Duration::from_millis(core.dice.below(4_000))));
            }
            if small || bug == Some(Bug::NoPaging) {
                core.faults.note(Fault::SmallPages);
                store.set_page_size(2);
                store.set_empty_pages(bug != Some(Bug::NoPaging));
            }
            for (number, (at, member, step)) in script.steps.iter().enumerate() {
                if !options.skipped.contains(&number) {
                    core.after_ms(*at, Due::Step(*member, step.clone()));
                }
            }
            core.after_ms(script.heals_ms, Due::Heal);
            core.after_ms(REAPER_EVERY_MS, Due::Reap);
        }
        let members = script.users.iter().enumerate().map(|(at, user)| Member::new(at, user, seed)).collect();
        Self {
            shared,
            executor: Executor::default(),
            pipeline,
            feeds: Feeds::default(),
            members,
            mistake: options.mistake,
            connections: 0,
            requests: 0,
            published: 0,
            belonged: BTreeMap::new(),
            restored: BTreeSet::new(),
            events: Vec::new(),
            said_gone: BTreeSet::new(),
            lost_silently: false,
            order: Dice::new(seed, 6),
            ended: false,
        }
    }

    fn go(&mut self) {
        for at in 0..self.members.len() {
            self.begin(at);
        }
        while !self.ended {
            if let Some((task, _)) = self.executor.step(&self.order) {
                // At once: what is judged of a change is how things stand right then.
                self.tell_stream();
                self.after_step(task);
                continue;
            }
            if self.feed() {
                continue;
            }
            let Some(next) = self.next_at() else { break };
            self.pipeline.shared.clock.set(next);
            self.shared.lock().now = next;
            loop {
                let due = self.shared.lock().pop();
                let Some(due) = due else { break };
                self.due(due);
            }
        }
    }

    /// The next moment at which something can happen.
    fn next_at(&self) -> Option<Timestamp> {
        let (now, agenda) = {
            let core = self.shared.lock();
            (core.now, core.next_at())
        };
        let queues = &self.pipeline.queues;
        let checks = queues.checks.waiting().iter().map(|(at, _)| *at).filter(|at| *at > now).min();
        let times = [
            agenda,
            self.shared.clock.next_wakeup(),
            queues.publications.next_visible_at(),
            queues.deliveries.next_visible_at(),
            queues.deliveries_wide.next_visible_at(),
            self.feeds.next_at(now),
            checks,
        ];
        times.into_iter().flatten().min()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let core = self.shared.lock();
        u64::try_from(core.now.since(core.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// An invocation has gone one step further: whether it was killed there, or has ended.
    fn after_step(&mut self, task: TaskId) {
        let (killed, done) = {
            let mut core = self.shared.lock();
            let killed = core.kills.iter().position(|one| *one == task).map(|at| core.kills.remove(at)).is_some();
            (killed, std::mem::take(&mut core.done))
        };
        if killed {
            self.executor.kill(task);
            self.came_to_nothing(task);
        }
        for (task, outcome) in done {
            self.ended(task, outcome);
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Step(member, step) => self.step(member, &step),
            Due::Wake(member) => self.wake(member),
            Due::Begin(member) => self.begin(member),
            Due::Handshake(connection) => self.handshake(&connection),
            Due::FromClient(connection, text) => self.says(&connection, text),
            Due::Waited(connection) => self.waited_for(&connection),
            Due::OpenedTo(connection) => self.opened_to(&connection),
            Due::RefusedTo(connection, status) => self.refused_to(&connection, status),
            Due::ToClient(connection, text) => self.hears(&connection, &text),
            Due::ClosedTo(connection) => self.closed_to(&connection),
            Due::ClosedFrom(connection) => self.closed_from(&connection),
            Due::Disconnect(connection) => self.disconnect(&connection),
            Due::Deadline(task) => {
                if self.executor.kill(task) {
                    self.shared.lock().tell(|| "an invocation ran out of time and is killed".to_owned());
                    self.came_to_nothing(task);
                }
            }
            Due::Reap => self.reap(),
            Due::Heal => self.heal(),
            Due::Owed => self.check_what_is_owed(),
            Due::Look => {}
        }
    }

    fn step(&mut self, member: usize, step: &Step) {
        self.shared.lock().tell(|| format!("member {member} ({}): {step:?}", self.members[member].user));
        let room = |at: &usize| samples::room(ROOMS[*at]);
        match step {
            Step::Join(at) => self.join(member, room(at)),
            Step::Leave(at) => self.leave(member, &room(at)),
            Step::Publish(at, count) => (0..*count).for_each(|_| self.publish(member, room(at), None)),
            Step::PublishSameId(at) => self.publish(member, room(at), Some("same")),
            Step::Event(at) => self.event_of_a_backend(room(at)),
            Step::Reset => self.reset(member),
            Step::Vanish => self.vanish(member),
            Step::Restart(away_ms) => self.restart(member, *away_ms),
            Step::Cut => self.cut(member),
            Step::Storm => {
                self.shared.lock().faults.note(Fault::Storm);
                (0..self.members.len()).for_each(|member| self.reset(member));
            }
            Step::Grow(at) => self.grow(&room(at)),
            Step::Restore(at, lost) => self.restore(&room(at), *lost),
            Step::Poison(at) => self.poison(&room(at)),
            Step::PoisonRecord => {
                self.shared.lock().faults.note(Fault::PoisonRecord);
                let now = self.now();
                self.feeds.poison_stream(now);
            }
        }
    }

    fn event_of_a_backend(&mut self, room: RoomId) {
        self.published += 1;
        let id = format!("event{}", self.published);
        let body = format!(r#"{{"room":"{room}","id":"{id}","data":{}}}"#, self.published);
        let twice = self.shared.lock().fires(Fault::ToldTwice, || id.clone());
        for _ in 0..1 + u64::from(twice) {
            self.feeds.loose(Loose::event(body.clone()), self.now());
        }
        self.events.push((room, id));
    }

    /// Somebody joins a full shard: the room is grown before anything else.
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

    fn restore(&mut self, room: &RoomId, lost: u64) {
        let epoch = domain::Epoch::from_random(self.order.bits());
        self.pipeline.store.restore(room, lost, epoch);
        self.shared.lock().faults.note(Fault::Restored);
        self.restored.insert(room.clone());
        // Whoever is in it learns of it with the next publication, or keep-alive.
        self.lost_silently = true;
    }

    fn heal(&mut self) {
        let within = if self.lost_silently { OWED_AFTER_KEEP_ALIVE } else { OWED_WITHIN };
        {
            let mut core = self.shared.lock();
            core.tell(|| "everything heals".to_owned());
            let redriven = core.faults.has(Fault::Redriven);
            core.faults.heal();
            let now = core.now;
            (core.throttled_until, core.forbidden_until) = (now, now);
            core.sockets.values_mut().for_each(|socket| socket.full_until = now);
            core.at(now.plus(within), Due::Owed);
            if redriven {
                core.faults.note(Fault::Redriven);
            }
            drop(core);
            self.redrive(1 + u32::from(redriven));
        }
        self.pipeline.store.set_lag(Lag::None);
        self.pipeline.store.set_empty_pages(false);
        self.feeds.heal();
    }

    /// What is owed must be there, and what is gone forgotten some time later.
    fn check_what_is_owed(&mut self) {
        let owed_checked = self.feeds.checked;
        if owed_checked {
            self.check_the_end();
            self.ended = true;
            return;
        }
        self.feeds.checked = true;
        self.check_told_ends();
        self.check_deliveries();
        self.shared.lock().after_ms(u64::try_from(GHOSTS_GONE.as_millis()).unwrap_or(u64::MAX), Due::Owed);
    }

    /// Whoever the gateway said was gone is not stored.
    fn check_told_ends(&self) {
        let stored = self.pipeline.store.connections();
        for ghost in stored.iter().filter(|one| self.said_gone.contains(&one.id)) {
            self.broke(Kind::GhostLeft, format!("{} is stored, and its end was told", ghost.id));
        }
        let calm = self.shared.lock().faults.is_calm();
        let is_in = |member: &&Member| member.is_up() && !member.wanted().is_empty();
        let told = self.members.iter().flat_map(Member::lives).any(|heard| heard.was_told_who_is_there());
        if calm && !told && self.members.iter().any(|member| is_in(&member)) {
            self.broke(Kind::WrongCount, "nobody was ever told who is there".to_owned());
        }
    }

    fn broke(&self, kind: Kind, what: String) {
        self.shared.lock().broke(kind, what);
    }

    fn check_deliveries(&self) {
        use domain::ports::Rooms;
        let store = &self.pipeline.store;
        let truths: BTreeMap<RoomId, Truth> = ROOMS
            .iter()
            .map(|name| samples::room(name))
            .map(|room| (room.clone(), Truth::of(store.publications(&room))))
            .collect();
        for (at, member) in self.members.iter().enumerate() {
            let name = format!("member {at} ({})", member.user);
            for heard in member.lives() {
                self.check_what_was_told(&name, heard, &truths);
                for (room, pid) in heard.accepted() {
                    let positions = truths.get(room).map_or(0, |truth| truth.positions(&member.user_id(), pid));
                    self.check_positions(positions, &format!("{pid:?} by {} in {room}, accepted,", member.user));
                }
            }
            if !member.is_up() {
                continue;
            }
            for (room, pid) in member.unanswered() {
                self.broke(Kind::Unanswered, format!("{name} has no answer for {pid:?} in {room}"));
            }
            for room in member.wanted() {
                let head = futures::executor::block_on(store.head(room)).ok().flatten();
                let head = head.map(|head| head.position());
                let heard = member.heard().position(room);
                if heard.is_none() || heard != head.as_ref() {
                    self.broke(Kind::Lost, format!("{name} has heard {room} through {heard:?}, it stands at {head:?}"));
                }
            }
        }
        for (room, id) in &self.events {
            let publications = store.publications(room);
            let positions = publications.iter().filter(|one| one.id.as_ref() == id).count() as u64;
            self.check_positions(positions, &format!("event {id} in {room}"));
        }
    }

    fn check_what_was_told(&self, name: &str, heard: &Heard, truths: &BTreeMap<RoomId, Truth>) {
        for message in heard.messages() {
            let differs = truths.get(&message.room).and_then(|truth| truth.differs(message));
            let restored = self.restored.contains(&message.room);
            if let Some(Broken { kind, what }) = differs.filter(|_| !restored) {
                self.broke(kind, format!("{name}: {what}"));
            }
        }
    }

    fn check_positions(&self, positions: u64, what: &str) {
        match positions {
            0 => self.broke(Kind::Lost, format!("{what} never got a position")),
            1 => {}
            more => self.broke(Kind::Duplicated, format!("{what} has {more} positions")),
        }
    }

    /// Nobody is stored who is gone, everybody who is there is, and counts are true.
    fn check_the_end(&mut self) {
        use domain::ports::Presences;
        let store = self.pipeline.store.clone();
        let stored: BTreeSet<ConnectionId> = store.connections().into_iter().map(|one| one.id).collect();
        let open: BTreeSet<ConnectionId> = {
            let core = self.shared.lock();
            let open = core.sockets.iter().filter(|(_, socket)| socket.open && socket.held && !socket.black_hole);
            open.map(|(id, _)| id.clone()).collect()
        };
        for ghost in stored.difference(&open) {
            self.broke(Kind::GhostLeft, format!("{ghost} is gone, and still stored"));
        }
        let memberships = store.memberships();
        for membership in &memberships {
            let connection = &membership.member.connection;
            if !open.contains(connection) {
                self.broke(Kind::GhostLeft, format!("{connection} is gone, and still a member of {}", membership.room));
            }
        }
        for name in ROOMS {
            let room = samples::room(name);
            let there = memberships.iter().filter(|one| one.room == room).count() as u64;
            let counted = futures::executor::block_on(store.presence(&room)).map(|presence| presence.members());
            if counted.as_ref().is_ok_and(|counted| *counted != there) {
                self.broke(Kind::WrongCount, format!("{room} has {there} members, and {counted:?} were counted"));
            }
            // What members are told of it is posted once: whom a fault kept from it is not told again.
            let calm = self.shared.lock().faults.is_calm();
            for (at, member) in self.members.iter().enumerate().filter(|(_, member)| calm && member.is_up()) {
                let told = member.heard().counts.get(&room);
                if member.wanted().contains(&room) && told.is_some_and(|told| *told != there) {
                    self.broke(Kind::WrongCount, format!("member {at} was told {told:?} of {room}, there are {there}"));
                }
            }
        }
    }

    fn reap(&mut self) {
        self.cut_off();
        let twice = self.shared.lock().fires(Fault::ReapersOverlap, || "reaper".to_owned());
        if self.shared.lock().faults.has(Fault::ReaperRaces) {
            self.shared.lock().faults.note(Fault::ReaperRaces);
        }
        for _ in 0..1 + u32::from(twice) {
            let task = self.executor.reserve();
            self.feeds.reaping(task);
            self.pipeline.reap(&mut self.executor, task);
        }
        let more_often = self.shared.lock().faults.has(Fault::ReaperRaces);
        self.shared.lock().after_ms(if more_often { REAPER_EVERY_MS / 4 } else { REAPER_EVERY_MS }, Due::Reap);
    }
}
