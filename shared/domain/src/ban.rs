//! Bans: a backend keeps a user out until a moment, or only one of its devices or some of its
//! tokens.

use crate::identity::TokenStamp;
use crate::name::{Device, TokenId, UserId};
use crate::timestamp::Timestamp;

/// The connections of a user that may not be until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The user that is kept out.
    pub user: UserId,
    /// The part of the user's connections that the ban is for.
    pub scope: BanScope,
    /// The end of the ban. A ban that was lifted ended in the past.
    pub until: Timestamp,
}

/// The part of a user's connections that a ban is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BanScope {
    /// Every connection of the user.
    User,
    /// The connections of one device.
    Device(Device),
    /// The connections with the token of this id.
    Token(TokenId),
    /// The connections whose token was issued before this time, or names no time of issue. A user
    /// has one such ban: a later time replaces an earlier one, and never the reverse.
    IssuedBefore(Timestamp),
}

impl BanScope {
    /// Returns true if the ban is for tokens: the user may connect with another token.
    #[must_use]
    pub fn is_of_tokens(&self) -> bool {
        matches!(self, Self::Token(_) | Self::IssuedBefore(_))
    }

    /// Returns the code of the `bye` that a connection of this scope receives.
    #[must_use]
    pub fn bye_code(&self) -> &'static str {
        if self.is_of_tokens() { "revoked" } else { "kicked" }
    }

    /// Returns true if a ban of this scope is stored in the place of a ban of the other scope.
    #[must_use]
    pub fn has_place_of(&self, other: &Self) -> bool {
        self == other || matches!((self, other), (Self::IssuedBefore(_), Self::IssuedBefore(_)))
    }
}

impl Ban {
    /// Returns true if the ban keeps out a connection of its user on this device, with a token of
    /// these marks, at `now`.
    ///
    /// A connection without a device is kept out by no ban of a device, and one whose token has no
    /// id by no ban of a token. A token without a time of issue counts as issued before any time:
    /// otherwise a signer that leaves the claim out could not revoke anything.
    #[must_use]
    pub fn keeps_out(&self, device: Option<&Device>, stamp: &TokenStamp, now: Timestamp) -> bool {
        let is_meant = match &self.scope {
            BanScope::User => true,
            BanScope::Device(banned) => device == Some(banned),
            BanScope::Token(banned) => stamp.id.as_ref() == Some(banned),
            BanScope::IssuedBefore(moment) => stamp.issued_at.is_none_or(|issued_at| issued_at < *moment),
        };
        is_meant && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn device(name: &str) -> Device {
        Device::parse(name).unwrap()
    }

    fn token(id: &str) -> TokenId {
        TokenId::parse(id).unwrap()
    }

    fn ban(scope: BanScope) -> Ban {
        Ban { user: UserId::parse("ada").unwrap(), scope, until: NOW.plus(Duration::from_millis(1)) }
    }

    #[test]
    fn a_ban_keeps_out_its_device_or_every_device_until_it_ends() {
        let (user, phone) = (ban(BanScope::User), ban(BanScope::Device(device("phone"))));
        let stamp = TokenStamp::default();
        for (ban, of_phone, of_tablet, of_none) in [(&user, true, true, true), (&phone, true, false, false)] {
            assert_eq!(ban.keeps_out(Some(&device("phone")), &stamp, NOW), of_phone);
            assert_eq!(ban.keeps_out(Some(&device("tablet")), &stamp, NOW), of_tablet);
            assert_eq!(ban.keeps_out(None, &stamp, NOW), of_none);
            assert!(!ban.keeps_out(Some(&device("phone")), &stamp, ban.until));
        }
    }

    #[test]
    fn a_ban_of_a_token_keeps_out_this_token_on_every_device_and_no_other_token() {
        let ban = ban(BanScope::Token(token("t-1")));
        let with = |id: Option<&str>| TokenStamp { id: id.map(token), issued_at: Some(NOW) };
        for device in [None, Some(&device("phone"))] {
            assert!(ban.keeps_out(device, &with(Some("t-1")), NOW));
            assert!(!ban.keeps_out(device, &with(Some("t-1")), ban.until));
            assert!(!ban.keeps_out(device, &with(Some("t-10")), NOW));
            assert!(!ban.keeps_out(device, &with(None), NOW));
        }
    }

    #[test]
    fn a_token_that_names_no_time_of_issue_is_revoked_with_those_before_any_time() {
        let ban = ban(BanScope::IssuedBefore(Timestamp::from_ms(0)));
        assert!(ban.keeps_out(None, &TokenStamp::default(), NOW));
        assert!(!ban.keeps_out(None, &TokenStamp::default(), ban.until));
    }

    #[test]
    fn only_bans_of_tokens_leave_the_user_another_way_in() {
        assert!(BanScope::Token(token("t")).is_of_tokens() && BanScope::IssuedBefore(NOW).is_of_tokens());
        assert!(!BanScope::User.is_of_tokens() && !BanScope::Device(device("phone")).is_of_tokens());
    }

    proptest! {
        #[test]
        fn a_revocation_keeps_out_exactly_the_tokens_that_were_issued_before_it(moment in 0_u64..5_000, issued_at in 0_u64..5_000) {
            let ban = ban(BanScope::IssuedBefore(Timestamp::from_ms(moment)));
            let stamp = TokenStamp { id: None, issued_at: Some(Timestamp::from_ms(issued_at)) };
            prop_assert_eq!(ban.keeps_out(None, &stamp, NOW), issued_at < moment);
        }

        #[test]
        fn a_later_revocation_keeps_out_whatever_an_earlier_one_does(one in 0_u64..5_000, other in 0_u64..5_000, issued_at in prop::option::of(0_u64..5_000)) {
            let stamp = TokenStamp { id: None, issued_at: issued_at.map(Timestamp::from_ms) };
            let keeps_out = |moment| ban(BanScope::IssuedBefore(Timestamp::from_ms(moment))).keeps_out(None, &stamp, NOW);
            prop_assert!(!keeps_out(one.min(other)) || keeps_out(one.max(other)));
        }
    }
}
