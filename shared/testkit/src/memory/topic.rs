//! The topic that backends listen to.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Activity;
use domain::ports::{Activities, Result};

/// The `activity` topic in memory: everything that was told, in order. Clones are the same topic.
#[derive(Debug, Clone, Default)]
pub struct Topic(Arc<Mutex<Vec<Activity>>>);

impl Topic {
    /// Everything that was told.
    #[must_use]
    pub fn told(&self) -> Vec<Activity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was told since this was last asked.
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
