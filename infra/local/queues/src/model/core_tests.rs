//! Tests a queue with a manual clock, and compares a FIFO queue with a simple model.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::model::draft::Draft;

/// A clock that moves only when a test advances it.
#[derive(Clone, Copy)]
struct Hands {
    start: Instant,
    now_ms: u64,
}

impl Hands {
    fn new() -> Self {
        Self { start: Instant::now(), now_ms: 0 }
    }

    fn now(self) -> Moment {
        Moment { instant: self.start + Duration::from_millis(self.now_ms), epoch_ms: 1_000_000 + self.now_ms }
    }
}

fn send(core: &mut Core, now: Moment, group: Option<&str>, body: &str) {
    let deduplication_id = group.map(|_| body.to_owned());
    let draft = Draft { body: body.to_owned(), group: group.map(str::to_owned), deduplication_id, ..Draft::default() };
    draft.check().and_then(|checked| checked.send(core, now)).unwrap();
}

fn receive(core: &mut Core, now: Moment, most: usize, visibility_s: u64) -> Vec<(Message, Receipt)> {
    core.advance(now.instant);
    let until = now.instant + Duration::from_secs(visibility_s);
    core.receive(most, until, now, None).unwrap().deliveries
}

fn bodies(deliveries: &[(Message, Receipt)]) -> Vec<&str> {
    deliveries.iter().map(|(message, _)| message.body.as_str()).collect()
}

#[test]
fn a_message_is_visible_again_when_its_timeout_ends_and_not_before() {
    let (mut core, mut hands) = (Core::new("work", QueueAttributes::new(false)), Hands::new());
    send(&mut core, hands.now(), None, "body");
    assert_eq!(receive(&mut core, hands.now(), 10, 30).len(), 1);
    assert_eq!(core.next_due(), Some(hands.now().instant + Duration::from_secs(30)));
    hands.now_ms = 29_999;
    assert!(receive(&mut core, hands.now(), 10, 30).is_empty());
    hands.now_ms = 30_000;
    let again = receive(&mut core, hands.now(), 10, 30);
    assert_eq!((again[0].0.receive_count, again[0].0.first_received_ms), (2, Some(1_000_000)));
}

#[test]
fn an_extended_timeout_outlives_the_one_it_replaced() {
    let (mut core, mut hands) = (Core::new("work.fifo", QueueAttributes::new(true)), Hands::new());
    send(&mut core, hands.now(), Some("a"), "body");
    let received = receive(&mut core, hands.now(), 10, 30);
    let until = hands.now().instant + Duration::from_secs(60);
    core.change_visibility(received[0].1, "", until, hands.now().instant).unwrap();
    hands.now_ms = 59_999;
    assert!(receive(&mut core, hands.now(), 10, 30).is_empty());
    assert_eq!(core.counts(), Counts { visible: 0, in_flight: 1, delayed: 0 });
    hands.now_ms = 60_000;
    assert_eq!(bodies(&receive(&mut core, hands.now(), 10, 30)), ["body"]);
}

#[test]
fn a_message_older_than_the_queue_retains_is_never_seen() {
    let (mut core, mut hands) = (Core::new("work", QueueAttributes::new(false)), Hands::new());
    core.attributes.set("MessageRetentionPeriod", "60").unwrap();
    send(&mut core, hands.now(), None, "old");
    hands.now_ms = 30_000;
    send(&mut core, hands.now(), None, "new");
    hands.now_ms = 60_000;
    assert_eq!(bodies(&receive(&mut core, hands.now(), 10, 30)), ["new"]);
    assert_eq!((core.counters.expired, core.entries.len()), (1, 1));
}

#[test]
fn a_message_received_with_no_timeout_comes_once_per_receive() {
    let (mut core, hands) = (Core::new("work", QueueAttributes::new(false)), Hands::new());
    send(&mut core, hands.now(), None, "body");
    assert_eq!(receive(&mut core, hands.now(), 10, 0).len(), 1);
    assert_eq!(receive(&mut core, hands.now(), 10, 0).len(), 1);
}

#[test]
fn a_deduplication_id_is_free_again_after_five_minutes() {
    let (mut core, mut hands) = (Core::new("work.fifo", QueueAttributes::new(true)), Hands::new());
    send(&mut core, hands.now(), Some("a"), "body");
    hands.now_ms = 299_999;
    send(&mut core, hands.now(), Some("a"), "body");
    assert_eq!(core.entries.len(), 1);
    hands.now_ms = 300_000;
    send(&mut core, hands.now(), Some("a"), "body");
    assert_eq!(core.entries.len(), 2);
}

#[test]
fn too_many_in_flight_is_an_error_of_a_standard_queue_and_nothing_from_a_fifo_queue() {
    for is_fifo in [false, true] {
        let (mut core, hands) = (Core::new("work", QueueAttributes::new(is_fifo)), Hands::new());
        let group = is_fifo.then_some("a");
        send(&mut core, hands.now(), group, "body");
        core.in_flight = limits::IN_FLIGHT;
        let received = core.receive(1, hands.now().instant, hands.now(), None);
        match received {
            Ok(received) => assert!(is_fifo && received.deliveries.is_empty()),
            Err(error) => assert!(!is_fifo && error.shape == "OverLimit"),
        }
    }
}

/// One step of a random test. Indices select one of the messages in flight.
#[derive(Debug, Clone)]
enum Step {
    Send { group: u8 },
    Receive { most: usize, visibility_s: u64 },
    Delete { which: usize },
    GiveBack { which: usize },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8).prop_map(|group| Step::Send { group }),
        3 => (1..=10usize, 1..5u64).prop_map(|(most, visibility_s)| Step::Receive { most, visibility_s }),
        4 => any::<usize>().prop_map(|which| Step::Delete { which }),
        1 => any::<usize>().prop_map(|which| Step::GiveBack { which }),
        1 => (1..3000u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A simple FIFO queue that scans all messages each time. It maps message numbers to their group
/// and the time at which they become visible.
#[derive(Debug, Default)]
struct Model {
    messages: BTreeMap<usize, (u8, Option<u64>)>,
    sent: usize,
}

impl Model {
    fn advance(&mut self, now_ms: u64) {
        for (_, hidden_until) in self.messages.values_mut() {
            *hidden_until = hidden_until.filter(|until| *until > now_ms);
        }
    }

    fn is_locked(&self, group: u8) -> bool {
        self.messages.values().any(|(of, hidden)| *of == group && hidden.is_some())
    }

    /// Returns the messages of a group that may be received, in order.
    fn readable(&self, group: u8) -> Vec<usize> {
        let of_group = self.messages.iter().filter(|(_, (of, _))| *of == group && !self.is_locked(group));
        of_group.map(|(number, _)| *number).collect()
    }

    /// Checks the result of a receive, and hides its messages.
    fn receive(&mut self, got: &[usize], most: usize, until_ms: u64) -> Result<(), TestCaseError> {
        let readable: Vec<Vec<usize>> = (0..4).map(|group| self.readable(group)).collect();
        let total: usize = readable.iter().map(Vec::len).sum();
        prop_assert_eq!(got.len(), total.min(most), "a receive brings as much as it can");
        for group in 0..4u8 {
            let of_group: Vec<usize> = got.iter().copied().filter(|number| self.messages[number].0 == group).collect();
            prop_assert!(readable[usize::from(group)].starts_with(&of_group), "a group is read from its start");
        }
        let groups = got.iter().map(|number| self.messages[number].0).collect::<Vec<_>>();
        let mut runs = groups.clone();
        runs.dedup();
        let distinct: std::collections::BTreeSet<_> = groups.iter().collect();
        prop_assert_eq!(runs.len(), distinct.len(), "a group comes in one piece");
        for number in got {
            if let Some((_, hidden)) = self.messages.get_mut(number) {
                *hidden = Some(until_ms);
            }
        }
        Ok(())
    }
}

struct Run {
    core: Core,
    model: Model,
    hands: Hands,
    receipts: Vec<(usize, Receipt)>,
}

impl Run {
    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.hands.now();
        self.core.advance(now.instant);
        self.model.advance(self.hands.now_ms);
        match *step {
            Step::Send { group } => {
                send(&mut self.core, now, Some(&group.to_string()), &self.model.sent.to_string());
                self.model.messages.insert(self.model.sent, (group, None));
                self.model.sent += 1;
            }
            Step::Receive { most, visibility_s } => {
                let received = receive(&mut self.core, now, most, visibility_s);
                let got = received.iter().map(|(message, receipt)| (message.body.parse().unwrap(), *receipt));
                let got: Vec<(usize, Receipt)> = got.collect();
                let numbers: Vec<usize> = got.iter().map(|(number, _)| *number).collect();
                self.model.receive(&numbers, most, self.hands.now_ms + visibility_s * 1000)?;
                self.receipts.extend(got);
            }
            Step::Delete { which } => {
                let Some((number, receipt)) = self.take_receipt(which) else { return Ok(()) };
                let deleted = self.core.delete(receipt, "").is_ok();
                let is_newest =
                    self.receipts.iter().all(|(other, later)| *other != number || later.receive < receipt.receive);
                let expected = match self.model.messages.get(&number) {
                    Some((_, hidden)) => hidden.is_some() && is_newest,
                    None => true,
                };
                prop_assert_eq!(deleted, expected, "only the newest handle of a message in flight deletes it");
                if deleted {
                    self.model.messages.remove(&number);
                }
            }
            Step::GiveBack { which } => {
                let Some((number, receipt)) = self.take_receipt(which) else { return Ok(()) };
                if self.core.change_visibility(receipt, "", now.instant, now.instant).is_ok()
                    && let Some((_, hidden)) = self.model.messages.get_mut(&number)
                {
                    prop_assert!(hidden.take().is_some(), "only what is in flight is given back");
                }
            }
            Step::Wait { ms } => self.hands.now_ms += ms,
        }
        self.compare()
    }

    fn take_receipt(&mut self, which: usize) -> Option<(usize, Receipt)> {
        (!self.receipts.is_empty()).then(|| self.receipts.swap_remove(which % self.receipts.len()))
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        self.core.advance(self.hands.now().instant);
        self.model.advance(self.hands.now_ms);
        let in_flight = self.model.messages.values().filter(|(_, hidden)| hidden.is_some()).count();
        let visible = self.model.messages.len() - in_flight;
        prop_assert_eq!(self.core.counts(), Counts { visible, in_flight, delayed: 0 });
        let is_readable = (0..4).any(|group| !self.model.readable(group).is_empty());
        prop_assert_eq!(self.core.has_visible(), is_readable, "the bell is rung if and only if there is something");
        let due_ms = self.model.messages.values().filter_map(|(_, hidden)| *hidden).min();
        let due = due_ms.map(|due_ms| self.hands.start + Duration::from_millis(due_ms));
        prop_assert_eq!(self.core.next_due(), due, "the next timer is that of the first message to show");
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_fifo_queue_does_what_the_naive_model_does(steps in vec(step(), 1..200)) {
        let core = Core::new("work.fifo", QueueAttributes::new(true));
        let mut run = Run { core, model: Model::default(), hands: Hands::new(), receipts: Vec::new() };
        for step in &steps {
            run.step(step)?;
        }
    }
}
