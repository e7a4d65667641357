//! Faults happen at the chosen calls, before or after their effect.

use domain::ports::{Appended, Chance, Clock, Error, Gateway, Jobs, Memberships, Rooms};
use domain::{Delivery, Job, Probe, Shard, Shards};
use futures::FutureExt;
use testkit::World;
use testkit::chance::Seeded;
use testkit::faults::{Call, Decide, Fault, Faulty, How, Operation, Plan, Sometimes};
use testkit::samples;

mod wrapped {
    use domain::{Generation, RoomId};
    use testkit::contracts::StoreFixture;
    use testkit::faults::{Call, Fault, Faulty};
    use testkit::{World, clock, contract_tests, memory};

    struct Wrapped {
        world: World,
        store: Faulty<memory::Store, fn(Call) -> Fault>,
    }

    impl StoreFixture for Wrapped {
        type Store = Faulty<memory::Store, fn(Call) -> Fault>;
        type Clock = clock::TurnedClock;

        fn store(&self) -> &Self::Store {
            &self.store
        }

        fn clock(&self) -> &Self::Clock {
            &self.world.clock
        }

        fn in_generation(&self, generation: Generation) -> Self::Store {
            self.world.store.set_generation(generation);
            self.store.clone()
        }

        async fn remove_head(&self, room: &RoomId) {
            self.world.store.restore_head(room, None);
        }
    }

    async fn passing() -> Wrapped {
        let world = World::new();
        let store = Faulty::new(world.store.clone(), (|_| Fault::Pass) as fn(Call) -> Fault);
        Wrapped { world, store }
    }

    contract_tests!(connections, passing);
    contract_tests!(memberships, passing);
    contract_tests!(entrances, passing);
    contract_tests!(rooms, passing);
    contract_tests!(rosters, passing);
    contract_tests!(presences, passing);
}

#[tokio::test]
async fn a_call_that_fails_before_its_effect_has_none() {
    let world = World::new();
    let room = samples::room("lobby");
    let plan = Plan::new().nth(Operation::Create, 1, Fault::Before(How::Unavailable));
    let rooms = Faulty::new(world.store.clone(), plan);
    let error = rooms.create(&room, &samples::epoch("a"), samples::NOW).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { operation: "faulty Rooms::Create", .. }), "{error}");
    assert_eq!(world.store.head(&room).await.unwrap(), None);
    assert_eq!(rooms.create(&room, &samples::epoch("b"), samples::NOW).await.unwrap().epoch, samples::epoch("b"));
    assert_eq!(rooms.calls(Operation::Create), 2);
}

#[tokio::test]
async fn a_call_that_fails_after_its_effect_has_it() {
    let world = World::new();
    let room = samples::room("lobby");
    let plan = Plan::new().nth(Operation::Append, 1, Fault::After(How::Throttled));
    let rooms = Faulty::new(world.store.clone(), plan);
    let head = rooms.create(&room, &samples::epoch("a"), samples::NOW).await.unwrap();
    let append = samples::append(&room, &head, &[samples::data("1")], samples::NOW);
    let error = rooms.append(&append).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }), "{error}");
    assert_eq!(rooms.head(&room).await.unwrap(), Some(append.head_after()));
    assert_eq!(rooms.append(&append).await.unwrap(), Appended::Stale);
}

#[tokio::test]
async fn a_call_that_fails_halfway_has_done_the_first_half_of_its_list() {
    let world = World::new();
    let range = samples::range(&samples::epoch("a"), 0, 1);
    let jobs = Job::for_shards(&samples::room("lobby"), &range, Shards::new(8));
    let plan = Plan::new().nth(Operation::Dispatch, 1, Fault::Halfway(How::Unavailable));
    let queues = Faulty::new(world.queues.clone(), plan);
    assert!(queues.dispatch(&jobs).await.is_err());
    assert_eq!(world.queues.deliveries.bodies(), jobs[..4]);
    queues.dispatch(&jobs).await.unwrap();
    assert_eq!(world.queues.deliveries.bodies(), jobs);
}

#[tokio::test]
async fn a_call_without_an_answer_hangs_with_or_without_its_effect() {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    for (number, fault) in [(1, Fault::Before(How::NoAnswer)), (2, Fault::After(How::NoAnswer))] {
        let room = samples::room(&format!("room{number}"));
        let membership = samples::membership(&connection, &room, Shard::FIRST);
        let store = Faulty::new(world.store.clone(), Plan::new().always(Operation::Join, fault));
        assert!(store.join(std::slice::from_ref(&membership)).now_or_never().is_none());
        let joined = world.store.membership(&connection.id, &room).is_some();
        assert_eq!(joined, fault == Fault::After(How::NoAnswer));
    }
}

#[tokio::test]
async fn a_post_fails_as_a_delivery() {
    let world = World::new();
    let peer = world.connect("c1", "ada").await;
    let plan = Plan::new()
        .nth(Operation::Post, 1, Fault::Before(How::Unavailable))
        .nth(Operation::Post, 2, Fault::After(How::Unavailable))
        .nth(Operation::Post, 3, Fault::Before(How::Throttled))
        .always(Operation::Probe, Fault::Before(How::Throttled));
    let gateway = Faulty::new(world.gateway.clone(), plan);
    let mut deliveries = Vec::new();
    for frame in ["1", "2", "3", "4"] {
        deliveries.push(gateway.post(&peer.endpoint, &peer.id, frame.into()).await);
    }
    let expected = [Delivery::Failed, Delivery::Failed, Delivery::Throttled, Delivery::Delivered];
    assert_eq!(deliveries, expected);
    assert_eq!(world.heard(&peer.id), ["2", "4"]);
    assert_eq!(gateway.probe(&peer.endpoint, &peer.id).await.unwrap(), Probe::Throttled);
}

#[test]
fn a_seed_fails_the_same_calls_in_every_run_and_no_more_than_asked_for() {
    let run = |seed| {
        let sometimes = Sometimes::new(Seeded::new(seed), 0.1);
        let call = |number| sometimes.decide(Call { operation: Operation::Append, number });
        (1..=1_000).map(call).collect::<Vec<Fault>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    let failed = run(7).into_iter().filter(|fault| *fault != Fault::Pass).count();
    assert!((60..140).contains(&failed), "{failed} of 1,000 calls failed");
}

#[tokio::test]
async fn time_and_chance_never_fail() {
    let world = World::new();
    let always = |_| Fault::Before(How::Refused);
    let (clock, chance) = (Faulty::new(world.clock.clone(), always), Faulty::new(Seeded::new(1), always));
    clock.sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(clock.now(), world.clock.now());
    assert_eq!(chance.bits(), Seeded::new(1).bits());
}
