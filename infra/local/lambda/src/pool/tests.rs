//! Tests the rules one by one, and the invariants over any sequence of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const KEEP_IDLE: Duration = Duration::from_secs(60);

fn pool(concurrency: u32) -> Pool {
    Pool::new(Rules { concurrency, fresh: false, keep_idle: KEEP_IDLE })
}

fn process(number: u64) -> ProcessId {
    ProcessId(number)
}

fn invoked(number: u64) -> Event {
    Event::Invoked(InvocationId(number))
}

fn give(process: u64, invocation: u64) -> Action {
    Action::Give(ProcessId(process), InvocationId(invocation))
}

/// Passes `events` to the pool and returns the actions of the last one.
fn after(pool: &mut Pool, events: &[Event]) -> Vec<Action> {
    let now = Instant::now();
    events.iter().map(|event| pool.on(*event, now)).last().unwrap_or_default()
}

#[test]
fn the_first_invocation_starts_a_process_and_gets_it_when_it_asks() {
    let mut pool = pool(1);
    assert_eq!(after(&mut pool, &[invoked(1)]), [Action::Start(process(1))]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(1))]), [give(1, 1)]);
}

#[test]
fn an_idle_process_is_used_again_and_the_one_used_last_comes_first() {
    let mut pool = pool(2);
    after(&mut pool, &[invoked(1), invoked(2), Event::Asked(process(1)), Event::Asked(process(2))]);
    for number in [2, 1] {
        after(&mut pool, &[Event::Answered(process(number)), Event::Asked(process(number))]);
    }
    assert_eq!(after(&mut pool, &[invoked(3)]), [give(1, 3)]);
}

#[test]
fn beyond_the_concurrency_an_invocation_is_throttled_at_once() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1))]);
    assert_eq!(after(&mut pool, &[invoked(2)]), [Action::Throttle(InvocationId(2))]);
}

#[test]
fn a_function_without_concurrency_is_off() {
    assert_eq!(after(&mut pool(0), &[invoked(1)]), [Action::Throttle(InvocationId(1))]);
}

#[test]
fn a_process_that_answered_and_is_not_back_yet_is_waited_for() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1)), Event::Answered(process(1))]);
    assert_eq!(after(&mut pool, &[invoked(2)]), []);
    assert_eq!(after(&mut pool, &[invoked(3)]), [Action::Throttle(InvocationId(3))]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(1))]), [give(1, 2)]);
}

#[test]
fn a_waiting_invocation_takes_whichever_process_is_free_first() {
    let mut pool = pool(2);
    after(&mut pool, &[invoked(1), Event::Asked(process(1)), invoked(2)]);
    after(&mut pool, &[Event::Answered(process(1))]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(1))]), [give(1, 2)]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(2)), invoked(3)]), [give(2, 3)]);
}

#[test]
fn a_process_that_dies_takes_its_invocation_with_it_and_is_replaced_for_the_next() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1))]);
    let died = Event::Exited { process: process(1), received: true };
    assert_eq!(after(&mut pool, &[died]), [Action::Fail(InvocationId(1), Cause::Exited(process(1)))]);
    assert_eq!(after(&mut pool, &[invoked(2)]), [Action::Start(process(2))]);
}

#[test]
fn an_invocation_that_never_reached_its_process_goes_to_another() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1))]);
    let died = Event::Exited { process: process(1), received: false };
    assert_eq!(after(&mut pool, &[died]), [Action::Start(process(2))]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(2))]), [give(2, 1)]);
}

#[test]
fn a_process_that_cannot_start_fails_one_waiting_invocation() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1)]);
    let expected = [Action::Kill(process(1)), Action::Fail(InvocationId(1), Cause::NotStarted(process(1)))];
    assert_eq!(after(&mut pool, &[Event::CannotStart(process(1))]), expected);
}

#[test]
fn a_timeout_kills_the_process_and_the_next_invocation_starts_cold() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1))]);
    let expected = [Action::Kill(process(1)), Action::Fail(InvocationId(1), Cause::TimedOut)];
    assert_eq!(after(&mut pool, &[Event::TimedOut(process(1))]), expected);
    assert_eq!(after(&mut pool, &[invoked(2)]), [Action::Start(process(2))]);
}

#[test]
fn in_fresh_mode_a_process_is_killed_when_its_answer_is_in() {
    let mut pool = Pool::new(Rules { concurrency: 1, fresh: true, keep_idle: KEEP_IDLE });
    after(&mut pool, &[invoked(1), Event::Asked(process(1))]);
    assert_eq!(after(&mut pool, &[Event::Answered(process(1))]), [Action::Kill(process(1))]);
    assert_eq!(after(&mut pool, &[invoked(2)]), [Action::Start(process(2))]);
}

#[test]
fn a_process_is_stopped_when_it_was_idle_for_too_long() {
    let mut pool = pool(1);
    let start = Instant::now();
    pool.on(Event::WarmUp, start);
    pool.on(Event::Asked(process(1)), start);
    assert_eq!(pool.on(Event::Tick, start + KEEP_IDLE / 2), []);
    assert_eq!(pool.on(Event::Tick, start + KEEP_IDLE), [Action::Stop(process(1))]);
}

#[test]
fn draining_refuses_new_work_stops_idle_processes_and_lets_running_ones_finish() {
    let mut pool = pool(2);
    after(&mut pool, &[invoked(1), invoked(2), Event::Asked(process(1)), Event::Asked(process(2))]);
    after(&mut pool, &[Event::Answered(process(1)), Event::Asked(process(1))]);
    assert_eq!(after(&mut pool, &[Event::Drain]), [Action::Stop(process(1))]);
    assert_eq!(after(&mut pool, &[invoked(3)]), [Action::Fail(InvocationId(3), Cause::Stopping)]);
    after(&mut pool, &[Event::Answered(process(2))]);
    assert_eq!(after(&mut pool, &[Event::Asked(process(2))]), [Action::Stop(process(2))]);
}

#[test]
fn the_victim_is_a_process_that_runs_something() {
    let mut pool = pool(3);
    after(&mut pool, &[invoked(1), invoked(2), Event::Asked(process(1)), Event::Asked(process(2))]);
    after(&mut pool, &[Event::Answered(process(1)), Event::Asked(process(1))]);
    assert_eq!(pool.victim(), Some(process(2)));
}

#[test]
fn a_process_that_was_killed_and_answered_all_the_same_receives_nothing_more() {
    let mut pool = pool(1);
    after(&mut pool, &[invoked(1), Event::Asked(process(1)), Event::Doomed(process(1))]);
    assert_eq!(after(&mut pool, &[Event::Answered(process(1)), Event::Asked(process(1))]), []);
    assert_eq!(after(&mut pool, &[invoked(2)]), [Action::Start(process(2))]);
    assert_eq!(after(&mut pool, &[Event::Exited { process: process(1), received: true }]), []);
}

/// Generates a random event. Numbers are taken modulo the existing ids.
fn any_event() -> impl Strategy<Value = (u8, u64)> {
    (0..10u8, 0..6u64)
}

proptest! {
    #[test]
    fn every_invocation_ends_once_and_no_process_has_two(
        concurrency in 0..4u32, fresh: bool, steps in prop::collection::vec(any_event(), 1..120),
    ) {
        let mut pool = Pool::new(Rules { concurrency, fresh, keep_idle: KEEP_IDLE });
        let mut world = World::default();
        for (kind, number) in steps {
            if let Some(event) = world.event(kind, number) {
                let actions = pool.on(event, Instant::now());
                world.check(&actions);
                prop_assert!(pool.waiting.len() <= pool.soon_free());
                prop_assert!(pool.count(|phase| *phase != Phase::Leaving) <= concurrency as usize);
            }
        }
        world.check(&pool.on(Event::Abort, Instant::now()));
        prop_assert!(world.open.is_empty(), "an invocation was forgotten: {:?}", world.open);
    }
}

/// A model of valid processes: only running processes answer, and only living ones exit.
#[derive(Default)]
struct World {
    invocations: u64,
    open: BTreeSet<InvocationId>,
    alive: BTreeMap<ProcessId, Option<InvocationId>>,
}

impl World {
    fn event(&mut self, kind: u8, number: u64) -> Option<Event> {
        let alive: Vec<ProcessId> = self.alive.keys().copied().collect();
        let process = alive.get(usize::try_from(number).unwrap() % alive.len().max(1)).copied();
        Some(match kind {
            0..=2 => {
                self.invocations += 1;
                self.open.insert(InvocationId(self.invocations));
                Event::Invoked(InvocationId(self.invocations))
            }
            3 | 4 => Event::Asked(process.filter(|process| self.alive[process].is_none())?),
            5 | 6 => {
                let process = process.filter(|process| self.alive[process].is_some())?;
                let invocation = self.alive.insert(process, None).flatten();
                self.open.remove(&invocation.unwrap());
                Event::Answered(process)
            }
            7 => Event::TimedOut(process?),
            8 => {
                let process = process?;
                self.alive.remove(&process);
                Event::Exited { process, received: number.is_multiple_of(2) }
            }
            _ => [Event::WarmUp, Event::Doomed(process?), Event::CannotStart(process?), Event::Drain]
                [usize::try_from(number % 4).unwrap()],
        })
    }

    fn check(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Start(process) => assert!(self.alive.insert(*process, None).is_none()),
                Action::Give(process, invocation) => {
                    assert!(self.open.contains(invocation), "{invocation:?} is over already");
                    let before = self.alive.insert(*process, Some(*invocation));
                    assert_eq!(before, Some(None), "{process:?} is gone or busy");
                }
                Action::Throttle(invocation) | Action::Fail(invocation, _) => {
                    assert!(self.open.remove(invocation), "{invocation:?} ended twice");
                }
                Action::Kill(process) | Action::Stop(process) => {
                    self.alive.insert(*process, None);
                }
            }
        }
    }
}
