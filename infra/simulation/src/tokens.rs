//! The backend that issues tokens: their lifetime, and the rooms that they allow.

use std::collections::BTreeSet;
use std::time::Duration;

use authorizer::{Config, Guests, Origins};
use domain::{Pattern, Permissions, RoomId, Timestamp};
use protocol::token::Claims;
use roomcast_client::development::Keys;
use tokens::Verifier;

use crate::faults::Fault;
use crate::mistake::Mistake;
use crate::run::Run;
use crate::step::ROOMS;

/// The signing keys of the deployment.
const KEYS: &str = r#"{"dev":"c2lnbnMgdGhlIHRva2VucyBvZiBhIHNpbXVsYXRpb24sIG9ubHk"}"#;
/// A key of another deployment, under the same name.
const FOREIGN_KEYS: &str = r#"{"dev":"c2lnbnMgdG9rZW5zIHRoYXQgbm9ib2R5IHNob3VsZCB0YWtlIQ"}"#;
/// The only origin that may connect.
const ORIGIN: &str = "https://chat.example.com";
/// The lifetime of a token that outlasts its connection, in seconds.
const LONG_S: u64 = 12 * 60 * 60;
/// The lifetimes of tokens that expire, in seconds: longer than 25 s, by which clocks may differ,
/// and the time of a handshake.
const SHORT_S: (u64, u64) = (45, 180);
/// The longest time for which no token can be had, in milliseconds.
const AWAY_MS: u64 = 120_000;

/// A request that was sent with the previous token is repeated within this time, in milliseconds.
const JUDGED_ANEW_MS: u64 = 15_000;

/// A token as the backend issued it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The JWT that the client presents.
    pub(crate) text: String,
    /// The time in the claim `iat`.
    pub(crate) issued_at: Timestamp,
    /// The time in the claim `exp`.
    pub(crate) expires_at: Timestamp,
    /// Plain rooms that the token does not allow.
    pub(crate) denied: BTreeSet<RoomId>,
}

/// The reason for which a connection must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The token expired an hour ago.
    Expired,
    /// The token is signed with another key.
    Forged,
    /// There is no token.
    Guest,
    /// The token is valid, but the page has another origin.
    OtherPage,
}

impl Stranger {
    /// Every reason for a refusal.
    pub(crate) const ALL: [Self; 4] = [Self::Expired, Self::Forged, Self::Guest, Self::OtherPage];

    /// The origin of its page, if it is not the allowed one.
    #[must_use]
    pub(crate) fn origin(self) -> Option<&'static str> {
        (self == Self::OtherPage).then_some("https://chat.example.com.evil")
    }

    /// The token that it presents, if it has one.
    #[must_use]
    pub(crate) fn token(self, now: Timestamp) -> Option<String> {
        let in_an_hour = now.plus(Duration::from_secs(3_600));
        let none = BTreeSet::new();
        match self {
            Self::Expired => Some(mint(KEYS, "mallory", now, now.minus(Duration::from_secs(3_600)), &none)),
            Self::Forged => Some(mint(FOREIGN_KEYS, "mallory", now, in_an_hour, &none)),
            Self::Guest => None,
            Self::OtherPage => Some(mint(KEYS, "mallory", now, in_an_hour, &none)),
        }
    }
}

/// The deployment's verification of tokens.
#[must_use]
pub(crate) fn verifier() -> Verifier {
    // The constant keys are valid.
    Verifier::new(Some(KEYS), None, None, None).unwrap_or_else(|_| unreachable!())
}

/// The configuration of the authorizer: with the mistake, it admits every handshake.
#[must_use]
pub(crate) fn config(mistake: Option<Mistake>) -> Config {
    let everybody = mistake == Some(Mistake::EverybodyAdmitted);
    let origins = Origins::parse(if everybody { "*" } else { ORIGIN });
    Config {
        verifier: verifier(),
        guests: if everybody { Guests::Allow } else { Guests::Deny },
        origins: origins.unwrap_or(Origins::Any),
    }
}

fn mint(keys: &str, user: &str, issued_at: Timestamp, expires_at: Timestamp, denied: &BTreeSet<RoomId>) -> String {
    let any = || vec![Pattern::new("*")];
    let allowed = ROOMS.iter().filter(|name| !denied.iter().any(|room| room.as_str() == **name));
    let rooms = (!denied.is_empty()).then(|| Permissions {
        join: allowed.map(|name| Pattern::new(*name)).collect(),
        publish: any(),
        history: any(),
        presence: any(),
    });
    let claims = Claims { rooms, iat: Some(issued_at.as_s()), ..Claims::of(user, expires_at.as_s()) };
    // The constant keys are valid, and so are the claims.
    Keys::parse(keys).and_then(|keys| keys.mint(&claims, None)).unwrap_or_default()
}

impl Run {
    /// Issues a token for a member, unless none can be had now.
    pub(crate) fn token_for(&mut self, at: usize) -> Option<Token> {
        let (now, lasts_s) = {
            let mut core = self.shared.lock();
            let now = core.now;
            if self.no_tokens_until > now && core.faults.has(Fault::TokenExpires) {
                return None;
            }
            if core.fires(Fault::TokenExpires, || "the backend that signs tokens".to_owned()) {
                let away_ms = core.dice.within(1, AWAY_MS);
                self.no_tokens_until = now.plus(Duration::from_millis(away_ms));
            }
            let short = core.faults.has(Fault::TokenExpires);
            (now, if short { core.dice.within(SHORT_S.0, SHORT_S.1) } else { LONG_S })
        };
        let member = &self.members[at];
        // Tokens count whole seconds.
        let issued_at = Timestamp::from_ms(now.as_s() * 1_000);
        let expires_at = Timestamp::from_ms((now.as_s() + lasts_s) * 1_000);
        let denied = member.denied.clone();
        let text = mint(KEYS, member.user, issued_at, expires_at, &denied);
        let token = Token { text, issued_at, expires_at, denied };
        self.issued.insert(token.text.clone(), token.clone());
        Some(token)
    }

    /// The backend has replied to a client that needs another token.
    pub(crate) fn token_arrives(&mut self, at: usize, link: roomcast_client::rules::LinkId) {
        let token = self.token_for(at);
        let (now, now_ms) = (self.now(), self.now_ms());
        if let Some(client) = &mut self.members[at].client {
            match token {
                None => client.not_renewed(link, now_ms),
                Some(token) => {
                    let lasts_ms = u64::try_from(token.expires_at.since(now).as_millis()).unwrap_or(u64::MAX);
                    client.renew(link, &token.text, Some(lasts_ms), now_ms);
                }
            }
        }
        self.carry_out(at);
    }

    /// Changes the permission of a member for a room; its application renews the token at once.
    pub(crate) fn deny(&mut self, at: usize, room: RoomId) {
        let now_ms = self.now_ms();
        let member = &mut self.members[at];
        member.judged_anew_until_ms = now_ms + JUDGED_ANEW_MS;
        if !member.denied.remove(&room) {
            member.ever_denied.insert(room.clone());
            member.denied.insert(room);
        }
        if let Some((link, _)) = member.links.last_key_value() {
            let link = *link;
            self.token_arrives(at, link);
        }
    }
}
