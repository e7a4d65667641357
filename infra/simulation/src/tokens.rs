//! The backend that gives out tokens: how long they last, and what they allow.

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

/// Keys as a deployment has them.
const KEYS: &str = r#"{"dev":"c2lnbnMgdGhlIHRva2VucyBvZiBhIHNpbXVsYXRpb24sIG9ubHk"}"#;
/// A key of somebody else, under the same name.
const FOREIGN_KEYS: &str = r#"{"dev":"c2lnbnMgdG9rZW5zIHRoYXQgbm9ib2R5IHNob3VsZCB0YWtlIQ"}"#;
/// The only page that may connect.
const ORIGIN: &str = "https://chat.example.com";
/// A token that lasts for as long as anybody is watched.
const LONG_S: u64 = 12 * 60 * 60;
/// Those that expire: clocks may differ by 25 s, and a handshake may take some, so they last longer than that.
const SHORT_S: (u64, u64) = (45, 180);
/// For how long no token is to be had, at the most.
const AWAY_MS: u64 = 120_000;

/// What was asked with the token before is asked again within this.
const JUDGED_ANEW_MS: u64 = 15_000;

/// A token as the backend gave it out.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// What its bearer presents.
    pub(crate) text: String,
    /// When it expires.
    pub(crate) expires_at: Timestamp,
    /// Plain rooms that it does not allow.
    pub(crate) denied: BTreeSet<RoomId>,
}

/// Why somebody is to be turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The token expired an hour ago.
    Expired,
    /// The token is signed with another key.
    Forged,
    /// There is no token.
    Guest,
    /// The token is good, and the page is another one.
    OtherPage,
}

impl Stranger {
    /// Every kind of them.
    pub(crate) const ALL: [Self; 4] = [Self::Expired, Self::Forged, Self::Guest, Self::OtherPage];

    /// The page it comes from.
    #[must_use]
    pub(crate) fn origin(self) -> Option<&'static str> {
        (self == Self::OtherPage).then_some("https://chat.example.com.evil")
    }

    /// Its token, if it has one.
    #[must_use]
    pub(crate) fn token(self, now: Timestamp) -> Option<String> {
        let in_an_hour = now.plus(Duration::from_secs(3_600));
        let none = BTreeSet::new();
        match self {
            Self::Expired => Some(mint(KEYS, "mallory", now.minus(Duration::from_secs(3_600)), &none)),
            Self::Forged => Some(mint(FOREIGN_KEYS, "mallory", in_an_hour, &none)),
            Self::Guest => None,
            Self::OtherPage => Some(mint(KEYS, "mallory", in_an_hour, &none)),
        }
    }
}

/// How the deployment checks tokens.
#[must_use]
pub(crate) fn verifier() -> Verifier {
    // The keys are good.
    Verifier::new(Some(KEYS), None, None, None).unwrap_or_else(|_| unreachable!())
}

/// Whom the deployment lets in.
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

fn mint(keys: &str, user: &str, expires_at: Timestamp, denied: &BTreeSet<RoomId>) -> String {
    let any = || vec![Pattern::new("*")];
    let allowed = ROOMS.iter().filter(|name| !denied.iter().any(|room| room.as_str() == **name));
    let rooms = (!denied.is_empty()).then(|| Permissions {
        join: allowed.map(|name| Pattern::new(*name)).collect(),
        publish: any(),
        history: any(),
        presence: any(),
    });
    let claims = Claims {
        sub: user.to_owned(),
        exp: expires_at.as_s(),
        nbf: None,
        iss: None,
        aud: None,
        device: None,
        admin: false,
        rooms,
    };
    // The keys are good, and so are the claims.
    Keys::parse(keys).and_then(|keys| keys.mint(&claims, None)).unwrap_or_default()
}

impl Run {
    /// A token for a member, if one is to be had now.
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
        let expires_at = Timestamp::from_ms((now.as_s() + lasts_s) * 1_000);
        let denied = member.denied.clone();
        let text = mint(KEYS, member.user, expires_at, &denied);
        let token = Token { text, expires_at, denied };
        self.issued.insert(token.text.clone(), token.clone());
        Some(token)
    }

    /// The backend has answered a client that wants to go on.
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

    /// What somebody may do changes, and their application renews its token at once.
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
