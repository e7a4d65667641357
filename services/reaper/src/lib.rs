//! The reaper function (each minute) finds silent connections by an index, proves that they are
//! gone, and removes them. It also closes connections whose token has expired, and those that a
//! recent ban keeps out.
//!
//! A run continues until nothing is left or its time is nearly up. A connection that it has
//! examined leaves the front of the index, because it was removed or proved alive. So the next run
//! continues where this one ended, however it ended, and two runs at the same time do the same work
//! twice.

mod bans;
mod config;
mod expiry;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::flow::forget;
use domain::ports::{Bans, Clock, Connections, Directory, Expiries, Gateway, Memberships, Result as PortResult};
use domain::{LIVENESS_SHARDS, Pacer, Probe, Stale, Suspect, Timestamp, judge, limits};
use futures::future::join3;
use futures::{StreamExt, stream};
use lambda_kit::Deadline;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Suspects of one shard of the index that are examined at the same time.
const LOOKS_PER_SHARD: usize = 8;
/// Suspects that one query returns at most.
const PAGE: usize = 200;
/// The part of the deadline that is kept for suspects under examination.
const RESERVE: Duration = Duration::from_secs(5);

/// Removes connections that are gone.
#[derive(Debug)]
pub struct Reaper<T, G, C> {
    tables: T,
    gateway: G,
    clock: C,
    stale_after: Duration,
}

/// The result of the examination of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reaped,
    Lives,
    Undecided,
}

/// The number of suspects by verdict.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    reaped: u64,
    alive: u64,
}

impl Tally {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Reaped => self.reaped += 1,
            Verdict::Lives => self.alive += 1,
            Verdict::Undecided => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.reaped += other.reaped;
        self.alive += other.alive;
    }
}

impl<T, G, C> Reaper<T, G, C>
where
    T: Bans + Connections + Directory + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    /// Creates the reaper over these ports. A connection is stale after `stale_after` of silence.
    #[must_use]
    pub fn new(tables: T, gateway: G, clock: C, stale_after: Duration) -> Self {
        Self { tables, gateway, clock, stale_after }
    }

    /// Does one run, as far as the deadline allows: examines all silent connections, closes at most
    /// [`limits::EXPIRED_PER_RUN`] connections whose token has expired, and enforces recent bans.
    ///
    /// # Errors
    /// When an index cannot be read; the next run finds the connections that this one did not.
    pub async fn run(&self, deadline: Deadline, summary: &mut Summary) -> PortResult<()> {
        let ((closed, expired), (tally, silent), (banned, bans)) =
            join3(self.close_expired(deadline), self.reap_silent(deadline), self.close_banned(deadline)).await;
        summary.add(metric::CONNECTIONS_BANNED, banned);
        summary.add(metric::CONNECTIONS_EXPIRED, closed);
        summary.add(metric::CONNECTIONS_REAPED, tally.reaped);
        summary.add(metric::CONNECTIONS_PROBED, tally.alive);
        silent.and(expired).and(bans)
    }

    /// Works through all shards of the index side by side. A shard that cannot be read does not
    /// affect the others.
    async fn reap_silent(&self, deadline: Deadline) -> (Tally, PortResult<()>) {
        let begun = self.clock.now();
        let before = begun.minus(self.stale_after);
        let pacer = Mutex::new(Pacer::new(LOOKS_PER_SHARD * usize::from(LIVENESS_SHARDS), limits::REAPER_RATE));
        let shards = stream::iter(shards(begun)).map(|shard| self.reap_shard(shard, before, deadline, &pacer));
        let mut shards = shards.buffer_unordered(usize::from(LIVENESS_SHARDS));
        let (mut tally, mut outcome) = (Tally::default(), Ok(()));
        while let Some((of_shard, read)) = shards.next().await {
            tally.add(of_shard);
            outcome = outcome.and(read);
        }
        (tally, outcome)
    }

    /// Works through one shard page by page, until it holds no suspect that this run has not
    /// examined, or the time is up. Examined suspects leave the front of the index. While the index
    /// still shows them there, the next page is larger.
    async fn reap_shard(
        &self,
        shard: u16,
        before: Timestamp,
        deadline: Deadline,
        pacer: &Mutex<Pacer>,
    ) -> (Tally, PortResult<()>) {
        let (mut tally, mut seen, mut shown_again) = (Tally::default(), HashSet::new(), 0);
        while !deadline.left(self.clock.now(), RESERVE).is_zero() {
            let limit = PAGE + shown_again;
            let page = match self.tables.silent(shard, before, limit).await {
                Ok(page) => page,
                Err(error) => return (tally, Err(error)),
            };
            let is_last = page.len() < limit;
            shown_again = page.len();
            let new: Vec<Suspect> =
                page.into_iter().filter(|suspect| seen.insert(suspect.connection.clone())).collect();
            shown_again -= new.len();
            tally.add(self.look_at_all(new, deadline, pacer).await);
            if is_last {
                break;
            }
        }
        (tally, Ok(()))
    }

    async fn look_at_all(&self, suspects: Vec<Suspect>, deadline: Deadline, pacer: &Mutex<Pacer>) -> Tally {
        let looks = stream::iter(suspects).map(|suspect| async move {
            self.wait_for_turn(pacer).await;
            if deadline.left(self.clock.now(), RESERVE).is_zero() {
                return Verdict::Undecided;
            }
            self.look_at(&suspect).await.unwrap_or_else(|error| {
                tracing::warn!(
                    { field::CONNECTION_ID.0 } = %suspect.connection,
                    { field::ERROR.0 } = %error,
                    "could not examine a silent connection; the next run examines it"
                );
                Verdict::Undecided
            })
        });
        let mut looks = looks.buffer_unordered(LOOKS_PER_SHARD);
        let mut tally = Tally::default();
        while let Some(verdict) = looks.next().await {
            tally.count(verdict);
        }
        tally
    }

    async fn wait_for_turn(&self, pacer: &Mutex<Pacer>) {
        let pause = pacer.lock().unwrap_or_else(PoisonError::into_inner).turn(self.clock.now());
        if let Some(pause) = pause {
            self.clock.sleep(pause).await;
        }
    }

    async fn look_at(&self, suspect: &Suspect) -> PortResult<Verdict> {
        let now = self.clock.now();
        match judge(suspect, now, self.stale_after) {
            Stale::No => Ok(Verdict::Lives),
            Stale::Dead => self.reap(suspect, now).await,
            Stale::Zombie => {
                // The index may be behind: the table decides.
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

/// Returns all liveness shards, beginning with another one each minute, so that no shard is always
/// the last.
fn shards(begun: Timestamp) -> impl Iterator<Item = u16> {
    let first = u16::try_from(begun.as_s() / 60 % u64::from(LIVENESS_SHARDS)).unwrap_or_default();
    (0..LIVENESS_SHARDS).map(move |n| (first + n) % LIVENESS_SHARDS)
}

/// Answers an event of the schedule. Its content is ignored.
///
/// # Errors
/// When an index cannot be read: Lambda tries again.
pub async fn handle<T, G, C>(
    reaper: &Reaper<T, G, C>,
    event: &LambdaEvent<Value>,
    summary: &mut Summary,
) -> Result<(), lambda_runtime::Error>
where
    T: Bans + Connections + Directory + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    reaper.run(lambda_kit::start::deadline(event), summary).await.map_err(Into::into)
}
