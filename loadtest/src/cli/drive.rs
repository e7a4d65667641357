//! A load test from its command line to its exit code.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Error, Load, outputs};
use crate::cost::{self, Cost, Prices, Work, dollars};
use crate::counters::{Usage, cloudwatch, local};
use crate::member::Patience;
use crate::report::{Report, collect};
use crate::run::world::{World, read};
use crate::run::{descriptors, progress};
use crate::scenario::{self, Scenario};
use crate::wire::socket::choose_tls;
use crate::wire::target::Target;

/// What is run if nothing is named.
const BROADCAST: &str = include_str!("../../scenarios/broadcast.toml");

/// What has been checked before anything is done.
struct Checked {
    target: Target,
    scenario: Scenario,
    prices: Prices,
    predicted_usd: f64,
}

/// Runs a load test; gives what to exit with.
pub(super) async fn drive(load: Load) -> Result<u8, Error> {
    let checked = check(&load)?;
    announce(&checked, &load);
    if load.dry_run {
        return Ok(0);
    }
    let report = run(checked, &load).await?;
    outputs::write(&report, load.json_out.as_deref(), &load.outputs)?;
    Ok(report.judgement.verdict.exit_code())
}

fn check(load: &Load) -> Result<Checked, Error> {
    let usage = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
    let target = Target::parse(&load.url, load.token.clone()).map_err(|error| usage(&error))?;
    let scenario = match &load.scenario {
        Some(path) => scenario::read(path),
        None => scenario::parse(BROADCAST, "broadcast.toml"),
    };
    let scenario = scenario.map_err(|error| usage(&error))?;
    let scenario = load.overrides().apply(scenario).map_err(|error| usage(&error))?;
    let prices = load.prices.as_deref().map_or_else(|| Ok(Prices::default()), cost::read);
    let prices = prices.map_err(|error| usage(&error))?;
    let publishers: usize = scenario.rooms.iter().map(|rooms| rooms.count * rooms.client_publishers()).sum();
    descriptors::provide(scenario.members() + publishers).map_err(|error| usage(&error))?;
    let predicted_usd = cost::estimate(&cost::planned(&scenario), &prices);
    may_cost(&target, predicted_usd, load.max_usd)?;
    Ok(Checked { target, scenario, prices, predicted_usd })
}

/// Whether a run may cost what it is going to.
fn may_cost(target: &Target, predicted_usd: f64, max_usd: Option<f64>) -> Result<(), Error> {
    if target.is_loopback() {
        return Ok(());
    }
    let predicted = dollars(predicted_usd);
    match max_usd {
        None => Err(Error::Usage(format!(
            "{} is not this machine, and this run will cost about {predicted} there; say what it may cost with --max-usd",
            target.host
        ))),
        Some(max) if predicted_usd > max => Err(Error::Usage(format!(
            "this run will cost about {predicted}, and --max-usd allows {}; take fewer members, publications or seconds",
            dollars(max)
        ))),
        Some(_) => Ok(()),
    }
}

fn announce(checked: &Checked, load: &Load) {
    let Checked { scenario, predicted_usd, .. } = checked;
    let work = cost::planned(scenario);
    eprintln!("{}: {}", scenario.name, scenario.about);
    eprintln!(
        "{} members in {} rooms, {:.0} publications, {:.0} deliveries, about {} s against {}; about {} on AWS",
        scenario.members(),
        scenario.room_count(),
        work.publications,
        work.deliveries,
        crate::run::expected_length(scenario) / crate::ledger::SECOND,
        load.url.split('?').next().unwrap_or_default(),
        dollars(*predicted_usd),
    );
}

async fn run(checked: Checked, load: &Load) -> Result<Report, Error> {
    let Checked { target, scenario, prices, predicted_usd } = checked;
    let paid = !target.is_loopback();
    if target.secure {
        choose_tls();
    }
    let world = Arc::new(World::new(target, scenario, &run_id(), &load.room, Patience::default()));
    let before = count(load, paid).await;
    let aside = [
        tokio::spawn(progress::tell(Arc::clone(&world))),
        tokio::spawn(obey_signals(Arc::clone(&world))),
        tokio::spawn(keep_budget(Arc::clone(&world), prices.clone(), load.max_usd.filter(|_| paid))),
    ];
    let ended = crate::run::run(&world).await.map_err(|error| Error::Usage(error.to_string()))?;
    aside.iter().for_each(tokio::task::JoinHandle::abort);
    progress::end();
    let usage = match (&load.cloudwatch, before) {
        (Some(stack), _) => cloudwatch::read(stack, world.clock.began_at_s()).await,
        (None, Some(before)) => count(load, paid).await.unwrap_or_default().since(&before),
        (None, None) => Usage::unknown("nobody: run it beside `cargo dev`, or with --cloudwatch"),
    };
    let minutes = world.clock.now() as f64 / 60e6 * read(&world.counts.joined) as f64;
    let cost = Cost::of(&usage, minutes, predicted_usd, &prices, paid);
    Ok(collect(&world, &ended, usage, cost))
}

/// What the local stack has counted so far; nothing if there is none.
async fn count(load: &Load, paid: bool) -> Option<Usage> {
    let endpoint = load.counters.as_deref().filter(|_| !paid)?;
    match local::read(endpoint).await {
        Ok(usage) => Some(usage),
        Err(error) => {
            eprintln!("{error}");
            None
        }
    }
}

/// The first Ctrl-C ends the phases, the second one the process.
async fn obey_signals(world: Arc<World>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return;
    };
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    eprintln!("\nstopping: what is on its way is waited for; once more to give up");
    world.stop_because("it was interrupted");
    next().await;
    std::process::exit(130);
}

/// Ends the phases before what was published costs more than it may.
async fn keep_budget(world: Arc<World>, prices: Prices, max_usd: Option<f64>) {
    let Some(max_usd) = max_usd else { return };
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let spent = cost::estimate(&done(&world), &prices);
        if spent >= max_usd * 0.95 {
            world.stop_because(&format!("it has cost about {}, and may cost {}", dollars(spent), dollars(max_usd)));
            return;
        }
    }
}

/// What has been asked for so far, and is owed.
fn done(world: &World) -> Work {
    let counts = &world.counts;
    let owed = |room| (world.room(room).publications().len() * world.room(room).members().len()) as f64;
    let members = read(&counts.joined) as f64;
    Work {
        members,
        publications: read(&counts.published) as f64,
        events: 0.0,
        deliveries: (0..world.room_count()).map(owed).sum(),
        connection_minutes: members * (world.clock.now() as f64 / 60e6).ceil(),
        returns: read(&counts.resumed) as f64,
        ..cost::planned(&world.scenario)
    }
}

/// A name that no other run has: the time, to the millisecond, in few letters.
fn run_id() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let process = u128::from(std::process::id() % 1_000);
    format!("{:x}", ms * 1_000 + process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_than_on_this_machine_a_run_needs_a_budget_that_is_enough() {
        let target = |url| Target::parse(url, None).unwrap();
        assert!(may_cost(&target("ws://127.0.0.1:1"), 1e6, None).is_ok());
        let aws = target("wss://abc.execute-api.eu-west-1.amazonaws.com/prod");
        let told = may_cost(&aws, 2.5, None).unwrap_err().to_string();
        assert!(told.contains("about $2.50") && told.contains("--max-usd"), "{told}");
        assert!(may_cost(&aws, 2.5, Some(2.0)).is_err());
        assert!(may_cost(&aws, 2.5, Some(3.0)).is_ok());
    }
}
