//! Tokens of live connections: renewed before they expire, so that the connection continues.

use domain::limits;
use protocol::reply::Renewed;

use super::client::Client;
use super::event::{LinkId, Loss, Output};
use super::link::{Asked, Link};
use super::request::Request;
use super::room::Ask;
use super::times::{REFUSED_TOKENS, RENEW_APART_MS, RENEW_BEFORE_MS};

/// The backoff of a refused or failed renewal starts at this number of tries, since there is still
/// time.
const RENEW_TRIES: u32 = 4;

const _: () = assert!(limits::CLOCKS_DIFFER.as_millis() < RENEW_BEFORE_MS as u128);

impl Client {
    /// Enables tokens that can be renewed. [`Output::Renew`] requests them, and the driver opens
    /// every connection with a new one. So after `bye` `expired` or `revoked`, or after a handshake
    /// with status 401, the client tries another token instead of ending.
    #[must_use]
    pub fn with_renewals(mut self) -> Self {
        self.renews = true;
        self
    }

    /// Records the remaining life of the connection's token, at its opening or after a renewal.
    pub fn token_lasts(&mut self, link: LinkId, lasts_ms: u64, now_ms: u64) {
        let before_ms = (lasts_ms / 4).min(RENEW_BEFORE_MS);
        let jitter_ms = self.chance.up_to(before_ms);
        if let Some(primary) = self.primary.as_mut().filter(|primary| primary.id == link && self.renews) {
            let in_ms = lasts_ms.saturating_sub(before_ms + jitter_ms).max(RENEW_APART_MS);
            primary.renew_at_ms = Some(now_ms.saturating_add(in_ms));
        }
    }

    /// Handles the token that [`Output::Renew`] requested, with its remaining life if it is known.
    pub fn renew(&mut self, link: LinkId, token: &str, lasts_ms: Option<u64>, now_ms: u64) {
        if self.primary.as_ref().is_some_and(|primary| primary.id == link) {
            let id = self.request_id();
            let text = Request::Auth { id, token }.text();
            self.ask(id, Asked::Auth { lasts_ms }, text, now_ms);
        }
    }

    /// Handles a token request that returned none.
    pub fn not_renewed(&mut self, link: LinkId, now_ms: u64) {
        if self.primary.as_ref().is_some_and(|primary| primary.id == link) {
            self.renew_later(None, now_ms);
        }
    }

    /// Returns true if no further attempt can succeed: the connection is forbidden (HTTP 403), or
    /// its token is not valid (401). The token may have expired on its way, so a client that can
    /// renew tries other tokens a few times.
    pub(super) fn is_refused_for_good(&mut self, because: &Loss) -> bool {
        match because {
            Loss::Refused { status: 403 } => true,
            Loss::Refused { status: 401 } => {
                self.tokens_refused += 1;
                !self.renews || self.tokens_refused >= REFUSED_TOKENS
            }
            _ => false,
        }
    }

    /// Schedules another renewal. If the token expires before, the next connection is opened with
    /// another one.
    pub(super) fn renew_later(&mut self, after_ms: Option<u64>, now_ms: u64) {
        let at_ms = now_ms + self.pause(RENEW_TRIES, after_ms);
        if let Some(primary) = &mut self.primary {
            primary.renew_at_ms = Some(at_ms);
        }
    }

    pub(super) fn renewed(&mut self, renewed: Renewed, lasts_ms: Option<u64>, now_ms: u64) {
        if let (Some(primary), Some(lasts_ms)) = (&self.primary, lasts_ms) {
            self.token_lasts(primary.id, lasts_ms, now_ms);
        }
        for room in renewed.left {
            self.taken_out(&room, "forbidden".to_owned());
        }
        if self.primary.as_mut().is_some_and(|primary| std::mem::take(&mut primary.renewal_in_doubt)) {
            self.ask_what_is_left(now_ms);
        }
    }

    /// Resumes every room. A renewal without a reply may have been carried out, and the reply to
    /// the next one does not name the rooms that the first one left. The resume refuses those
    /// rooms, and joins the others again.
    fn ask_what_is_left(&mut self, now_ms: u64) {
        for room in self.rooms.values_mut().filter(|room| room.wanted && room.ask != Ask::Sent) {
            room.ask = Ask::At(now_ms);
        }
    }

    /// Requests another token if the renewal is due.
    pub(super) fn tend_token(&mut self, now_ms: u64) {
        let due = |primary: &&mut Link| primary.renew_at_ms.is_some_and(|at| at <= now_ms);
        if let Some(primary) = self.primary.as_mut().filter(due) {
            primary.renew_at_ms = None;
            let link = primary.id;
            self.output(Output::Renew(link));
        }
    }
}
