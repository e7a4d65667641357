//! Conditions for a run to pass.

use serde::{Deserialize, Serialize};

/// Conditions besides correctness. A threshold that is absent is not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The median time to the acceptance of a publication, in milliseconds.
    pub accepted_p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub accepted_p99_ms: Option<f64>,
    /// The median time of deliveries.
    pub each_p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub each_p99_ms: Option<f64>,
    /// The 99.9th percentile of the same.
    pub each_p999_ms: Option<f64>,
    /// The median time to the last member of a publication.
    pub last_p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub last_p99_ms: Option<f64>,
    /// The 99th percentile of the time of joins.
    pub join_p99_ms: Option<f64>,
    /// The 99th percentile of the time of resumes.
    pub resume_p99_ms: Option<f64>,
    /// Maximum ratio of the 99th percentile of the time to the last member: in a phase with a
    /// hostile connection, to the measured phases without one.
    pub hostile_p99_ratio: Option<f64>,
    /// Maximum posts for each delivery.
    pub posts_per_delivery: Option<f64>,
    /// Maximum members that wait 5 s or more for a publication.
    pub stalled_members: Option<u64>,
    /// Maximum connections that are lost unintentionally.
    pub connections_lost: Option<u64>,
}
