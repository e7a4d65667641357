//! The runner's hooks in the gateway: grants of the management API, and faults on demand.

use std::sync::Arc;
use std::time::Duration;

use local_faults::{Fault, Faults};
use local_gateway::{Access, CallFault, DisconnectFault, Happening, Hooks, ManagementCall, ManagementMethod};

use crate::aws::DEVELOPER;
use crate::aws::caller::{Caller, Callers};
use crate::aws::grants::Grants;
use crate::inspector::Inspector;

/// Checks the management API with the same grants as the AWS endpoint.
pub(crate) struct Granted {
    pub(crate) callers: Arc<Callers>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) faults: Faults,
    pub(crate) inspector: Inspector,
}

/// F32: age below which a connection may be answered with 410.
const FRESH: Duration = Duration::from_secs(5);
/// F39: delay of a slow answer.
const SLOW: Duration = Duration::from_secs(5);
/// F45: most time until a late or repeated `$disconnect`.
const LATE: Duration = Duration::from_secs(5);

/// The faults of any call, in the order in which they are checked.
const OF_CALLS: [(Fault, CallFault); 7] = [
    (Fault::AccountThrottled, CallFault::Throttled),
    (Fault::Unavailable, CallFault::Unavailable),
    (Fault::Forbidden, CallFault::Forbidden),
    (Fault::Hang, CallFault::Hang),
    (Fault::Slow, CallFault::Delay(SLOW)),
    (Fault::AnswerLost, CallFault::LoseResponse),
    (Fault::CloseAfter, CallFault::CloseAfter),
];

impl Hooks for Granted {
    fn authorize(&self, call: &ManagementCall<'_>) -> Access {
        let caller = self.callers.of_key(call.access_key_id);
        match self.grants.denial_of_connections(&caller, call.method.name()) {
            None => Access::Allow,
            Some(sentence) => {
                tracing::warn!("a call of the management API is denied: {sentence}");
                Access::Deny(sentence)
            }
        }
    }

    fn fault_of_call(&self, call: &ManagementCall<'_>, age: &dyn Fn() -> Option<Duration>) -> Option<CallFault> {
        if !self.faults.armed() {
            return None;
        }
        let fault = OF_CALLS.into_iter().find(|(fault, _)| self.faults.fires(*fault)).map(|(_, what)| what);
        fault.or_else(|| if call.method == ManagementMethod::Post { self.fault_of_post(age) } else { None })
    }

    fn fault_of_disconnect(&self, _connection_id: &str) -> Option<DisconnectFault> {
        if self.faults.fires(Fault::NoDisconnect) {
            return Some(DisconnectFault::Drop);
        }
        self.faults.fires(Fault::DisconnectAgain).then(|| {
            let share = self.faults.share(Fault::DisconnectAgain);
            // Half of them are late; the others happen twice.
            let later = LATE.mul_f64(2.0 * (share % 0.5));
            if share < 0.5 { DisconnectFault::Delay(later) } else { DisconnectFault::Repeat(later) }
        })
    }

    fn is_observing(&self) -> bool {
        self.inspector.is_recording()
    }

    fn observe(&self, happening: Happening<'_>) {
        self.inspector.record_of_gateway(happening, |access_key_id| self.name_of(access_key_id));
    }
}

impl Granted {
    /// Returns the name of the function with this access key, or the developer's.
    fn name_of(&self, access_key_id: &str) -> String {
        match self.callers.of_key(access_key_id) {
            Caller::Function(function) | Caller::Poller(function) => function.to_string(),
            Caller::Developer | Caller::Nobody => DEVELOPER.to_owned(),
        }
    }

    /// Returns the fault of a post to a connected client, if any.
    fn fault_of_post(&self, age: &dyn Fn() -> Option<Duration>) -> Option<CallFault> {
        if self.faults.fires(Fault::BufferFull) {
            return Some(CallFault::Throttled);
        }
        if self.faults.is_due(Fault::NotReady) && age().is_some_and(|age| age < FRESH) {
            self.faults.happened(Fault::NotReady);
            return Some(CallFault::Gone);
        }
        if self.faults.is_due(Fault::Cut) && age().is_some() {
            self.faults.happened(Fault::Cut);
            return Some(CallFault::Cut);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::inspector::Pages;

    const POST: ManagementCall<'static> =
        ManagementCall { access_key_id: "test", method: ManagementMethod::Post, connection_id: "AAAA1234=" };

    fn hooks(spec: &str) -> Granted {
        let topology = topology::Topology::parse("version: 1\nname: x\nfunctions: {}");
        let grants = Arc::new(Grants::new(&topology.unwrap()));
        let faults = Faults::new(&spec.parse().unwrap(), 7);
        let inspector = Inspector::new(faults.clone(), Pages::default(), BTreeMap::new(), CancellationToken::new());
        Granted { callers: Arc::default(), grants, faults, inspector }
    }

    fn young() -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    #[test]
    fn each_fault_of_a_call_is_what_its_number_says_and_is_counted() {
        for (spec, expected) in [
            ("", None),
            ("F33=0", None),
            ("F32=1", Some(CallFault::Gone)),
            ("F33=1", Some(CallFault::Throttled)),
            ("F34=1", Some(CallFault::Throttled)),
            ("F35=1", Some(CallFault::Unavailable)),
            ("F36=1", Some(CallFault::Forbidden)),
            ("F38=1", Some(CallFault::Hang)),
            ("F39=1", Some(CallFault::Delay(SLOW))),
            ("F40=1", Some(CallFault::LoseResponse)),
            ("F42=1", Some(CallFault::CloseAfter)),
            ("F48=1", Some(CallFault::Cut)),
        ] {
            let hooks = hooks(spec);
            assert_eq!(hooks.fault_of_call(&POST, &young), expected, "{spec}");
            let fired: u64 = hooks.faults.counts().iter().map(|(_, count)| count.fired).sum();
            assert_eq!(fired, u64::from(expected.is_some()), "{spec}");
        }
    }

    #[test]
    fn a_full_buffer_is_of_posts_and_a_throttled_account_of_every_call() {
        let get = ManagementCall { method: ManagementMethod::Get, ..POST };
        assert_eq!(hooks("F34=1,F32=1,F48=1").fault_of_call(&get, &young), None);
        assert_eq!(hooks("F33=1").fault_of_call(&get, &young), Some(CallFault::Throttled));
    }

    #[test]
    fn only_a_fresh_connection_is_not_ready() {
        let old = || Some(FRESH);
        let hooks = hooks("F32=1");
        assert_eq!(hooks.fault_of_call(&POST, &old), None);
        assert_eq!(hooks.fault_of_call(&POST, &|| None), None);
        assert_eq!(hooks.faults.count(Fault::NotReady).fired, 0);
    }

    #[test]
    fn a_disconnect_does_not_happen_or_late_or_twice() {
        assert_eq!(hooks("").fault_of_disconnect("AAAA1234="), None);
        assert_eq!(hooks("F43=1,F45=1").fault_of_disconnect("AAAA1234="), Some(DisconnectFault::Drop));
        let hooks = hooks("F45=1");
        let faults: Vec<_> = (0..100).filter_map(|_| hooks.fault_of_disconnect("AAAA1234=")).collect();
        let late = faults.iter().filter(|fault| matches!(fault, DisconnectFault::Delay(later) if *later < LATE));
        let again = faults.iter().filter(|fault| matches!(fault, DisconnectFault::Repeat(later) if *later < LATE));
        let (late, again) = (late.count(), again.count());
        assert!(late > 20 && again > 20 && late + again == 100, "{late} {again}");
    }
}
