//! What must hold for a run to pass.

use serde::{Deserialize, Serialize};

/// What must hold, beside correctness. What is not named is not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Half of all publications are accepted within so many milliseconds.
    pub accepted_p50_ms: Option<f64>,
    /// 99 of 100 are.
    pub accepted_p99_ms: Option<f64>,
    /// Half of all deliveries take at most this.
    pub each_p50_ms: Option<f64>,
    /// 99 of 100 do.
    pub each_p99_ms: Option<f64>,
    /// 999 of 1,000 do.
    pub each_p999_ms: Option<f64>,
    /// The last member has half of all publications within this.
    pub last_p50_ms: Option<f64>,
    /// And 99 of 100.
    pub last_p99_ms: Option<f64>,
    /// 99 of 100 joins take at most this.
    pub join_p99_ms: Option<f64>,
    /// 99 of 100 resumes do.
    pub resume_p99_ms: Option<f64>,
    /// Posts for each delivery, at most.
    pub posts_per_delivery: Option<f64>,
    /// Members that may wait 5 s or more for something.
    pub stalled_members: Option<u64>,
    /// Connections that may be lost though nobody meant to.
    pub connections_lost: Option<u64>,
}
