//! All members together: their actions while faults are injected, and the conditions that must hold
//! afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use domain::{PublicationId, RoomId};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::dice::Dice;
use super::ledger::{Finding, Session};
use super::member::{Accepted, Ask, Member, Published, locked};
use super::proxy::{Cut, Proxy};
use super::report::Report;
use super::world::World;
use super::{Plan, Truth};

/// One member in this number is behind a proxy whose connections can be cut.
const BEHIND_A_WIRE: usize = 4;
/// Members that start at the same time.
const AT_ONCE: usize = 20;
/// Time after which publishing ends even if too few pairs were received.
const PATIENCE: Duration = Duration::from_secs(60);
/// Additional time for each planned pair, in milliseconds.
const PATIENCE_MS_A_PAIR: u64 = 2;
/// Publications between two counts of the pairs.
const COUNTED_EVERY: u64 = 16;
/// Publications that a stay in a room may lack on average before publishing pauses. Without a
/// pause, a machine that other programs keep busy falls behind by more than a resume replays.
const LACKING_AT_MOST: u64 = 100;
/// Interval of checks for a condition.
const LOOK: Duration = Duration::from_millis(500);
/// Time for counts to become correct. The promise is 10 s after the last change.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// The members, and the results of their publications.
pub(super) struct Turmoil {
    plan: Plan,
    pub(super) rooms: Vec<RoomId>,
    members: Vec<Member>,
    wires: Vec<Proxy>,
    published: Arc<Published>,
}

impl Turmoil {
    /// Starts the members.
    pub(super) async fn begin(plan: &Plan, world: &World) -> Self {
        let rooms: Vec<RoomId> = (0..plan.rooms).map(|n| RoomId::parse(format!("room{n}")).unwrap()).collect();
        let published = Arc::new(Published::default());
        let mut dice = Dice::new(plan.seed);
        let (mut members, mut wires) = (Vec::new(), Vec::new());
        for n in 0..plan.members {
            let mut url = world.url.clone();
            if n % BEHIND_A_WIRE == 0 {
                let wire = Proxy::start(world.gateway()).await;
                url = url.replace(&world.gateway().to_string(), &wire.address.to_string());
                wires.push(wire);
            }
            let mut own = BTreeSet::new();
            while own.len() < plan.rooms_of_a_member.min(plan.rooms) {
                own.insert(rooms[dice.below(rooms.len())].clone());
            }
            let name = format!("m{n}");
            members
                .push(Member::start(&url, &name, dice.next(), own.into_iter().collect(), Arc::clone(&published)).await);
            if n % AT_ONCE == 0 {
                sleep(Duration::from_millis(100)).await;
            }
        }
        Self { plan: plan.clone(), rooms, members, wires, published }
    }

    /// Publishes until the planned number of pairs is reached, while members join and leave.
    pub(super) async fn publish_and_change(&self) {
        let changing = self.change();
        tokio::select! {
            () = self.publish() => {}
            () = changing => {}
        }
    }

    async fn publish(&self) {
        let mut dice = Dice::new(!self.plan.seed);
        let mut ticks = interval(Duration::from_secs_f64(1.0 / self.plan.publications_per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let patience = PATIENCE + Duration::from_millis(self.plan.pairs * PATIENCE_MS_A_PAIR);
        let begun = Instant::now();
        for n in 0_u64.. {
            ticks.tick().await;
            if n % COUNTED_EVERY == 0 {
                if self.heard() >= self.plan.pairs {
                    return;
                }
                while self.is_far_behind() && begun.elapsed() <= patience {
                    sleep(LOOK).await;
                    ticks.reset();
                }
            }
            if begun.elapsed() > patience {
                return;
            }
            let pid = PublicationId::parse(format!("p{n}")).unwrap();
            self.members[dice.below(self.members.len())].ask(Ask::Publish(dice.below(64), pid));
        }
    }

    /// Returns the number of pairs of a publication and a member that received it.
    fn heard(&self) -> u64 {
        let heard =
            |member: &Member| member.ledger().sessions.iter().map(|session| session.heard.len() as u64).sum::<u64>();
        self.members.iter().map(heard).sum()
    }

    /// Returns whether members lack many publications that others have received.
    fn is_far_behind(&self) -> bool {
        let (mut heads, mut stays) = (BTreeMap::<RoomId, u64>::new(), Vec::new());
        for member in &self.members {
            for session in member.ledger().all_open() {
                let Some(position) = session.position() else { continue };
                let sequence = position.sequence.get();
                let head = heads.entry(session.room.clone()).or_default();
                *head = sequence.max(*head);
                stays.push((session.room.clone(), sequence));
            }
        }
        let lacking: u64 = stays.iter().map(|(room, sequence)| heads[room] - sequence).sum();
        lacking > LACKING_AT_MOST * stays.len() as u64
    }

    /// Changes members without an end.
    async fn change(&self) {
        let mut dice = Dice::new(self.plan.seed.rotate_left(32));
        let mut ticks = interval(Duration::from_secs_f64(1.0 / self.plan.changes_per_second));
        loop {
            ticks.tick().await;
            let member = &self.members[dice.below(self.members.len())];
            match dice.below(10) {
                0..4 => member.ask(Ask::Toggle(self.rooms[dice.below(self.rooms.len())].clone())),
                4..6 => member.ask(Ask::Restart),
                cut => {
                    let how = if cut < 8 { Cut::Both } else { Cut::Vanish };
                    if !self.wires.is_empty() {
                        self.wires[dice.below(self.wires.len())].cut(how);
                    }
                }
            }
        }
    }

    /// Waits until every publication is answered, every queue is empty, and every member has
    /// reached the positions of its rooms.
    pub(super) async fn drain(&self, world: &World, within: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < within {
            sleep(LOOK).await;
            if self.published.waiting.load(Ordering::SeqCst) == 0 && world.is_quiet() && self.behind(world).await == 0 {
                return true;
            }
        }
        false
    }

    /// Returns the number of stays that have not received everything yet.
    pub(super) async fn behind(&self, world: &World) -> usize {
        let heads = world.heads(&self.rooms).await;
        let is_behind = |session: &&Session| {
            let head = heads.get(&session.room).copied().unwrap_or(0);
            session.leaving || session.position().is_none_or(|at| at.sequence.get() < head)
        };
        self.members.iter().map(|member| member.ledger().all_open().filter(is_behind).count()).sum()
    }

    /// Returns the number of members of each room.
    pub(super) fn expected_counts(&self) -> BTreeMap<RoomId, u64> {
        let mut counts = BTreeMap::new();
        for member in &self.members {
            for session in member.ledger().all_open() {
                *counts.entry(session.room.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Requests the number of members of each room from the server until all numbers are correct.
    pub(super) async fn counts_are_true(&self, world: &World) -> Vec<Finding> {
        let (begun, expected) = (Instant::now(), self.expected_counts());
        loop {
            let mut wrong = Vec::new();
            for (room, members) in &expected {
                let counted = self.counted(room).await;
                if counted != Some(*members) {
                    wrong.push(Finding(format!("{room} has {members} members, and the server counts {counted:?}")));
                }
            }
            wrong.extend(world.wrong_memberships(&expected).await);
            if wrong.is_empty() || begun.elapsed() > COUNTED_WITHIN {
                return wrong;
            }
            sleep(LOOK).await;
        }
    }

    async fn counted(&self, room: &RoomId) -> Option<u64> {
        let is_in = |member: &&Member| member.ledger().open(room).is_some();
        let member = self.members.iter().find(is_in)?;
        let (told, counted) = oneshot::channel();
        member.ask(Ask::Count(room.clone(), told));
        counted.await.ok().flatten()
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// Compares the publications that all members received with the log.
    pub(super) async fn report(
        &self,
        plan: &Plan,
        world: &World,
        mut findings: Vec<Finding>,
        took: Duration,
    ) -> Report {
        let truth = world.truth(&self.rooms).await;
        let mut pairs = 0;
        for member in &self.members {
            let (owed, wrong) = member.ledger().check(&truth);
            pairs += owed;
            findings.extend(wrong);
        }
        findings.extend(self.wrong_log(&truth));
        findings.extend(world.dead_letters());
        if pairs < plan.pairs {
            findings.push(Finding(format!("there were {pairs} pairs, and {} were to be", plan.pairs)));
        }
        Report {
            pairs,
            publications: truth.values().map(Vec::len).sum(),
            accepted: locked(&self.published.accepted).len(),
            unknown: self.published.unknown.load(Ordering::SeqCst),
            members: self.members.len(),
            rooms: self.rooms.len(),
            seed: plan.seed,
            faults: world.stack.faults().counts(),
            not_fired: not_fired(plan, world),
            findings,
            took,
        }
    }

    /// Checks that each accepted publication is in the log once, and after the publisher's position
    /// at that time.
    fn wrong_log(&self, truth: &Truth) -> Vec<Finding> {
        let mut findings: Vec<Finding> = locked(&self.published.rejected).iter().cloned().map(Finding).collect();
        let waiting = self.published.waiting.load(Ordering::SeqCst);
        if waiting > 0 {
            findings.push(Finding(format!("{waiting} publications have no answer")));
        }
        let mut places: BTreeMap<(&RoomId, &PublicationId), Vec<usize>> = BTreeMap::new();
        for (room, log) in truth {
            for (place, pid) in log.iter().enumerate() {
                places.entry((room, pid)).or_default().push(place + 1);
            }
        }
        for ((room, pid), at) in places.iter().filter(|(_, at)| at.len() > 1) {
            findings.push(Finding(format!("{pid} stands in the log of {room} {} times: at {at:?}", at.len())));
        }
        for Accepted { room, pid, after } in locked(&self.published.accepted).iter() {
            let at = places.get(&(room, pid)).map(|at| at[0] as u64);
            let wrong = match (at, after) {
                (None, _) => format!("{pid} was accepted, and is not in the log of {room}"),
                (Some(at), Some(after)) if at <= after.get() => {
                    format!(
                        "{pid} is at position {at} in {room}, but its publisher had already received position {}",
                        after.get()
                    )
                }
                (Some(_), _) => continue,
            };
            findings.push(Finding(wrong));
        }
        findings
    }

    /// Disconnects the members.
    pub(super) async fn end(self) {
        drop(self.members);
        drop(self.wires);
    }
}

/// Returns the planned faults that never happened.
fn not_fired(plan: &Plan, world: &World) -> Vec<&'static str> {
    let set = plan.faults.settings().map(|(fault, _)| fault);
    set.filter(|fault| world.stack.faults().count(*fault).fired == 0).map(|fault| fault.number()).collect()
}
