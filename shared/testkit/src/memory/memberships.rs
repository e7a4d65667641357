//! Implements memberships over the state of the store.

use std::time::Duration;

use domain::ports::{Joined, Memberships, Page, Result};
use domain::{Change as Happened, Connection, ConnectionId, Member, Membership, RoomId, Shard, Timestamp, TokenStamp};

use super::bugs::Bug;
use super::conflicts::Item;
use super::connections::membership_change;
use super::index::Change;
use super::meter::Asked;
use super::store::{State, Store};
use super::unavailable;

/// This character sorts before every other character of an id: it ends the cursor of an empty page.
const FIRST_CHARACTER: char = '!';
/// The timeout of a function that a queue triggers.
const INVOCATION: Duration = Duration::from_secs(5);
/// How long before the log [`Bug::LogAfterMembers`] reads the members of a shard, at most.
const MEMBERS_READ_BEFORE: Duration = Duration::from_secs(1);

impl Memberships for Store {
    async fn join(&self, memberships: &[Membership]) -> Vec<Result<Joined>> {
        const OPERATION: &str = "TransactWriteItems (join)";
        let items: Vec<Item> = memberships.iter().map(item).collect();
        let admitted = match items.as_slice() {
            [_] => self.wait_for(OPERATION, &items).await.map(|()| None),
            items => self.transaction(OPERATION, items).await,
        };
        let _held = match admitted {
            Ok(held) => held,
            Err(error) => {
                let why = error.to_string();
                return memberships.iter().map(|_| Err(unavailable(OPERATION, why.clone()))).collect();
            }
        };
        memberships.iter().map(|membership| Ok(self.put(membership))).collect()
    }

    async fn take_back(&self, memberships: &[Membership]) -> Result<()> {
        for membership in memberships {
            self.wait_for("DeleteItem (take back)", &[item(membership)]).await?;
            let connection = &membership.member.connection;
            let now = self.now();
            let mut state = self.lock();
            let stands = state.memberships.get(connection).and_then(|rooms| rooms.get(&membership.room));
            let is_as_written = stands
                .is_some_and(|stands| !stands.granted && stands.member.expires_at == membership.member.expires_at);
            if is_as_written && !self.has(Bug::JoinNotTakenBack) {
                state.remove_membership(connection, &membership.room, now);
            }
        }
        Ok(())
    }

    async fn leave(&self, connection: &ConnectionId, rooms: &[RoomId]) -> Result<()> {
        if self.has(Bug::LeaveIgnored) {
            return Ok(());
        }
        for room in rooms {
            let left_standing =
                self.has(Bug::JoinNotTakenBack) && self.recalled().joined.contains(&(connection.clone(), room.clone()));
            if !left_standing {
                self.wait_for("BatchWriteItem (leave)", &[Item::Membership(connection.clone(), room.clone())]).await?;
                let now = self.now();
                self.lock().remove_membership(connection, room, now);
            }
        }
        Ok(())
    }

    async fn rooms_of(&self, connection: &ConnectionId) -> Result<Vec<RoomId>> {
        let state = self.lock();
        let rooms = state.memberships.get(connection).map(|rooms| rooms.keys());
        let rooms: Vec<RoomId> = rooms.into_iter().flatten().cloned().collect();
        self.reads(Asked::RoomsOf(connection.clone()), rooms.len());
        Ok(rooms)
    }

    async fn page(&self, room: &RoomId, shard: Shard, after: Option<&ConnectionId>) -> Result<Page> {
        self.answers(room, "Query (page)")?;
        if self.has(Bug::LogAfterMembers)
            && let Some(members) = self.members_before(room, shard)
        {
            return Ok(Page { members, next: None });
        }
        let now = self.now();
        let mut state = self.lock();
        if state.empty_pages
            && let Some(next) = cursor_before_the_first_after(after)
        {
            return Ok(Page { members: Vec::new(), next: Some(next) });
        }
        let size = state.page_size;
        let mut members: Vec<Member> = state.index.members(room, shard, after, now).take(size).cloned().collect();
        let evaluated = if self.has(Bug::PageScans) { state.index.everybody() } else { members.len() };
        self.reads(Asked::Members(room.clone()), evaluated);
        match self.bug() {
            Some(Bug::NoPaging) => return Ok(Page { members, next: None }),
            Some(Bug::ForgetOnAny410) => {
                members.iter_mut().for_each(|member| member.connected_at = Timestamp::default());
            }
            Some(Bug::ExpiredTold) => members.iter_mut().for_each(|member| member.expires_at = None),
            Some(Bug::ForeignRoom) if after.is_none() => members.extend(state.anybody()),
            _ => {}
        }
        let last = members.last().filter(|_| members.len() == size);
        let next = last.map(|member| member.connection.clone());
        Ok(Page { members, next })
    }

    async fn count(&self, room: &RoomId, shard: Shard) -> Result<u64> {
        self.answers(room, "Query (count)")?;
        let now = self.now();
        let members = self.lock().index.count(room, shard, now);
        self.reads(Asked::Members(room.clone()), members);
        Ok(members as u64)
    }

    async fn members_among(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Member>> {
        self.reads_keys(connections.len());
        let state = self.lock();
        let member = |id| state.member(room, id);
        Ok(connections.iter().filter_map(member).collect())
    }
}

impl Store {
    fn put(&self, membership: &Membership) -> Joined {
        let connection = &membership.member.connection;
        if self.has(Bug::JoinWithoutLook) {
            let seen = Some(as_judged(membership));
            self.recalled().connections.insert(connection.clone(), seen);
        }
        if self.has(Bug::JoinNotTakenBack) {
            self.recalled().joined.insert((connection.clone(), membership.room.clone()));
        }
        let now = self.now();
        let mut state = self.lock();
        if state.insert_membership(membership) {
            state.index.write(vec![membership_change(membership)], now);
            return Joined::New;
        }
        state.conditions_failed += 1;
        state.grant(membership);
        let stands = state.memberships.get(connection).and_then(|rooms| rooms.get(&membership.room));
        Joined::Already {
            expires_at: stands.and_then(|stands| stands.member.expires_at),
            began_at: stands.and_then(|stands| stands.began_at.clone()),
            sees_members: stands.is_some_and(|stands| stands.member.sees_members),
        }
    }

    /// Remembers the present members of a shard, unless it did so a moment ago.
    pub(super) fn note_members(&self, room: &RoomId, shard: Shard) {
        let now = self.now();
        let members = self.lock().index.members(room, shard, None, now).cloned().collect();
        let mut recalled = self.recalled();
        let noted = recalled.members.entry((room.clone(), shard)).or_default();
        if now.since(noted.0) >= MEMBERS_READ_BEFORE {
            *noted = (now, members);
        }
    }

    /// The remembered members of a shard. They are forgotten after the longest invocation.
    fn members_before(&self, room: &RoomId, shard: Shard) -> Option<Vec<Member>> {
        let recalled = self.recalled();
        let (noted, members) = recalled.members.get(&(room.clone(), shard))?;
        (self.now().since(*noted) < INVOCATION).then(|| members.clone())
    }
}

fn item(membership: &Membership) -> Item {
    Item::Membership(membership.member.connection.clone(), membership.room.clone())
}

/// The connection by which the request was judged, which a join without a second read still sees.
fn as_judged(Membership { member, user, joined_at, .. }: &Membership) -> Connection {
    Connection {
        id: member.connection.clone(),
        user: user.clone(),
        device: None,
        endpoint: member.endpoint.clone(),
        connected_at: member.connected_at,
        last_seen_at: *joined_at,
        expires_at: member.expires_at,
        format: member.format,
        sees_members: member.sees_members,
        stamp: TokenStamp::default(),
    }
}

impl State {
    /// Any member of any room.
    fn anybody(&self) -> Option<Member> {
        self.all_memberships().next().map(|membership| membership.member.clone())
    }

    /// Stores a membership. Returns whether it is new.
    pub(super) fn insert_membership(&mut self, membership: &Membership) -> bool {
        let rooms = self.memberships.entry(membership.member.connection.clone()).or_default();
        if rooms.contains_key(&membership.room) {
            return false;
        }
        rooms.insert(membership.room.clone(), membership.clone());
        let Membership { room, shard, user, member, .. } = membership.clone();
        self.changes.push(Happened::Joined { room, shard, connection: member.connection, user });
        true
    }

    /// Marks a stored membership as granted, if this one is granted.
    fn grant(&mut self, membership: &Membership) {
        let rooms = self.memberships.get_mut(&membership.member.connection);
        if let Some(stored) = rooms.and_then(|rooms| rooms.get_mut(&membership.room)) {
            stored.granted |= membership.granted;
        }
    }

    pub(super) fn remove_membership(&mut self, connection: &ConnectionId, room: &RoomId, now: Timestamp) {
        let removed = self.memberships.get_mut(connection).and_then(|rooms| rooms.remove(room));
        if let Some(Membership { shard, user, .. }) = removed {
            let (room, connection) = (room.clone(), connection.clone());
            let change = Change::Left(room.clone(), shard, connection.clone());
            self.changes.push(Happened::Left { room, shard, connection, user });
            self.index.write(vec![change], now);
        }
    }

    /// The member as its membership item stores it; in `*`, as the connection stores it.
    fn member(&self, room: &RoomId, id: &ConnectionId) -> Option<Member> {
        if !room.is_everyone() {
            return Some(self.memberships.get(id)?.get(room)?.member.clone());
        }
        self.living(id).map(Connection::member)
    }
}

/// The next cursor of an empty page: no id lies between it and `after`. `None` if the page before
/// was empty.
fn cursor_before_the_first_after(after: Option<&ConnectionId>) -> Option<ConnectionId> {
    let after = after.map_or("", AsRef::as_ref);
    if after.ends_with(FIRST_CHARACTER) {
        return None;
    }
    ConnectionId::parse(format!("{after}{FIRST_CHARACTER}")).ok()
}
