//! The topic on which backends receive activity.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Activity;
use domain::ports::{Activities, Result};

/// The topic `activity` in memory, with every message in order. Clones are the same topic.
#[derive(Debug, Clone, Default)]
pub struct Topic(Arc<Mutex<Vec<Activity>>>);

impl Topic {
    /// Every message of the topic, in order.
    #[must_use]
    pub fn told(&self) -> Vec<Activity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the messages since the last take.
    #[must_use]
    pub fn take(&self) -> Vec<Activity> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Activities for Topic {
    async fn tell(&self, activities: &[Activity]) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(activities);
        Ok(())
    }
}
