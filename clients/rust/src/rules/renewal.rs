//! Tokens of live connections: renewed before they expire, so that the connection goes on.

use domain::limits;
use protocol::reply::Renewed;

use super::client::Client;
use super::event::{LinkId, Loss, Output};
use super::link::{Asked, Link};
use super::request::Request;
use super::room::Ask;
use super::times::{REFUSED_TOKENS, RENEW_APART_MS, RENEW_BEFORE_MS};

/// A refused or failed renewal is repeated after a pause as if it were that many tries later: there is still time.
const RENEW_TRIES: u32 = 4;

const _: () = assert!(limits::CLOCKS_DIFFER.as_millis() < RENEW_BEFORE_MS as u128);

impl Client {
    /// With tokens that can be renewed: [`Output::Renew`] asks for them, and every connection is opened with another one. So
    /// after `bye` `expired`, or a handshake that was refused with 401, one is tried instead of ending.
    #[must_use]
    pub fn with_renewals(mut self) -> Self {
        self.renews = true;
        self
    }

    /// The token with which a connection was opened, or that it goes on with, lasts so much longer.
    pub fn token_lasts(&mut self, link: LinkId, lasts_ms: u64, now_ms: u64) {
        let before_ms = (lasts_ms / 4).min(RENEW_BEFORE_MS);
        let jitter_ms = self.chance.up_to(before_ms);
        if let Some(primary) = self.primary.as_mut().filter(|primary| primary.id == link && self.renews) {
            let in_ms = lasts_ms.saturating_sub(before_ms + jitter_ms).max(RENEW_APART_MS);
            primary.renew_at_ms = Some(now_ms.saturating_add(in_ms));
        }
    }

    /// The token that [`Output::Renew`] asked for, and how much longer it lasts, if that can be told.
    pub fn renew(&mut self, link: LinkId, token: &str, lasts_ms: Option<u64>, now_ms: u64) {
        if self.primary.as_ref().is_some_and(|primary| primary.id == link) {
            let id = self.request_id();
            let text = Request::Auth { id, token }.text();
            self.ask(id, Asked::Auth { lasts_ms }, text, now_ms);
        }
    }

    /// No token could be got now.
    pub fn not_renewed(&mut self, link: LinkId, now_ms: u64) {
        if self.primary.as_ref().is_some_and(|primary| primary.id == link) {
            self.renew_later(None, now_ms);
        }
    }

    /// Whether no other attempt is made after this one: it is not allowed (HTTP 403), or its token is no good (401). That may have
    /// expired on its way, so whoever can get another one tries with that, a few times.
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

    /// Tries again, until the token has expired and the next connection is opened with another one.
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

    /// A renewal that came to nothing may have been carried out all the same: what it left, this one does not name. So every room
    /// is asked for once more, which names those that are not allowed, and joins the others.
    fn ask_what_is_left(&mut self, now_ms: u64) {
        for room in self.rooms.values_mut().filter(|room| room.wanted && room.ask != Ask::Sent) {
            room.ask = Ask::At(now_ms);
        }
    }

    /// Asks for another token, if it is time.
    pub(super) fn tend_token(&mut self, now_ms: u64) {
        let due = |primary: &&mut Link| primary.renew_at_ms.is_some_and(|at| at <= now_ms);
        if let Some(primary) = self.primary.as_mut().filter(due) {
            primary.renew_at_ms = None;
            let link = primary.id;
            self.output(Output::Renew(link));
        }
    }
}
