//! Promises of [`Bans`]: a ban holds from its write on until its end, for its user or device alone.

use std::time::Duration;

use domain::ports::{Bans, Clock};
use domain::{Ban, BanScope, Device, Timestamp, TokenId, UserId};

use crate::contracts::StoreFixture;
use crate::contracts::scene::unique_connection;

const HOUR: Duration = Duration::from_secs(3_600);

pub async fn a_user_has_the_bans_that_were_stored_until_they_end(fixture: &impl StoreFixture<Store: Bans>) {
    let (user, now) = (unique_user(fixture), fixture.clock().now());
    assert_eq!(of(fixture, &user, now).await, []);
    let whole = Ban { user: user.clone(), scope: BanScope::User, until: now.plus(HOUR) };
    let phone = Ban { scope: of_phone(), until: now.plus(2 * HOUR), ..whole.clone() };
    // A device and a token of one name are not the same.
    let token = Ban { scope: BanScope::Token(TokenId::parse("phone").unwrap()), ..phone.clone() };
    let older = Ban { scope: BanScope::IssuedBefore(now.minus(HOUR)), ..phone.clone() };
    for ban in [&whole, &phone, &token, &older] {
        fixture.store().ban(ban, now).await.unwrap();
    }
    assert_eq!(of(fixture, &user, now).await, [whole.clone(), phone.clone(), token.clone(), older.clone()]);
    assert_eq!(of(fixture, &user, whole.until).await, [phone, token, older]);
    assert_eq!(of(fixture, &unique_user(fixture), now).await, [], "another user has none");
}

pub async fn a_ban_replaces_the_one_before_it_and_ends_it_if_it_lies_in_the_past(
    fixture: &impl StoreFixture<Store: Bans>,
) {
    let (user, now) = (unique_user(fixture), fixture.clock().now());
    let ban = Ban { user: user.clone(), scope: BanScope::User, until: now.plus(HOUR) };
    let longer = Ban { until: now.plus(2 * HOUR), ..ban.clone() };
    for ban in [&ban, &longer, &longer] {
        fixture.store().ban(ban, now).await.unwrap();
    }
    assert_eq!(of(fixture, &user, now).await, [longer]);
    fixture.store().ban(&Ban { until: now, ..ban }, now).await.unwrap();
    assert_eq!(of(fixture, &user, now).await, []);
}

pub async fn of_the_revocations_of_a_user_the_one_of_the_latest_time_holds(fixture: &impl StoreFixture<Store: Bans>) {
    let (user, now) = (unique_user(fixture), fixture.clock().now());
    let before = |moment| Ban { user: user.clone(), scope: BanScope::IssuedBefore(moment), until: now.plus(HOUR) };
    let (early, late) = (before(now.minus(HOUR)), before(now.minus(Duration::from_millis(1))));
    // Commands may arrive twice, and in another order.
    for (revoked, held) in [(&early, &early), (&late, &late), (&early, &late), (&late, &late)] {
        fixture.store().ban(revoked, now).await.unwrap();
        assert_eq!(of(fixture, &user, now).await, std::slice::from_ref(held));
    }
    fixture.store().ban(&Ban { until: now, ..early }, now).await.unwrap();
    assert_eq!(of(fixture, &user, now).await, std::slice::from_ref(&late), "the end of an earlier one ends it not");
    fixture.store().ban(&Ban { until: now, ..late }, now).await.unwrap();
    assert_eq!(of(fixture, &user, now).await, []);
}

pub async fn bans_are_listed_from_the_moment_of_their_write_on(fixture: &impl StoreFixture<Store: Bans>) {
    let (user, now) = (unique_user(fixture), fixture.clock().now());
    let ban = Ban { user: user.clone(), scope: of_phone(), until: now.plus(HOUR) };
    fixture.store().ban(&ban, now).await.unwrap();
    let listed = async |since: Timestamp| {
        let bans = fixture.store().bans_since(since).await.unwrap();
        bans.into_iter().filter(|listed| listed.user == user).collect::<Vec<_>>()
    };
    assert_eq!(listed(now.minus(HOUR)).await, std::slice::from_ref(&ban));
    assert_eq!(listed(now).await, [ban]);
    assert_eq!(listed(now.plus(Duration::from_millis(1))).await, []);
}

fn of_phone() -> BanScope {
    BanScope::Device(Device::parse("phone").unwrap())
}

/// The bans of a user, that of the whole user first.
async fn of(fixture: &impl StoreFixture<Store: Bans>, user: &UserId, now: Timestamp) -> Vec<Ban> {
    let mut bans = fixture.store().bans_of(user, now).await.unwrap();
    bans.sort_by(|one, other| one.scope.cmp(&other.scope));
    bans
}

fn unique_user(fixture: &impl StoreFixture) -> UserId {
    let id = unique_connection(fixture.clock().now()).id;
    let letters: String = id.as_ref().chars().filter(char::is_ascii_alphanumeric).collect();
    UserId::parse(format!("user-{letters}")).unwrap()
}
