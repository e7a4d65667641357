//! Configuration of the fanout function.

use domain::{PostRate, limits};
use lambda_kit::env;

/// Settings of the fanout function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `DELIVERIES_QUEUE_URL`: the URL of the deliveries queue.
    pub deliveries_queue: String,
    /// `DELIVERIES_DEAD_QUEUE_URL`: the URL of the deliveries-dead queue.
    pub deliveries_dead_queue: String,
    /// `DELIVERIES_WIDE_QUEUE_URL`: the URL of the deliveries-wide queue.
    pub deliveries_wide_queue: String,
    /// `DELIVERIES_WIDE_DEAD_QUEUE_URL`: the URL of the deliveries-wide-dead queue.
    pub deliveries_wide_dead_queue: String,
    /// `POSTS_PER_SECOND`: the posts a second of one process, its share of the deployment's budget.
    /// [`limits::POST_RATE`] if not set.
    pub post_rate: PostRate,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            deliveries_queue: env::required("DELIVERIES_QUEUE_URL", "the URL of the deliveries queue")?,
            deliveries_dead_queue: env::required("DELIVERIES_DEAD_QUEUE_URL", "the URL of the deliveries-dead queue")?,
            deliveries_wide_queue: env::required("DELIVERIES_WIDE_QUEUE_URL", "the URL of the deliveries-wide queue")?,
            deliveries_wide_dead_queue: env::required(
                "DELIVERIES_WIDE_DEAD_QUEUE_URL",
                "the URL of the deliveries-wide-dead queue",
            )?,
            post_rate: env::parsed("POSTS_PER_SECOND", "the posts a second of one process")?
                .unwrap_or(limits::POST_RATE),
        })
    }
}
