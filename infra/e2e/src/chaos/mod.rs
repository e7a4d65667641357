//! Chaos on real processes: members with the real client library join, publish, leave, disconnect
//! and return while all faults are injected. Then the faults are disabled, and every required pair
//! of a publication and a member is checked.

mod dice;
mod ledger;
mod member;
mod proxy;
mod report;
mod turmoil;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use local::faults::Spec;

pub use ledger::{Finding, Ledger, Session, Truth};
pub use report::Report;

use turmoil::Turmoil;
use world::World;

/// The default faults: all kinds, at rates at which most rooms are affected at any time.
pub const FAULTS: &str = "F1=0.01,F2=0.002,F7=0.02,F8=0.01,F11=0.01,F16=0.02,F17=0.01,F19=0..2000ms,F22=0.005,F25=0.2,F32=0.05,\
                          F33=0.05,F34=0.02,F35=0.03,F38=0.001,F39=0.0005,F40=0.005,F42=0.02,F43=0.3,F45=0.2,F48=0.0005";

/// The size and the faults of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Least number of required pairs of a publication and a member.
    pub pairs: u64,
    /// Number of members.
    pub members: usize,
    /// Number of rooms.
    pub rooms: usize,
    /// Number of rooms of a member. Sometimes a member is in one room less or more.
    pub rooms_of_a_member: usize,
    /// Publications a second, of all members together.
    pub publications_per_second: f64,
    /// Members a second that leave or join a room, restart, or lose their connection.
    pub changes_per_second: f64,
    /// Faults to inject.
    pub faults: Spec,
    /// Seed of the random decisions.
    pub seed: u64,
    /// File for every line of the functions.
    pub log: Option<PathBuf>,
}

/// How long the required publications may take to arrive after the faults end. A killed function's
/// messages are received again after their visibility timeout (12 s here). Then late deliveries
/// pause. A member whose frame was lost detects that by its settling pings.
const DRAINS_WITHIN: Duration = Duration::from_secs(60);

/// How long the faults continue after the last publication, unless everything has arrived before. A
/// loss that only the next publication would reveal shows here.
const GOES_ON_FOR: Duration = Duration::from_secs(20);

impl Plan {
    /// Returns a plan for this number of pairs, with a number of members and rooms that two cores
    /// can run.
    #[must_use]
    pub fn new(pairs: u64, faults: Spec, seed: u64) -> Self {
        Self {
            pairs,
            members: 240,
            rooms: 12,
            rooms_of_a_member: 4,
            publications_per_second: 60.0,
            changes_per_second: 8.0,
            faults,
            seed,
            log: None,
        }
    }
}

/// Runs the plan and returns its report.
pub async fn run(plan: &Plan) -> Report {
    let begun = Instant::now();
    let world = World::start(plan).await;
    tell(begun, format!("the stack runs; {} pairs are planned", plan.pairs));
    world.stack.faults().set(&plan.faults);
    let turmoil = Turmoil::begin(plan, &world).await;
    tell(begun, format!("{} members join {} rooms", plan.members, plan.rooms));
    turmoil.publish_and_change().await;
    tell(begun, "the planned pairs are reached: publishing ends, the faults continue".to_owned());
    turmoil.drain(&world, GOES_ON_FOR).await;
    world.stack.faults().set(&Spec::default());
    let behind = turmoil.behind(&world).await;
    tell(begun, format!("the faults are disabled; {behind} stays in rooms have not received everything yet"));
    let drained = turmoil.drain(&world, DRAINS_WITHIN).await;
    tell(begun, if drained { "everything has arrived" } else { "not everything has arrived" }.to_owned());
    let ghosts = world.without_ghosts(&turmoil).await;
    tell(begun, "checked for ghost connections".to_owned());
    let counts = turmoil.counts_are_true(&world).await;
    tell(begun, "checked the member counts".to_owned());
    let report = turmoil.report(plan, &world, ghosts.into_iter().chain(counts).collect(), begun.elapsed()).await;
    turmoil.end().await;
    world.stop().await;
    report
}

fn tell(begun: Instant, what: String) {
    eprintln!("{:>6.1} s  {what}", begun.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use local::faults::Fault;

    use super::*;

    #[test]
    fn everything_goes_wrong_unless_it_is_said_otherwise() {
        let faults: Spec = FAULTS.parse().unwrap();
        // A 403 means a deployment without its grants. No retry can succeed then.
        let left_out = Fault::ALL.into_iter().filter(|fault| faults.settings().all(|(set, _)| set != *fault));
        assert_eq!(left_out.map(Fault::number).collect::<Vec<_>>(), ["F36"]);
    }
}
