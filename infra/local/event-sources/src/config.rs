//! The configuration of all mappings.

use crate::queue::QueueSource;
use crate::schedule::Schedule;
use crate::settings::Settings;
use crate::stream::StreamSource;

/// All mappings and their settings.
#[derive(Clone)]
pub struct Config {
    /// What all mappings share.
    pub settings: Settings,
    /// Mappings from SQS queues.
    pub queues: Vec<QueueSource>,
    /// Mappings from DynamoDB streams.
    pub streams: Vec<StreamSource>,
    /// Rules that invoke a function at scheduled times.
    pub schedules: Vec<Schedule>,
}
