//! Rules that invoke a function at scheduled times, as EventBridge does. The invocations are
//! asynchronous: runs may overlap, and a run that failed is retried twice.
//!
//! Sources:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use local_invoke::{Error, Invoke};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::refusal::ConfigError;
use crate::settings::{Pace, Settings};
use crate::stats::Counters;

mod cron;
mod event;
mod expression;

pub use expression::{Expression, InvalidExpression};

/// A rule that invokes a function at scheduled times.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Name of the rule. It is part of the rule's ARN.
    pub name: String,
    /// The times at which the rule runs.
    pub expression: Expression,
    /// Name of the function that the rule invokes.
    pub function: String,
    /// JSON to send instead of the event.
    pub input: Option<String>,
}

/// A rule that is running.
pub(crate) struct Rule<I> {
    schedule: Schedule,
    region: String,
    account: String,
    pace: Pace,
    invoker: Arc<I>,
    stop: CancellationToken,
    pub(crate) counters: Arc<Counters>,
}

/// How long throttled asynchronous invocations are retried: six hours.
const THROTTLED_FOR: Duration = Duration::from_secs(6 * 60 * 60);

impl<I: Invoke> Rule<I> {
    pub(crate) fn new(
        schedule: Schedule,
        settings: &Settings,
        invoker: Arc<I>,
        stop: CancellationToken,
    ) -> Result<Self, ConfigError> {
        if let Some(input) = &schedule.input {
            serde_json::from_str::<&serde_json::value::RawValue>(input)
                .map_err(|_| ConfigError::Input(schedule.name.clone()))?;
        }
        let counters = Arc::new(Counters::of(&schedule.name, &schedule.function));
        let (region, account) = (settings.region.clone(), settings.account.clone());
        Ok(Self { schedule, region, account, pace: settings.pace, invoker, stop, counters })
    }

    /// Invokes the function at each scheduled time until the rule is stopped. Returns when the last
    /// run has ended.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut runs = JoinSet::new();
        let clock = Clock::start(self.pace.schedule_speed);
        let mut due = self.schedule.expression.after(clock.begin);
        while let Some(next) = due {
            if !self.pause(clock.until(next)).await {
                break;
            }
            self.counters.records.add(1);
            runs.spawn(Arc::clone(&self).fire());
            while runs.try_join_next().is_some() {}
            due = self.schedule.expression.after(next);
        }
        while runs.join_next().await.is_some() {}
    }

    /// Runs once: invokes until the invocation succeeds or its retries are used up.
    async fn fire(self: Arc<Self>) {
        let _running = self.counters.run();
        let event = self.event(Timestamp::now());
        let (mut retries, mut throttles) = (self.pace.asynchronous_retries.into_iter(), 0);
        let mut throttled_for = Duration::ZERO;
        loop {
            let pause = match self.invoker.invoke(&self.schedule.function, event.clone()).await {
                Err(Error::Throttled(_)) => {
                    throttles += 1;
                    self.counters.throttles.add(1);
                    let pause = self.pace.throttled.after(throttles);
                    throttled_for += pause;
                    Some(pause).filter(|_| throttled_for < THROTTLED_FOR)
                }
                Ok(_) => return self.counters.batches.add(1),
                Err(error) => {
                    tracing::debug!(schedule = self.schedule.name, %error, "scheduled invocation failed: it is retried until its retries are used up");
                    self.counters.batches.add(1);
                    self.counters.failures.add(1);
                    retries.next()
                }
            };
            let Some(pause) = pause else { return self.counters.discarded.add(1) };
            if !self.pause(pause).await {
                return;
            }
        }
    }

    fn event(&self, time: Timestamp) -> Bytes {
        match &self.schedule.input {
            Some(input) => Bytes::from(input.clone()),
            None => event::scheduled(&self.schedule.name, &self.region, &self.account, time),
        }
    }

    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// A clock that runs faster than the wall clock.
struct Clock {
    begin: Timestamp,
    begun: Instant,
    speed: f64,
}

impl Clock {
    fn start(speed: f64) -> Self {
        Self { begin: Timestamp::now(), begun: Instant::now(), speed }
    }

    /// Returns the wall-clock time until this clock shows `time`.
    fn until(&self, time: Timestamp) -> Duration {
        let since_begin = Duration::try_from(time.duration_since(self.begin)).unwrap_or_default();
        let on_the_wall = Duration::try_from_secs_f64(since_begin.as_secs_f64() / self.speed).unwrap_or(since_begin);
        on_the_wall.saturating_sub(self.begun.elapsed())
    }
}
