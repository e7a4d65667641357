//! Compares Roomcast with the well-known recipe in the same local runner, alternating: the time
//! until the last member receives a broadcast, the CPU time of the functions, and the read units of
//! the tables.

mod audience;
mod contender;
mod measure;
mod side;
mod table;

use std::time::Duration;

pub use contender::{ARGUMENT, serve};
pub use table::Table;

use contender::Contender;
pub(crate) use measure::cpu_time;
use measure::{Sample, median, pair};
use side::Way;

/// The parameters of a comparison.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Sizes of the room, in ascending order.
    pub members: Vec<usize>,
    /// Latencies of a post.
    pub latencies: Vec<Duration>,
    /// Numbers of connections in other rooms, in ascending order. Measured with the smallest room.
    pub unrelated: Vec<usize>,
    /// Number of times that each pair runs as A B B A.
    pub quartets: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            members: vec![100, 1_000, 5_000],
            latencies: vec![Duration::ZERO, Duration::from_millis(10)],
            unrelated: vec![0, 1_000, 10_000, 100_000],
            quartets: 3,
        }
    }
}

/// Broadcasts that are not counted, because they start processes and open connections.
const WARM_UP: usize = 2;
/// A recipe that is slower than this runs only one quartet.
const SLOW: Duration = Duration::from_secs(5);

/// Runs all comparisons. Prints its progress.
pub async fn run(plan: &Plan) -> Table {
    let mut table = Table::default();
    for latency in &plan.latencies {
        sizes(plan, *latency, &mut table).await;
    }
    crowds(plan, &mut table).await;
    table
}

/// Compares rooms of growing size, without other connections.
async fn sizes(plan: &Plan, latency: Duration, table: &mut Table) {
    let (mut ours, mut recipe) = (Contender::roomcast(latency).await, Contender::recipe(latency).await);
    for members in &plan.members {
        eprintln!("{members} members, {} ms a post", latency.as_millis());
        ours.grow_to(*members).await;
        recipe.grow_to(*members).await;
        for way in [Way::OneAfterTheOther, Way::AtOnce] {
            let pairs = compare(plan.quartets, &mut ours, &mut recipe, way).await;
            table.add_size(*members, latency, way, &pairs);
        }
    }
    ours.stop().await;
    recipe.stop().await;
}

/// Compares a small room with a growing number of connections in other rooms.
async fn crowds(plan: &Plan, table: &mut Table) {
    let mut ours = Contender::roomcast(Duration::ZERO).await;
    let mut recipe = Contender::recipe(Duration::ZERO).await;
    let members = plan.members.first().copied().unwrap_or(100);
    ours.grow_to(members).await;
    recipe.grow_to(members).await;
    let mut there = 0;
    for unrelated in &plan.unrelated {
        eprintln!("{members} members among {unrelated} connections of others");
        ours.crowd(there..*unrelated).await;
        recipe.crowd(there..*unrelated).await;
        there = there.max(*unrelated);
        let pairs = compare(plan.quartets, &mut ours, &mut recipe, Way::AtOnce).await;
        table.add_crowd(*unrelated, members, &pairs);
    }
    ours.stop().await;
    recipe.stop().await;
}

/// Returns pairs of Roomcast's and the recipe's samples. Each pair has the means of an A B B A run.
async fn compare(quartets: usize, ours: &mut Contender, recipe: &mut Contender, way: Way) -> Vec<(Sample, Sample)> {
    for _ in 0..WARM_UP {
        ours.broadcast(Way::Roomcast).await;
    }
    let slow = recipe.broadcast(way).await.last > SLOW;
    let mut pairs = Vec::new();
    for _ in 0..if slow { 1 } else { quartets } {
        let a = ours.broadcast(Way::Roomcast).await;
        let b = recipe.broadcast(way).await;
        let c = recipe.broadcast(way).await;
        let d = ours.broadcast(Way::Roomcast).await;
        pairs.push((pair(&a, &d), pair(&b, &c)));
    }
    pairs
}

pub(crate) fn ratio(pairs: &[(Sample, Sample)], of: impl Fn(&Sample) -> f64) -> (f64, f64, f64) {
    let ours: Vec<f64> = pairs.iter().map(|(ours, _)| of(ours)).collect();
    let theirs: Vec<f64> = pairs.iter().map(|(_, theirs)| of(theirs)).collect();
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    (median(&ours), median(&theirs), median(&ratios))
}
