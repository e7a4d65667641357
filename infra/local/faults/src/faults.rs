//! The handle that components consult at each occasion of a fault.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;

use crate::chance::throw;
use crate::fault::Fault;
use crate::spec::{Setting, Spec};

/// The faults that are enabled now. Clones are handles to the same faults. The default has none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seed: u64,
    /// True if any fault is enabled.
    armed: AtomicBool,
    switches: [Switch; Fault::ALL.len()],
    listener: Listener,
}

/// A callback that receives each fault that happens, if one is set.
#[derive(Default)]
struct Listener(OnceLock<Box<dyn Fn(Fault) + Send + Sync>>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.get().is_some()).finish()
    }
}

/// The setting of one fault. Fields that are read at different moments may belong to different
/// settings, because a change takes effect only soon.
#[derive(Debug, Default)]
struct Switch {
    is_set: AtomicBool,
    /// The rate, as the bits of a double.
    rate: AtomicU64,
    shortest_ms: AtomicU64,
    longest_ms: AtomicU64,
    occasions: AtomicU64,
    fired: AtomicU64,
}

/// The counts of one fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Number of occasions while the fault was enabled.
    pub occasions: u64,
    /// Number of times that the fault happened.
    pub fired: u64,
}

impl Faults {
    /// Creates faults from a spec. The n-th occasion of a fault has the same result in every run
    /// with the same seed.
    #[must_use]
    pub fn new(spec: &Spec, seed: u64) -> Self {
        let faults = Self { shared: Arc::new(Shared { seed, ..Shared::default() }) };
        faults.set(spec);
        faults
    }

    /// Replaces the enabled faults. The counts continue.
    pub fn set(&self, spec: &Spec) {
        for fault in Fault::ALL {
            self.switch(fault).is_set.store(false, Ordering::Relaxed);
        }
        for (fault, setting) in spec.settings() {
            let switch = self.switch(fault);
            switch.store(setting);
            switch.is_set.store(true, Ordering::Release);
        }
        self.shared.armed.store(!spec.is_empty(), Ordering::Release);
    }

    /// Returns the enabled faults.
    #[must_use]
    pub fn spec(&self) -> Spec {
        Fault::ALL.into_iter().filter_map(|fault| Some((fault, self.switch(fault).load(fault)?))).collect()
    }

    /// Returns the seed of the random decisions.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Returns whether any fault is enabled. If not, callers need no other method.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.shared.armed.load(Ordering::Acquire)
    }

    /// Decides an occasion: returns whether the fault happens, and counts it if so.
    #[must_use]
    pub fn fires(&self, fault: Fault) -> bool {
        let due = self.is_due(fault);
        if due {
            self.happened(fault);
        }
        due
    }

    /// Decides an occasion: returns whether the fault must happen. The caller that carries it out
    /// reports that with [`Faults::happened`].
    #[must_use]
    pub fn is_due(&self, fault: Fault) -> bool {
        let Some(throw) = self.throw(fault) else { return false };
        throw < f64::from_bits(self.switch(fault).rate.load(Ordering::Relaxed))
    }

    /// Decides an occasion: returns the delay, or `None` if the fault is not enabled. The fault
    /// does not count as having happened.
    #[must_use]
    pub fn delay(&self, fault: Fault) -> Option<Duration> {
        let throw = self.throw(fault)?;
        let switch = self.switch(fault);
        let (shortest_ms, longest_ms) =
            (switch.shortest_ms.load(Ordering::Relaxed), switch.longest_ms.load(Ordering::Relaxed));
        let more_ms = throw * (longest_ms.saturating_sub(shortest_ms) + 1) as f64;
        Some(Duration::from_millis(shortest_ms + more_ms as u64))
    }

    /// Returns the longest time that [`Faults::delay`] returns.
    #[must_use]
    pub fn longest_delay(&self, fault: Fault) -> Duration {
        Duration::from_millis(self.switch(fault).longest_ms.load(Ordering::Relaxed))
    }

    /// Returns a number from 0 to 1 (never 1) for a fault that happens now. Callers use it for
    /// details, such as the moment at which an invocation is cut.
    #[must_use]
    pub fn share(&self, fault: Fault) -> f64 {
        let occasion = self.switch(fault).occasions.load(Ordering::Relaxed);
        throw(!self.shared.seed, fault as u64, occasion)
    }

    /// Records that the fault has happened.
    pub fn happened(&self, fault: Fault) {
        self.switch(fault).fired.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = self.shared.listener.0.get() {
            listener(fault);
        }
    }

    /// Calls `listener` for each later fault. Only the first listener is used.
    pub fn set_listener(&self, listener: impl Fn(Fault) + Send + Sync + 'static) {
        drop(self.shared.listener.0.set(Box::new(listener)));
    }

    /// Returns the counts of the faults that had an occasion, in the order of their numbers.
    #[must_use]
    pub fn counts(&self) -> Vec<(Fault, Count)> {
        let counts = Fault::ALL.into_iter().map(|fault| (fault, self.count(fault)));
        counts.filter(|(_, count)| count.occasions > 0).collect()
    }

    /// Returns the counts of one fault.
    #[must_use]
    pub fn count(&self, fault: Fault) -> Count {
        let switch = self.switch(fault);
        Count { occasions: switch.occasions.load(Ordering::Relaxed), fired: switch.fired.load(Ordering::Relaxed) }
    }

    /// Returns [`Faults::counts`] by number, for display.
    #[must_use]
    pub fn counts_by_number(&self) -> BTreeMap<&'static str, Count> {
        self.counts().into_iter().map(|(fault, count)| (fault.number(), count)).collect()
    }

    fn throw(&self, fault: Fault) -> Option<f64> {
        let switch = self.switch(fault);
        if !self.armed() || !switch.is_set.load(Ordering::Acquire) {
            return None;
        }
        let occasion = switch.occasions.fetch_add(1, Ordering::Relaxed);
        Some(throw(self.shared.seed, fault as u64, occasion))
    }

    fn switch(&self, fault: Fault) -> &Switch {
        &self.shared.switches[fault as usize]
    }
}

impl Switch {
    fn store(&self, setting: &Setting) {
        match setting {
            Setting::Rate(rate) => self.rate.store(rate.to_bits(), Ordering::Relaxed),
            Setting::Delay(times) => {
                let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                self.shortest_ms.store(ms(times.start()), Ordering::Relaxed);
                self.longest_ms.store(ms(times.end()), Ordering::Relaxed);
            }
        }
    }

    fn load(&self, fault: Fault) -> Option<Setting> {
        if !self.is_set.load(Ordering::Acquire) {
            return None;
        }
        let time = |ms: &AtomicU64| Duration::from_millis(ms.load(Ordering::Relaxed));
        Some(match fault.kind() {
            crate::Kind::Rate => Setting::Rate(f64::from_bits(self.rate.load(Ordering::Relaxed))),
            crate::Kind::Delay => Setting::Delay(time(&self.shortest_ms)..=time(&self.longest_ms)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &str) -> Faults {
        Faults::new(&spec.parse().unwrap(), 7)
    }

    #[test]
    fn nothing_happens_and_nothing_is_counted_unless_it_is_set() {
        let faults = Faults::default();
        assert!(!Fault::ALL.into_iter().any(|fault| faults.fires(fault)));
        assert_eq!((faults.armed(), faults.counts()), (false, vec![]));
        assert_eq!(faults.delay(Fault::IndexLag), None);
    }

    #[test]
    fn a_fault_happens_as_often_as_its_rate_says_and_is_counted() {
        let faults = faults("F33=0.2,F1=1,F2=0");
        let fired = (0..10_000).filter(|_| faults.fires(Fault::AccountThrottled)).count();
        assert!((1_850..2_150).contains(&fired), "{fired}");
        assert_eq!(faults.count(Fault::AccountThrottled), Count { occasions: 10_000, fired: fired as u64 });
        assert!(faults.fires(Fault::Killed) && !faults.fires(Fault::TimedOut) && !faults.fires(Fault::Hang));
    }

    #[test]
    fn the_same_seed_decides_the_same_whatever_happens_in_between() {
        let (one, other) = (faults("F33=0.5,F35=0.5"), faults("F33=0.5,F35=0.5"));
        for _ in 0..1_000 {
            let _ = other.fires(Fault::Unavailable);
            assert_eq!(one.fires(Fault::AccountThrottled), other.fires(Fault::AccountThrottled));
        }
    }

    #[test]
    fn delays_fill_their_range_and_do_not_leave_it() {
        let faults = faults("F19=10..20ms");
        let delays: Vec<u128> =
            (0..1_000).filter_map(|_| faults.delay(Fault::IndexLag)).map(|delay| delay.as_millis()).collect();
        assert_eq!((delays.len(), delays.iter().min(), delays.iter().max()), (1_000, Some(&10), Some(&20)));
        assert_eq!(faults.longest_delay(Fault::IndexLag), Duration::from_millis(20));
    }

    #[test]
    fn they_can_be_changed_while_everything_runs_and_counts_go_on() {
        let faults = faults("F33=1");
        let other_handle = faults.clone();
        assert!(other_handle.fires(Fault::AccountThrottled));
        faults.set(&"F19=0..5ms,F35=1".parse().unwrap());
        assert!(!other_handle.fires(Fault::AccountThrottled) && other_handle.fires(Fault::Unavailable));
        assert_eq!(other_handle.spec().to_string(), "F19=0..5ms,F35=1");
        faults.set(&Spec::default());
        assert!(!other_handle.armed() && other_handle.spec().is_empty());
        assert_eq!(other_handle.counts_by_number()["F33"], Count { occasions: 1, fired: 1 });
    }
}
