//! A load test from its command line to its exit code.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::budget::{keep_budget, may_cost};
use super::fault_watch::FaultWatch;
use super::interrupts::Interrupts;
use super::{Error, Load, names, outputs};
use crate::cost::{self, Cost, Prices, dollars};
use crate::counters::{Usage, cloudwatch, local};
use crate::member::{Patience, npm};
use crate::report::{Report, collect};
use crate::run::world::{World, read};
use crate::run::{descriptors, progress};
use crate::scenario::{self, Overrides, Scenario, Thresholds};
use crate::wire::preflight;
use crate::wire::socket::choose_tls;
use crate::wire::target::Target;

/// The scenario of a run that names none.
const BROADCAST: &str = include_str!("../../scenarios/broadcast.toml");

/// The checked inputs of a run.
struct Checked {
    target: Target,
    scenario: Scenario,
    prices: Prices,
    predicted_usd: f64,
}

/// Runs a load test. Returns the exit code.
pub(super) async fn drive(load: Load) -> Result<u8, Error> {
    let checked = check(&load)?;
    announce(&checked, &load);
    if load.dry_run {
        return Ok(0);
    }
    outputs::check(load.json_out.as_deref(), &load.outputs)?;
    if checked.target.secure {
        choose_tls();
    }
    preflight::check(&checked.target).await.map_err(|refusal| Error::Usage(refusal.to_string()))?;
    let report = run(checked, &load).await?;
    outputs::write(&report, load.json_out.as_deref(), &load.outputs)?;
    Ok(report.judgement.verdict.exit_code())
}

fn check(load: &Load) -> Result<Checked, Error> {
    let usage = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
    let target = Target::parse(&load.url, load.token.clone()).map_err(|error| usage(&error))?;
    let scenario = match &load.scenario {
        Some(name) => scenario::read(&names::file(name)),
        None => scenario::parse(BROADCAST, "broadcast.toml"),
    };
    let mut scenario = scenario.map_err(|error| usage(&error))?;
    if load.scenario.is_none() && load.overrides() != Overrides::default() {
        // The thresholds of the default scenario are for twenty members.
        scenario.thresholds = Thresholds::default();
    }
    let scenario = load.overrides().apply(scenario).map_err(|error| usage(&error))?;
    if scenario.npm_members() > 0 {
        npm::check().map_err(|error| usage(&error))?;
    }
    let prices = load.prices.as_deref().map_or_else(|| Ok(Prices::default()), cost::read);
    let prices = prices.map_err(|error| usage(&error))?;
    let publishers: usize = scenario.rooms.iter().map(|rooms| rooms.count * rooms.client_publishers()).sum();
    descriptors::provide(scenario.members() + publishers).map_err(|error| usage(&error))?;
    let predicted_usd = cost::estimate(&cost::planned(&scenario), &prices);
    may_cost(&target, predicted_usd, load.max_usd)?;
    Ok(Checked { target, scenario, prices, predicted_usd })
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
        crate::scenario::schedule::expected_length(scenario) / crate::ledger::SECOND,
        load.url.split('?').next().unwrap_or_default(),
        dollars(*predicted_usd),
    );
}

async fn run(checked: Checked, load: &Load) -> Result<Report, Error> {
    let Checked { target, scenario, prices, predicted_usd } = checked;
    let paid = !target.is_loopback();
    let before = count(load, paid).await;
    let mut interrupts = Interrupts::listen().map_err(|error| Error::Internal(error.to_string()))?;
    // The clock of the run starts here.
    let world = Arc::new(World::new(target, scenario, &run_id(), &load.room, Patience::default()));
    let aside = [
        tokio::spawn(progress::tell(Arc::clone(&world), load.may_redraw())),
        tokio::spawn(keep_budget(Arc::clone(&world), prices.clone(), load.max_usd.filter(|_| paid))),
    ];
    let mut faults = FaultWatch::new(load.counters.as_deref(), before.as_ref());
    let ended = tokio::select! {
        ended = crate::run::run(&world) => ended.map_err(|error| Error::Usage(error.to_string()))?,
        never = interrupts.obey(&world) => match never {},
        never = faults.keep(&world) => match never {},
    };
    faults.poll(&world).await;
    aside.iter().for_each(tokio::task::JoinHandle::abort);
    progress::end(load.may_redraw());
    let usage = tokio::select! {
        usage = counted(load, before, &world, paid) => usage,
        // The measurements are reported in any case.
        _ = interrupts.next() => Usage::unknown("no counter: the wait for CloudWatch was interrupted"),
    };
    let minutes = world.clock.now() as f64 / 60e6 * read(&world.counts.joined) as f64;
    let cost = Cost::of(&usage, minutes, predicted_usd, &prices, paid);
    Ok(collect(&world, &ended, usage, cost))
}

/// The server's counters for this run, from the counter that is configured.
async fn counted(load: &Load, before: Option<Usage>, world: &World, paid: bool) -> Usage {
    match (&load.cloudwatch, before) {
        (Some(deployment), _) => from_cloudwatch(deployment, world).await,
        (None, Some(before)) => count(load, paid).await.unwrap_or_default().since(&before),
        (None, None) => Usage::unknown("no counter: run beside `cargo dev`, or with --cloudwatch"),
    }
}

/// Reads CloudWatch's metrics of this run, after the time within which they are complete.
async fn from_cloudwatch(deployment: &cloudwatch::Deployment, world: &World) -> Usage {
    let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let (from, took) = (seconds(world.clock.began_at_s()), world.clock.now() / crate::ledger::SECOND);
    eprintln!("waiting {} s for CloudWatch; Ctrl-C to report without it", cloudwatch::SETTLES_WITHIN.as_secs());
    tokio::time::sleep(cloudwatch::SETTLES_WITHIN).await;
    cloudwatch::read(deployment, from, from + took, read(&world.counts.requests)).await
}

/// Reads the counters of the local stack; `None` if there is no stack.
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

/// A name that no other run has: the time in milliseconds, with the process id, in few letters.
fn run_id() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let process = u128::from(std::process::id() % 1_000);
    format!("{:x}", ms * 1_000 + process)
}
