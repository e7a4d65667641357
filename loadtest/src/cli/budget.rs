//! The budget of a run.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::cost::{self, Prices, Work, dollars};
use crate::run::world::{World, read};
use crate::wire::target::Target;

/// Checks that the predicted cost of a run is within its budget. A run on loopback is free.
pub(super) fn may_cost(target: &Target, predicted_usd: f64, max_usd: Option<f64>) -> Result<(), Error> {
    if target.is_loopback() {
        return Ok(());
    }
    let predicted = dollars(predicted_usd);
    match max_usd {
        None => Err(Error::Usage(format!(
            "{} is not this machine, and this run will cost about {predicted} there; set a budget with --max-usd",
            target.host
        ))),
        Some(max) if predicted_usd > max => Err(Error::Usage(format!(
            "this run will cost about {predicted}, and --max-usd allows {}; choose fewer members, publications or seconds",
            dollars(max)
        ))),
        Some(_) => Ok(()),
    }
}

/// Ends the phases before the publications cost more than the budget.
pub(super) async fn keep_budget(world: Arc<World>, prices: Prices, max_usd: Option<f64>) {
    let Some(max_usd) = max_usd else { return };
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let spent = cost::estimate(&done(&world), &prices);
        if spent >= max_usd * 0.95 {
            world.stop_because(&format!("it has cost about {} of its budget of {}", dollars(spent), dollars(max_usd)));
            return;
        }
    }
}

/// The work so far, including deliveries that are owed.
fn done(world: &World) -> Work {
    let counts = &world.counts;
    let owed = |room| {
        let room = world.room(room);
        (room.publications().len() * room.members().len()) as f64
    };
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

    #[tokio::test]
    async fn a_run_that_comes_near_its_budget_ends_its_phases_and_says_why() {
        let target = Target::parse("wss://abc.execute-api.eu-west-1.amazonaws.com/prod", None).unwrap();
        let scenario =
            crate::scenario::parse(include_str!("../../scenarios/broadcast.toml"), "broadcast.toml").unwrap();
        let world = Arc::new(World::new(target, scenario, "r", "load", crate::member::Patience::default()));
        for n in 0..1_000 {
            world.room(0).publish(n, n, true);
        }
        keep_budget(Arc::clone(&world), Prices::default(), Some(0.02)).await;
        assert!(world.stop.is_cancelled() && world.stopped_by().contains("budget of $0.02"), "{}", world.stopped_by());
    }
}
