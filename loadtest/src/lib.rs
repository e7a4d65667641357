//! A load test that accounts for every publication and every member of one room.
//!
//! Members join, then publications go out by a schedule of intended times (latency counts from those, so a publisher that
//! falls behind shows), then every pair of member and publication is looked for.

mod ledger;
mod member;
mod report;

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::watch;

pub use crate::ledger::Ledger;
pub use crate::member::Error;
pub use crate::report::Report;

use crate::member::{Listener, Publisher};

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to connect.
    pub url: String,
    /// The room.
    pub room: String,
    /// Members of the room.
    pub members: usize,
    /// Publications, all in all.
    pub publications: usize,
    /// Time between two of them.
    pub every: Duration,
    /// Time between two new connections.
    pub connect_every: Duration,
    /// How long to wait for the last delivery.
    pub drain: Duration,
}

/// Runs the plan.
///
/// # Errors
/// When somebody could not connect, join or publish: then there is nothing to account for.
pub async fn broadcast(plan: &Plan) -> Result<Report, Error> {
    let begun = Instant::now();
    let (stop, stopped) = watch::channel(false);
    let listeners = join_all_members(plan).await?;
    let joined = begun.elapsed();
    eprintln!("{} members have joined {} in {:.1} s", listeners.len(), plan.room, joined.as_secs_f64());
    let listening: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(listener.listen(plan.publications, stopped.clone())))
        .collect();
    let mut publisher = Publisher::connect(&plan.url, &plan.room).await?;
    let first = Instant::now() + plan.every;
    let mut intended = Vec::with_capacity(plan.publications);
    for n in 0..plan.publications {
        let at = first + plan.every * u32::try_from(n).unwrap_or(u32::MAX);
        tokio::time::sleep_until(at.into()).await;
        publisher.publish(n).await?;
        intended.push(at);
    }
    eprintln!("{} publications are accepted", plan.publications);
    let waiting = tokio::spawn(async move { try_join_all(listening).await });
    let patience = tokio::time::sleep(plan.drain);
    tokio::pin!(patience, waiting);
    let ledgers = tokio::select! {
        ledgers = &mut waiting => ledgers,
        () = &mut patience => {
            stop.send_replace(true);
            waiting.await
        }
    };
    let ledgers = ledgers.map_err(|_| Error::Generator)?.map_err(|_| Error::Generator)?;
    Ok(Report::of(&ledgers, &intended, joined))
}

async fn join_all_members(plan: &Plan) -> Result<Vec<Listener>, Error> {
    let begun = tokio::time::Instant::now();
    let joins = (0..plan.members).map(|n| async move {
        tokio::time::sleep_until(begun + plan.connect_every * u32::try_from(n).unwrap_or(u32::MAX)).await;
        Listener::join(&plan.url, &plan.room, n).await
    });
    try_join_all(joins).await
}
