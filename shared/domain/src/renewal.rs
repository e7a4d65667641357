//! Renewal of a token on a live connection: the permission to renew, and the effect on memberships.

use std::time::Duration;

use crate::identity::Identity;
use crate::limits;
use crate::name::RoomId;
use crate::position::Position;
use crate::reject::{Code, Reject};
use crate::timestamp::Timestamp;

/// The number of successive renewals with different expiry times. A request that was judged before
/// the first of them is finished long before the last.
const TOLD_APART: u64 = 1_000;

/// A connection's membership of a room, with the data that a renewal needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The room of the membership.
    pub room: RoomId,
    /// True if a backend granted the membership, whatever the token allows.
    pub granted: bool,
    /// The time from which the member receives nothing more.
    pub expires_at: Option<Timestamp>,
    /// The head of the room when the membership began, if the room had one.
    pub began_at: Option<Position>,
    /// True if the member receives the names of the room's members.
    pub sees_members: bool,
}

/// A membership that gets another expiry, or another right to see the room's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The room of the membership.
    pub room: RoomId,
    /// True if the member receives the names of the room's members from now on.
    pub sees_members: bool,
}

/// The changes that a renewal makes to memberships. A membership in neither list stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renewal {
    /// Rooms to leave: the new token does not allow them, and no backend granted them.
    pub leave: Vec<RoomId>,
    /// Memberships that get another expiry, or another right to see members.
    pub extend: Vec<Extension>,
}

/// Checks that a connection may continue with another identity: only as the same user, and never
/// from a guest.
///
/// # Errors
/// `forbidden`, with advice.
pub fn may_renew(current: &Identity, renewed: &Identity) -> Result<(), Reject> {
    let forbidden = |message: &str| Err(Reject::new(Code::Forbidden, message).of("token"));
    if current.guest {
        return forbidden("a guest has no token to renew; connect again with this one");
    }
    if current.user != renewed.user {
        return forbidden("the token is another user's (sub); renew with one of the same sub, or connect again");
    }
    Ok(())
}

/// Returns the pause before a connection may renew its token at `now`, if there is one, by the time
/// of the last renewal. A time in the future comes from another clock, and causes no pause.
#[must_use]
pub fn renewal_pause(last: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let last = last.filter(|last| *last <= now)?;
    let left = limits::RENEWAL_PAUSE.saturating_sub(now.since(last));
    (!left.is_zero()).then_some(left)
}

/// Makes the renewed identity expire at another time than the identities before it. A concurrent
/// request was judged by an older identity, and is refused because the expiry differs. So each
/// renewal moves the expiry one millisecond back within its second. The expiry never lies after
/// that of the token.
#[must_use]
pub fn told_apart(current: &Identity, renewed: Identity) -> Identity {
    let expires_at = match (current.expires_at, renewed.expires_at) {
        (Some(before), Some(after)) => Some(a_moment_earlier(before.as_ms(), after.as_ms())),
        (_, after) => after,
    };
    Identity { expires_at, ..renewed }
}

/// Returns the latest time not after `after` whose milliseconds are one less than those of
/// `before`, modulo a second.
fn a_moment_earlier(before: u64, after: u64) -> Timestamp {
    let wanted = (before % TOLD_APART + TOLD_APART - 1) % TOLD_APART;
    let too_late = (after % TOLD_APART + TOLD_APART - wanted) % TOLD_APART;
    Timestamp::from_ms(after.saturating_sub(too_late))
}

/// Decides the effect of a renewed identity on the memberships of its connection. A second
/// application changes nothing.
#[must_use]
pub fn renewal(holdings: &[Holding], renewed: &Identity) -> Renewal {
    let mut renewal = Renewal::default();
    for Holding { room, granted, expires_at, sees_members, .. } in holdings {
        let will_see = renewed.receives_names(room);
        if !granted && !renewed.may_join(room) {
            renewal.leave.push(room.clone());
        } else if *expires_at != renewed.expires_at || *sees_members != will_see {
            renewal.extend.push(Extension { room: room.clone(), sees_members: will_see });
        }
    }
    renewal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Pattern, Permissions, TokenStamp};
    use crate::name::UserId;
    use proptest::prelude::*;

    fn identity(user: &str, join: &[&str], expires_ms: u64) -> Identity {
        Identity {
            user: UserId::parse(user).unwrap(),
            device: None,
            guest: false,
            admin: false,
            expires_at: Some(Timestamp::from_ms(expires_ms)),
            permissions: Permissions {
                join: join.iter().map(|text| Pattern::new(*text)).collect(),
                ..Permissions::default()
            },
            stamp: TokenStamp::default(),
        }
    }

    #[test]
    fn nobody_becomes_somebody_else_and_no_guest_a_user() {
        let ada = identity("ada", &["*"], 1);
        assert_eq!(may_renew(&ada, &identity("ada", &[], 2)), Ok(()));
        let guest = Identity { guest: true, ..identity("guest:5f0c2b7a91de", &["*"], 1) };
        for (current, renewed) in
            [(&ada, identity("bob", &["*"], 2)), (&guest, identity("ada", &["*"], 2)), (&guest, guest.clone())]
        {
            let reject = may_renew(current, &renewed).unwrap_err();
            assert_eq!((reject.code, reject.field.as_deref()), (Code::Forbidden, Some("token")));
            assert!(reject.message.contains("connect again"), "{}", reject.message);
        }
    }

    #[test]
    fn tokens_that_expire_together_are_told_apart_however_many_they_are() {
        let at = |ms| identity("ada", &["*"], ms);
        let first = at(60_000);
        let second = told_apart(&first, at(60_000));
        let third = told_apart(&second, at(60_000));
        let ends = [&first, &second, &third].map(|one| one.expires_at.unwrap().as_ms());
        assert_eq!(ends, [60_000, 59_999, 59_998]);
    }

    #[test]
    fn a_token_that_comes_back_after_another_is_another() {
        let at = |ms| identity("ada", &["*"], ms);
        let first = at(60_000);
        let second = told_apart(&first, at(120_000));
        let again = told_apart(&second, at(60_000));
        assert_eq!((second, again), (at(119_999), at(59_998)));
    }

    #[test]
    fn rooms_that_are_allowed_no_longer_are_left_but_for_those_that_a_backend_gave() {
        let held = |room: &str, granted| Holding {
            room: RoomId::parse(room).unwrap(),
            granted,
            expires_at: Some(Timestamp::from_ms(1)),
            began_at: None,
            sees_members: false,
        };
        let holdings = [held("lobby", false), held("team:7", false), held("team:8", true), held("@ada", false)];
        let Renewal { leave, extend } = renewal(&holdings, &identity("ada", &["lobby"], 2));
        let names = |rooms: Vec<RoomId>| rooms.into_iter().map(RoomId::into_string).collect::<Vec<_>>();
        let extend = extend.into_iter().map(|extension| extension.room).collect();
        assert_eq!(
            (names(leave), names(extend)),
            (vec!["team:7".to_owned()], vec!["lobby".into(), "team:8".into(), "@ada".into()])
        );
    }

    #[test]
    fn a_token_of_the_same_expiry_gives_and_takes_the_right_to_see_members() {
        let seeing = |presence: &[&str]| {
            let presence = presence.iter().map(|text| Pattern::new(*text)).collect();
            let ada = identity("ada", &["*"], 2);
            Identity { permissions: Permissions { presence, ..ada.permissions }, ..ada }
        };
        let held = |sees_members| Holding {
            room: RoomId::parse("team:7").unwrap(),
            granted: false,
            expires_at: Some(Timestamp::from_ms(2)),
            began_at: None,
            sees_members,
        };
        for (presence, before, after) in
            [(vec!["team:*"], false, Some(true)), (vec![], true, Some(false)), (vec!["team:7"], true, None)]
        {
            let extend = renewal(&[held(before)], &seeing(&presence)).extend;
            assert_eq!(extend.first().map(|extension| extension.sees_members), after, "{presence:?}");
        }
    }

    fn holding() -> impl Strategy<Value = Holding> {
        let expires = prop::option::of(0_u64..4).prop_map(|at| at.map(Timestamp::from_ms));
        ("[ab]:[0-3]", any::<bool>(), expires, any::<bool>()).prop_map(|(room, granted, expires_at, sees_members)| {
            Holding { room: RoomId::parse(room).unwrap(), granted, expires_at, began_at: None, sees_members }
        })
    }

    proptest! {
        #[test]
        fn no_two_of_many_renewals_expire_together_and_none_later_or_much_sooner_than_it_says(
            said in prop::collection::vec(100_000_u64..103_000, 1..1_000)
        ) {
            let mut expiries = std::collections::BTreeSet::from([100_500]);
            let mut current = identity("ada", &["*"], 100_500);
            for said in &said {
                current = told_apart(&current, identity("ada", &["*"], *said));
                let expires = current.expires_at.unwrap().as_ms();
                prop_assert!((said - 999..=*said).contains(&expires));
                prop_assert!(expiries.insert(expires));
            }
        }

        #[test]
        fn what_is_left_was_not_allowed_and_what_stays_hears_until_the_new_token_expires(
            holdings in prop::collection::vec(holding(), 0..9), pattern in "[ab*]:[0-3*]", at in 0_u64..4
        ) {
            let renewed = identity("ada", &[&pattern], at);
            let Renewal { leave, extend } = renewal(&holdings, &renewed);
            for held in &holdings {
                let stays = held.granted || renewed.may_join(&held.room);
                let extended = extend.iter().find(|extension| extension.room == held.room);
                let is_right = held.expires_at == renewed.expires_at && !held.sees_members;
                prop_assert!(stays || leave.contains(&held.room));
                prop_assert!(!stays || is_right || extended.is_some_and(|extension| !extension.sees_members));
            }
            for room in &leave {
                prop_assert!(!renewed.may_join(room));
            }
        }

        #[test]
        fn a_renewal_that_was_done_has_nothing_more_to_do(holdings in prop::collection::vec(holding(), 0..9), at in 0_u64..4) {
            let renewed = identity("ada", &["a:*"], at);
            let Renewal { leave, extend } = renewal(&holdings, &renewed);
            let after: Vec<Holding> = holdings
                .into_iter()
                .filter(|held| !leave.contains(&held.room) || held.granted)
                .map(|held| match extend.iter().find(|extension| extension.room == held.room) {
                    Some(Extension { sees_members, .. }) => {
                        Holding { expires_at: renewed.expires_at, sees_members: *sees_members, ..held }
                    }
                    None => held,
                })
                .collect();
            prop_assert_eq!(renewal(&after, &renewed), Renewal::default());
        }
    }
}
