//! Checks that the statements of replies are true.

use domain::{Code, ConnectionId, Timestamp};
use protocol::reply::{Answer as Reply, Failure, Joined, Synced, SyncedRooms};
use protocol::server::ServerFrame;
use serde_json::value::RawValue;

use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;
use crate::tokens::Token;
use crate::trouble::Trouble;

impl Run {
    /// Records the effect of a reply on the token that its request showed.
    pub(crate) fn check_rights(
        &self,
        connection: &ConnectionId,
        began: Timestamp,
        shown: Option<(Token, u64)>,
        body: &str,
    ) {
        let mut core = self.shared.lock();
        let (now, slack, seen_within) = (core.now, core.clocks_differ(), core.tokens_seen_within());
        let Some(socket) = core.sockets.get_mut(connection) else { return };
        if shown.is_some() {
            socket.rights.was_looked_at();
        }
        match (ServerFrame::parse(body), shown) {
            (Ok(ServerFrame::Answer(Reply { outcome: Ok(_), .. })), Some((token, number))) => {
                let denies = !token.denied.is_empty();
                socket.rights.counts(&token, number, now, seen_within);
                if denies {
                    core.weigh(Stake::Renewed);
                }
            }
            (Ok(ServerFrame::Answer(Reply { outcome: Err(failure), .. })), _)
                if failure.code == Code::TokenExpired && socket.rights.is_good_for(began, now.plus(slack)) =>
            {
                core.broke(Kind::Refused, format!("{connection} has renewed its token, but was refused: {body}"));
            }
            _ => {}
        }
    }

    /// Without faults, no request fails because another one runs at the same time. The exception is
    /// a request whose token was renewed meanwhile: the client must repeat it.
    fn check_beside(&self, connection: &ConnectionId, body: &str) {
        let Ok(ServerFrame::Answer(Reply { outcome, .. })) = ServerFrame::parse(body) else { return };
        let failures: Vec<Failure> = match outcome {
            Err(failure) => vec![failure],
            Ok(raw) => match Reply::done::<SyncedRooms>(&raw) {
                Ok(synced) => synced.rooms.into_values().filter_map(only_refused).collect(),
                Err(_) => Vec::new(),
            },
        };
        let mut core = self.shared.lock();
        if !core.faults.is_calm() || core.trouble == Some(Trouble::Failing) {
            return;
        }
        core.weigh(Stake::Beside);
        // A renewal leaves the rooms that the new token does not allow, beside a join of them.
        let renewed = core.sockets.get(connection).is_some_and(|socket| socket.rights.is_renewing());
        let excused = |failure: &Failure| {
            failure.message.contains("renewed") || (renewed && failure.message.contains("changed it meanwhile"))
        };
        let conflicted = |failure: &Failure| failure.code == Code::Unavailable && !excused(failure);
        if failures.iter().any(conflicted) {
            core.broke(Kind::Conflicted, format!("a request of {connection} failed: {body}"));
        }
        let is_refused = |failure: &Failure| failure.code == Code::RateLimited && failure.field.is_none();
        if !self.floods(connection) && failures.iter().any(is_refused) && !body.contains("may publish") {
            let what = format!("a client that follows the rules sent too many requests on {connection}: {body}");
            core.broke(Kind::Refused, what);
        }
    }

    /// Records the rooms whose replay has more pages.
    pub(crate) fn note_replays(&mut self, at: usize, body: &str) {
        let Ok(ServerFrame::Answer(Reply { outcome: Ok(raw), .. })) = ServerFrame::parse(body) else { return };
        let replayed = &mut self.members[at].replayed_in_part;
        for joined in rooms_of(&raw) {
            if joined.next.is_some() {
                replayed.insert(joined.room);
            } else {
                replayed.remove(&joined.room);
            }
        }
    }

    /// With `recovered: true` the replay has no gap and ends at the stated position.
    pub(crate) fn check_reply(&self, connection: &ConnectionId, body: &str) {
        self.check_beside(connection, body);
        let Ok(ServerFrame::Answer(Reply { outcome: Ok(raw), .. })) = ServerFrame::parse(body) else { return };
        for one in rooms_of(&raw).into_iter().filter(|one| one.recovered == Some(true)) {
            if !one.b.is_empty() {
                self.shared.lock().weigh(Stake::Replayed);
            }
            let mut next = None;
            for block in &one.b {
                if next.is_some_and(|next| next != block.seq.get()) {
                    let what =
                        format!("the reply to {connection} claims that {} is whole, but has a gap: {body}", one.room);
                    self.shared.lock().broke(Kind::FalseRecovered, what);
                }
                next = Some(block.seq.get() + block.m.len() as u64);
            }
            let end = one.next.map_or(one.seq.get(), |after| after.get());
            if next.is_some_and(|next| next != end + 1) {
                let what = format!(
                    "the reply to {connection} claims that {} is whole through {end}, but ends elsewhere: {body}",
                    one.room
                );
                self.shared.lock().broke(Kind::FalseRecovered, what);
            }
        }
    }
}

fn only_refused(synced: Synced) -> Option<Failure> {
    match synced {
        Synced::Refused { err } => Some(err),
        Synced::Joined(_) => None,
    }
}

/// The joined rooms in a reply.
fn rooms_of(raw: &RawValue) -> Vec<Joined> {
    match Reply::done::<SyncedRooms>(raw) {
        Ok(synced) => synced.rooms.into_values().filter_map(only_joined).collect(),
        Err(_) => Reply::done::<Joined>(raw).into_iter().collect(),
    }
}

fn only_joined(synced: Synced) -> Option<Joined> {
    match synced {
        Synced::Joined(joined) => Some(joined),
        Synced::Refused { .. } => None,
    }
}
