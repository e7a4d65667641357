//! Configuration of the presence function.

use domain::Kinds;
use lambda_kit::env;

/// Settings of the presence function, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the name of the connections table.
    pub connections_table: String,
    /// `ROOMS_TABLE`: the name of the rooms table.
    pub rooms_table: String,
    /// `PRESENCE_QUEUE_URL`: the URL of the presence queue.
    pub presence_queue: String,
    /// `DELIVERIES_QUEUE_URL`: the URL of the deliveries queue.
    pub deliveries_queue: String,
    /// `DELIVERIES_WIDE_QUEUE_URL`: the URL of the deliveries-wide queue.
    pub deliveries_wide_queue: String,
    /// `ACTIVITY_TOPIC_ARN`: the ARN of the activity topic.
    pub activity_topic: String,
    /// `ACTIVITY`: the kinds of activity that are published to backends, separated by commas; none
    /// if not set.
    pub activity: Kinds,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// [`env::Error`] that names the variable.
    pub fn from_environment() -> Result<Self, env::Error> {
        let activity = env::parsed("ACTIVITY", "kinds of activity such as room_occupied,room_vacated")?;
        Ok(Self {
            connections_table: env::required("CONNECTIONS_TABLE", "the name of the connections table")?,
            rooms_table: env::required("ROOMS_TABLE", "the name of the rooms table")?,
            presence_queue: env::required("PRESENCE_QUEUE_URL", "the URL of the presence queue")?,
            deliveries_queue: env::required("DELIVERIES_QUEUE_URL", "the URL of the deliveries queue")?,
            deliveries_wide_queue: env::required("DELIVERIES_WIDE_QUEUE_URL", "the URL of the deliveries-wide queue")?,
            activity_topic: env::required("ACTIVITY_TOPIC_ARN", "the ARN of the activity topic")?,
            activity: activity.unwrap_or_default(),
        })
    }
}
