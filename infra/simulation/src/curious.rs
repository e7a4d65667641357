//! Checks of the replies to requests for history and for member lists.

use std::time::Duration;

use domain::UserId;
use protocol::reply::{History, Who};

use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// A reply may be on its way for this long, and may name members that have left since it was made.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

impl Run {
    /// A page of history is a part of the log without a gap, and its publications equal the stored
    /// ones.
    pub(crate) fn check_history(&self, page: &History) {
        let log = self.pipeline.store.publications(&page.room);
        let mut core = self.shared.lock();
        core.weigh(Stake::History);
        let mut next = None;
        for block in &page.history {
            for (sequence, message) in block.messages() {
                let stands = log
                    .iter()
                    .find(|one| one.position.epoch == block.ep && one.position.sequence == sequence)
                    .is_some_and(|one| (&one.id, &one.data) == (&message.id, &message.data));
                if !stands {
                    core.broke(Kind::Phantom, format!("history of {} has {:?} at {sequence:?}", page.room, message.id));
                }
                if next.is_some_and(|next| next != sequence) {
                    core.broke(Kind::Lost, format!("history of {} has a gap before {sequence:?}", page.room));
                }
                next = Some(sequence.next());
            }
        }
    }

    /// The users listed in a room are members of it, or were a moment ago.
    pub(crate) fn check_who(&self, who: &Who) {
        let (now, lingers) = {
            let mut core = self.shared.lock();
            core.weigh(Stake::Who);
            (core.now, core.index_lags() + ON_ITS_WAY)
        };
        let was_there = |user: &UserId| {
            self.belonged.iter().any(|((connection, room), belonging)| {
                let there = belonging.left.is_none_or(|left| now.since(left) < lingers);
                *room == who.room && there && self.user_of(connection).is_some_and(|one| one == *user)
            })
        };
        for present in who.users.iter().flatten().filter(|present| !was_there(&present.user)) {
            let what = format!("{} is listed in {} but is not a member", present.user, who.room);
            self.shared.lock().broke(Kind::Phantom, what);
        }
    }

    /// The user of a connection.
    fn user_of(&self, connection: &domain::ConnectionId) -> Option<UserId> {
        let core = self.shared.lock();
        let socket = core.sockets.get(connection)?;
        Some(self.members[socket.member].user_id())
    }
}
