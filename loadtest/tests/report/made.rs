//! Results of runs that were never carried out.

use loadtest::cost::{Cost, Part};
use loadtest::counters::Usage;
use loadtest::measure::FaultMark;
use loadtest::report::{Report, collect};
use loadtest::run::Ended;
use loadtest::run::census::Census;
use loadtest::run::world::World;
use loadtest::scenario::parse;
use loadtest::wire::target::Target;

const SECOND: i64 = 1_000_000;

/// A run of two members and 1,000 publications that was never carried out. If `fails`, the second
/// member lost the last publication.
pub(crate) fn report(fails: bool) -> Report {
    run(20, fails, |n| 10_000 + (n as i64 % 97) * 1_000)
}

/// A run of two members and 50 publications a second that was never carried out. Each publication
/// takes `latency` microseconds. If `fails`, the second member lost the last publication.
pub(crate) fn run(seconds: i64, fails: bool, latency: impl Fn(usize) -> i64) -> Report {
    let text = format!(
        "name = \"x\"\nabout = \"A <test> & no more.\"\n[[rooms]]\nmembers = 2\nrate = 50\n[[phases]]\nname = \"s\"\nseconds = {seconds}\n[thresholds]\neach_p99_ms = 150"
    );
    let publications = usize::try_from(seconds * 50).unwrap();
    let target = Target::parse("ws://127.0.0.1:1/local?token=secret", None).unwrap();
    let world = World::new(target, parse(&text, "x").unwrap(), "r", "load", loadtest::member::Patience::default());
    for member in 0..2 {
        world.room(0).join(member, "e", 0, 0);
        loadtest::run::world::add(&world.counts.joined, 1);
    }
    for n in 0..publications {
        let at = n as i64 * SECOND / 50;
        let number = world.room(0).publish(at, at, true);
        world.room(0).accept(number, at + 5_000);
        for member in 0..if fails && n + 1 == publications { 1 } else { 2 } {
            let now = at + latency(n);
            let heard = loadtest::ledger::Heard {
                number,
                at: n as u64 + 1,
                how: loadtest::ledger::How::Live,
                now,
                timed: true,
            };
            let latency = world.room(0).hear(member, heard).unwrap();
            world.recorder().deliver(now, latency);
            world.recorder().count(now, 1);
        }
    }
    let ended = Ended {
        phases: (0, seconds * SECOND),
        drained: (seconds + 1) * SECOND,
        interrupted: false,
        census: Census::default(),
    };
    collect(&world, &ended, Usage::unknown("no counter"), Cost::default())
}

/// A run with every kind of number that the page can show.
pub(crate) fn full() -> Report {
    let mut report = report(false);
    report.usage = Usage {
        counted_by: "a test".to_owned(),
        posts: Some(2_100.0),
        functions: [("fanout".to_owned(), 1_034.0)].into(),
        calls: [("fanout dynamodb:Query", 1_201.0), ("fanout sqs:SendMessage", 77.0), ("ingest dynamodb:PutItem", 5.0)]
            .map(|(name, count)| (name.to_owned(), count))
            .into(),
        faults: [("F17 DynamoDB throttles a call".to_owned(), 7.0)].into(),
        ..Usage::default()
    };
    let mark = |at_s, fired| FaultMark { at_s, fault: "F17 DynamoDB throttles a call".to_owned(), fired };
    report.fault_marks = vec![mark(3.0, 5.0), mark(9.5, 2.0)];
    let part = |name: &str, usd| Part { name: name.to_owned(), count: 1.0, usd };
    report.cost = Cost {
        prices_of: "2026-09-21".to_owned(),
        counted_usd: 0.75,
        parts: vec![part("units out", 0.5), part("invocations", 0.25)],
        ..Cost::default()
    };
    report
}
