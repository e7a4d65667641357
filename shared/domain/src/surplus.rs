//! Surplus: the connections of a user beyond the number that a user may have.
//!
//! A new connection is never refused for the number, because the others may be gone already: a
//! client that lost its network leaves connections that the gateway notices minutes later. Instead
//! the user's oldest connections end. They are taken from the device with the most connections. So
//! a device that connects again and again ends its own connections, and not those of another
//! device.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::name::{ConnectionId, Device};
use crate::timestamp::Timestamp;

/// The entry of a connection in the directory of its user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enlisted {
    /// The time at which the connection began, by the clock of the gateway.
    pub at: Timestamp,
    /// The connection of the entry.
    pub connection: ConnectionId,
    /// The device of the connection, if it is known.
    pub device: Option<Device>,
}

/// Chooses the connections that end, so that at most `most` of a user's connections stay. The
/// result depends on neither the order of the entries nor the function that asks: two connections
/// that are opened at the same moment choose the same ones.
#[must_use]
pub fn surplus(entries: &[Enlisted], most: usize) -> Vec<ConnectionId> {
    let mut entries: Vec<&Enlisted> = entries.iter().collect();
    entries.sort();
    let mut devices: BTreeMap<Option<&Device>, VecDeque<&Enlisted>> = BTreeMap::new();
    entries.iter().for_each(|entry| devices.entry(entry.device.as_ref()).or_default().push_back(entry));
    let mut ended = Vec::new();
    for _ in most..entries.len() {
        // Of devices with equally many connections, the one with the older connection.
        let largest = devices.values_mut().max_by_key(|device| (device.len(), Reverse(device.front().copied())));
        ended.extend(largest.and_then(VecDeque::pop_front).map(|entry| entry.connection.clone()));
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(at_ms: u64, id: usize, device: Option<&str>) -> Enlisted {
        Enlisted {
            at: Timestamp::from_ms(at_ms),
            connection: ConnectionId::parse(format!("c{id}")).unwrap(),
            device: device.map(|name| Device::parse(name).unwrap()),
        }
    }

    fn names(ended: &[ConnectionId]) -> Vec<&str> {
        ended.iter().map(AsRef::as_ref).collect()
    }

    #[test]
    fn the_oldest_connections_end() {
        let entries = [entry(3, 1, None), entry(1, 2, None), entry(2, 3, None)];
        assert_eq!(names(&surplus(&entries, 3)), Vec::<&str>::new());
        assert_eq!(names(&surplus(&entries, 2)), ["c2"]);
        assert_eq!(names(&surplus(&entries, 1)), ["c2", "c3"]);
    }

    #[test]
    fn a_device_that_connects_again_and_again_ends_its_own_connections() {
        let laptop = entry(1, 0, Some("laptop"));
        let phone = (1..=100).map(|n| entry(1_000 + n as u64, n, Some("phone")));
        let entries: Vec<Enlisted> = std::iter::once(laptop).chain(phone).collect();
        let ended = surplus(&entries, 50);
        assert_eq!(ended.len(), 51);
        assert!(!names(&ended).contains(&"c0") && names(&ended).contains(&"c51") && !names(&ended).contains(&"c52"));
    }

    proptest! {
        #[test]
        fn the_number_is_kept_and_the_newest_connection_and_every_modest_device_stay(
            devices in prop::collection::vec((0_u64..50, prop::sample::select(vec![None, Some("a"), Some("b"), Some("c")])), 0..80),
            most in 1_usize..60,
        ) {
            let entries: Vec<Enlisted> =
                devices.iter().enumerate().map(|(id, (at, device))| entry(*at, id, *device)).collect();
            let ended = surplus(&entries, most);
            prop_assert_eq!(ended.len(), entries.len().saturating_sub(most));
            let stays = |entry: &Enlisted| !ended.contains(&entry.connection);
            prop_assert!(entries.iter().max().is_none_or(stays));
            let count = |device: &Option<Device>| entries.iter().filter(|entry| entry.device == *device).count();
            let modest = entries.iter().filter(|entry| count(&entry.device) <= most / 4);
            prop_assert!(modest.clone().all(stays), "each of four devices may have a quarter");
            let backwards: Vec<Enlisted> = entries.iter().rev().cloned().collect();
            prop_assert_eq!(surplus(&backwards, most), ended);
        }
    }
}
