//! A load test that accounts for every publication and every member of one room.
//!
//! Members join, then publications go out by a schedule of intended times (latency counts from those, so a publisher that
//! falls behind shows), then every pair of member and publication is looked for.

mod door;
mod ledger;
mod member;
mod report;

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::watch;

pub use crate::door::{Door, NoDoor};
pub use crate::ledger::Ledger;
pub use crate::member::Error;
pub use crate::report::Report;

use crate::door::Open;
use crate::member::Listener;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to connect.
    pub url: String,
    /// The room.
    pub room: String,
    /// Members of the room.
    pub members: usize,
    /// The ways in, taken in turn; at least one.
    pub doors: Vec<Door>,
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
    let intended = publish_all(plan).await?;
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

/// Publishes by a schedule of intended times, through each door in turn; gives the times.
///
/// Doors do not wait for each other: one that is slow falls behind its own schedule only.
async fn publish_all(plan: &Plan) -> Result<Vec<Instant>, Error> {
    let run = door::now().as_millis();
    let first = Instant::now() + plan.every;
    let at = |n: usize| first + plan.every * u32::try_from(n).unwrap_or(u32::MAX);
    let doors = plan.doors.iter().enumerate().map(|(turn, door)| async move {
        let mut open = Open::new(*door, &plan.url, &plan.room).await?;
        for n in (turn..plan.publications).step_by(plan.doors.len()) {
            tokio::time::sleep_until(at(n).into()).await;
            open.publish(&plan.room, &format!("{run}-{n}"), n).await?;
        }
        Ok::<(), Error>(())
    });
    try_join_all(doors).await?;
    Ok((0..plan.publications).map(at).collect())
}

async fn join_all_members(plan: &Plan) -> Result<Vec<Listener>, Error> {
    let begun = tokio::time::Instant::now();
    let joins = (0..plan.members).map(|n| async move {
        tokio::time::sleep_until(begun + plan.connect_every * u32::try_from(n).unwrap_or(u32::MAX)).await;
        Listener::join(&plan.url, &plan.room, n).await
    });
    try_join_all(joins).await
}
