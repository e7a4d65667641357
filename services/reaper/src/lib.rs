//! The reaper function (each minute): finds connections that are silent by index, proves that they are gone, removes them;
//! and closes those whose token has expired.
//!
//! Whatever a run has looked at leaves the front of the index, forgotten or proved alive: so the next run goes on where this
//! one ended, however it ended, and two at the same time do the same thing twice.

mod config;
mod expiry;

use std::time::Duration;

use domain::flow::forget;
use domain::ports::{Clock, Connections, Expiries, Gateway, Memberships, Result as PortResult};
use domain::{LIVENESS_SHARDS, Probe, Stale, Suspect, Timestamp, judge, limits};
use futures::{StreamExt, stream};
use lambda_kit::Deadline;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Suspects looked at at the same time: probes draw on the same rate as posts.
const LOOKED_AT_AT_ONCE: usize = 16;
/// What is kept of the deadline for those being looked at.
const RESERVE: Duration = Duration::from_secs(5);

/// Removes who is gone.
#[derive(Debug)]
pub struct Reaper<T, G, C> {
    tables: T,
    gateway: G,
    clock: C,
    stale_after: Duration,
}

/// What a look at a suspect came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reaped,
    Lives,
    Undecided,
}

impl<T, G, C> Reaper<T, G, C>
where
    T: Connections + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    /// Over these ports; silence of `stale_after` makes stale.
    #[must_use]
    pub fn new(tables: T, gateway: G, clock: C, stale_after: Duration) -> Self {
        Self { tables, gateway, clock, stale_after }
    }

    /// One run: at most [`limits::EXPIRED_PER_RUN`] connections whose token has expired, and [`limits::REAPED_PER_RUN`] that are
    /// silent, fewer if the deadline comes first.
    ///
    /// # Errors
    /// When an index cannot be read; the next run finds what this one did not.
    pub async fn run(&self, deadline: Deadline, summary: &mut Summary) -> PortResult<()> {
        let expired = self.close_expired(deadline, summary).await;
        self.reap_silent(deadline, summary).await.and(expired)
    }

    async fn reap_silent(&self, deadline: Deadline, summary: &mut Summary) -> PortResult<()> {
        let begun = self.clock.now();
        let before = begun.minus(self.stale_after);
        let mut left = limits::REAPED_PER_RUN;
        for shard in shards(begun) {
            let suspects = self.tables.silent(shard, before, left).await?;
            left -= suspects.len().min(left);
            self.look_at_all(suspects, deadline, summary).await;
            if left == 0 || deadline.left(self.clock.now(), RESERVE).is_zero() {
                break;
            }
        }
        Ok(())
    }

    async fn look_at_all(&self, suspects: Vec<Suspect>, deadline: Deadline, summary: &mut Summary) {
        let looks = stream::iter(suspects).map(|suspect| async move {
            if deadline.left(self.clock.now(), RESERVE).is_zero() {
                return Verdict::Undecided;
            }
            self.look_at(&suspect).await.unwrap_or_else(|error| {
                tracing::warn!({ field::CONNECTION_ID.0 } = %suspect.connection, { field::ERROR.0 } = %error, "undecided");
                Verdict::Undecided
            })
        });
        let mut looks = looks.buffer_unordered(LOOKED_AT_AT_ONCE);
        while let Some(verdict) = looks.next().await {
            match verdict {
                Verdict::Reaped => summary.add(metric::CONNECTIONS_REAPED, 1),
                Verdict::Lives => summary.add(metric::CONNECTIONS_PROBED, 1),
                Verdict::Undecided => {}
            }
        }
    }

    async fn look_at(&self, suspect: &Suspect) -> PortResult<Verdict> {
        let now = self.clock.now();
        match judge(suspect, now, self.stale_after) {
            Stale::No => Ok(Verdict::Lives),
            Stale::Dead => self.reap(suspect, now).await,
            Stale::Zombie => {
                // The index may be behind: what counts is what stands in the table.
                if self.spoke_since(suspect).await? {
                    return Ok(Verdict::Lives);
                }
                self.gateway.close(&suspect.endpoint, &suspect.connection).await?;
                self.reap(suspect, now).await
            }
            Stale::Ask => match self.gateway.probe(&suspect.endpoint, &suspect.connection).await? {
                Probe::Gone => self.reap(suspect, now).await,
                Probe::Alive { .. } => {
                    self.tables.touch(&suspect.connection, now).await?;
                    Ok(Verdict::Lives)
                }
                Probe::Throttled => Ok(Verdict::Undecided),
            },
        }
    }

    async fn spoke_since(&self, suspect: &Suspect) -> PortResult<bool> {
        let stored = self.tables.find(&suspect.connection).await?;
        Ok(stored.is_none_or(|stored| stored.last_seen_at > suspect.last_seen_at))
    }

    async fn reap(&self, suspect: &Suspect, now: Timestamp) -> PortResult<Verdict> {
        forget(&self.tables, &suspect.connection, now).await?;
        Ok(Verdict::Reaped)
    }
}

/// All liveness shards, another one first each minute: none is last for ever.
fn shards(begun: Timestamp) -> impl Iterator<Item = u16> {
    let first = u16::try_from(begun.as_s() / 60 % u64::from(LIVENESS_SHARDS)).unwrap_or_default();
    (0..LIVENESS_SHARDS).map(move |n| (first + n) % LIVENESS_SHARDS)
}

/// Answers a schedule's event, whatever it says.
///
/// # Errors
/// When an index cannot be read: Lambda tries again.
pub async fn handle<T, G, C>(
    reaper: &Reaper<T, G, C>,
    event: &LambdaEvent<Value>,
    summary: &mut Summary,
) -> Result<(), lambda_runtime::Error>
where
    T: Connections + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    reaper.run(lambda_kit::start::deadline(event), summary).await.map_err(Into::into)
}
