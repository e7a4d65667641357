//! Polls the faults of the local stack during a run, so that the report marks when they fired.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::interval;

use crate::counters::{Usage, local};
use crate::run::world::World;

/// Interval of the polls. A mark is at most this much later than its fault.
const EVERY: Duration = Duration::from_secs(1);

/// The faults that have been seen so far.
pub(super) struct FaultWatch<'e> {
    endpoint: Option<&'e str>,
    seen: Usage,
}

impl<'e> FaultWatch<'e> {
    /// A watch that has seen the faults in `before`. Without counters there is nothing to poll.
    pub(super) fn new(endpoint: Option<&'e str>, before: Option<&Usage>) -> Self {
        Self { endpoint: endpoint.filter(|_| before.is_some()), seen: before.cloned().unwrap_or_default() }
    }

    /// Polls until the future is dropped.
    pub(super) async fn keep(&mut self, world: &World) -> Infallible {
        let mut ticks = interval(EVERY);
        loop {
            ticks.tick().await;
            self.poll(world).await;
        }
    }

    /// Marks the faults that fired since the last poll.
    pub(super) async fn poll(&mut self, world: &World) {
        let Some(endpoint) = self.endpoint else { return };
        // A poll that fails leaves its faults to the next one.
        let Ok(usage) = local::read(endpoint).await else { return };
        let now = world.clock.now();
        for (fault, fired) in &usage.since(&self.seen).faults {
            world.recorder().fault(now, fault, *fired);
        }
        self.seen = usage;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::member::Patience;
    use crate::scenario::parse;
    use crate::wire::target::Target;

    /// Counters in which the fault has fired 3 times more at each request.
    async fn counters() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for request in 1.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let read = stream.read(&mut [0; 4_096]).await.unwrap();
                assert!(read > 0);
                let body = format!(r#"{{"faults":{{"F17":{{"what":"throttles","fired":{}}}}}}}"#, request * 3);
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_fault_is_marked_when_it_fired_and_as_often_as_it_fired() {
        let endpoint = counters().await;
        let scenario = "name = \"x\"\nabout = \"x\"\nrooms = [{ members = 1, rate = 1 }]\nphases = [{ name = \"s\", seconds = 1 }]";
        let target = Target::parse("ws://127.0.0.1:1/local", None).unwrap();
        let world = World::new(target, parse(scenario, "x").unwrap(), "r", "load", Patience::default());
        let before = local::read(&endpoint).await.unwrap();
        let mut watch = FaultWatch::new(Some(&endpoint), Some(&before));
        watch.poll(&world).await;
        watch.poll(&world).await;
        let marks = world.recorder().faults.clone();
        let told: Vec<_> = marks.iter().map(|mark| (mark.fault.as_str(), mark.fired)).collect();
        assert_eq!(told, [("F17 throttles", 3.0), ("F17 throttles", 3.0)]);
    }

    #[tokio::test]
    async fn without_counters_nothing_is_polled() {
        let watch = FaultWatch::new(Some("http://127.0.0.1:1"), None);
        assert_eq!(watch.endpoint, None);
    }
}
