//! Renews the token of a connection: the new token counts from this moment on, in every room of the
//! connection.
//!
//! The new identity is stored first, so that it counts for every later request. Then the
//! memberships follow. A crash between the two leaves some memberships unchanged: they expire with
//! the old token, or a repeat of the request updates them.

use domain::ports::{Clock, Exchanged};
use domain::{Code, Identity, Reject, Renewal, RoomId, Timestamp, limits, may_renew, renewal, told_apart};
use lambda_kit::websocket::Call;
use protocol::context::Context;
use protocol::reply::Renewed;
use protocol::token::Token;
use telemetry::{Summary, field, metric};
use tokens::CheckTokens;

use crate::{Membership, Ports, not_connected, unavailable};

impl<P: Ports, C: Clock, R, K: CheckTokens> Membership<P, C, R, K> {
    /// Renews the token of a connection whose identity is `current`.
    pub(crate) async fn auth(
        &self,
        call: &Call,
        current: &Identity,
        token: &Token,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<Renewed, Reject> {
        let renewed = self.verify(call, current, token, now, summary).await?;
        may_renew(current, &renewed)?;
        self.check_bans(&renewed, now).await?;
        let renewed = told_apart(current, renewed);
        match self.ports.renew(&call.connection, &renewed, now).await.map_err(unavailable)? {
            Exchanged::Stored => {}
            Exchanged::TooSoon(pause) => {
                let pause_s = limits::RENEWAL_PAUSE.as_secs();
                let message = format!("a connection may renew its token every {pause_s} s");
                return Err(Reject::new(Code::RateLimited, message).of("token").after(pause));
            }
            Exchanged::NotConnected => return Err(not_connected()),
        }
        let left = self.follow(call, &renewed).await?;
        summary.add(metric::TOKENS_RENEWED, 1);
        summary.add(metric::MEMBERS_LEFT, left.len() as u64);
        Ok(Renewed { expires_at: renewed.expires_at.unwrap_or(now), left })
    }

    /// Refuses a renewal while the user, the device or the id of the new token is banned, or the
    /// token is revoked. A ban that is stored at the same moment may not see the new device or
    /// token: the reaper closes the connection then.
    async fn check_bans(&self, renewed: &Identity, now: Timestamp) -> Result<(), Reject> {
        let mut bans = self.ports.bans_of(&renewed.user, now).await.map_err(unavailable)?;
        bans.retain(|ban| ban.keeps_out(renewed.device.as_ref(), &renewed.stamp, now));
        if bans.iter().any(|ban| !ban.scope.is_of_tokens()) {
            return Err(Reject::new(Code::Forbidden, "this user or device is banned").of("token"));
        }
        if bans.is_empty() {
            return Ok(());
        }
        let message = "the token is revoked; this connection keeps its current token until that expires";
        Err(Reject::new(Code::InvalidToken, message).of("token"))
    }

    /// Returns the identity that the token gives. The log names the reason for a bad token; the
    /// client receives only the fact that it is bad.
    async fn verify(
        &self,
        call: &Call,
        current: &Identity,
        token: &Token,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<Identity, Reject> {
        let identity = self.verifier.check(token.expose(), current.device.clone(), now).await;
        let identity = identity.map_err(|bad| {
            summary.set(field::ERROR, bad.to_string());
            let message = "the token is not valid; this connection keeps its current token until that expires";
            Reject::new(Code::InvalidToken, message).of("token")
        })?;
        let Context { format, room, .. } = call.connected_as()?.clone();
        let bytes = Context { identity: identity.clone(), format, room }.size_bytes();
        if bytes > limits::CONTEXT_BYTES {
            let message = format!("the token's permissions take {bytes} bytes; at most {} fit", limits::CONTEXT_BYTES);
            return Err(Reject::new(Code::InvalidToken, message).of("token"));
        }
        Ok(identity)
    }

    /// Updates the memberships for the renewed identity, and returns the rooms that were left.
    async fn follow(&self, call: &Call, renewed: &Identity) -> Result<Vec<RoomId>, Reject> {
        let holdings = self.ports.holdings(&call.connection).await.map_err(unavailable)?;
        let Renewal { mut leave, extend } = renewal(&holdings, renewed);
        if !leave.is_empty() {
            self.ports.leave(&call.connection, &leave).await.map_err(unavailable)?;
        }
        self.ports.extend(&call.connection, &extend, renewed.expires_at).await.map_err(unavailable)?;
        leave.sort();
        Ok(leave)
    }
}
