//! Bans: a backend keeps a user, or one device of a user, out until a moment.

use crate::name::{Device, UserId};
use crate::timestamp::Timestamp;

/// A user or a device that may not connect until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The user that is kept out.
    pub user: UserId,
    /// The device; `None` for every device of the user.
    pub device: Option<Device>,
    /// The end of the ban. A ban that was lifted ended in the past.
    pub until: Timestamp,
}

impl Ban {
    /// Returns true if the ban keeps out this device of its user at `now`. A connection without a
    /// device is kept out by a ban of the whole user only.
    #[must_use]
    pub fn keeps_out(&self, device: Option<&Device>, now: Timestamp) -> bool {
        let is_meant = self.device.is_none() || self.device.as_ref() == device;
        is_meant && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn device(name: &str) -> Device {
        Device::parse(name).unwrap()
    }

    #[test]
    fn a_ban_keeps_out_its_device_or_every_device_until_it_ends() {
        let until = NOW.plus(Duration::from_millis(1));
        let user = Ban { user: UserId::parse("ada").unwrap(), device: None, until };
        let phone = Ban { device: Some(device("phone")), ..user.clone() };
        for (ban, of_phone, of_tablet, of_none) in [(&user, true, true, true), (&phone, true, false, false)] {
            assert_eq!(ban.keeps_out(Some(&device("phone")), NOW), of_phone);
            assert_eq!(ban.keeps_out(Some(&device("tablet")), NOW), of_tablet);
            assert_eq!(ban.keeps_out(None, NOW), of_none);
            assert!(!ban.keeps_out(Some(&device("phone")), until));
        }
    }
}
