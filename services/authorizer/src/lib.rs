//! The authorizer function decides at `$connect` which user connects and with which permissions. It
//! returns both as a context, which the gateway repeats on every later event of the connection.
//!
//! A bad token is refused with 401, and a page that may not connect with 403. Each refusal writes
//! one log line with the reason and without the token.
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>

mod config;
mod credential;
mod handshake;
mod origin;

use aws_lambda_events::apigw::{ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse};
use aws_lambda_events::iam::{IamPolicyEffect, IamPolicyStatement};
use domain::ports::Clock;
use domain::{Device, Identity, Permissions, RoomId, TokenStamp, UserId, limits};
use lambda_runtime::LambdaEvent;
use protocol::context::Context;
use telemetry::{Summary, field, metric};
use tokens::{CheckTokens, Verifier};

pub use config::{Config, Guests};
pub use handshake::Handshake;
pub use origin::{Entry, NotAnOrigin, Origin, Origins};

/// Accepts or refuses handshakes.
#[derive(Debug)]
pub struct Authorizer<C, K = Verifier> {
    config: Config<K>,
    clock: C,
}

/// The reason for refusing a handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 401: the token is bad, or missing where one is needed. API Gateway answers 401 only for the
    /// exact error text `Unauthorized`.
    #[error("Unauthorized")]
    Unauthorized(String),
    /// 403: the page may not open connections.
    #[error("Forbidden")]
    Forbidden(String),
}

type Response = ApiGatewayCustomAuthorizerResponse<serde_json::Value>;

impl<C: Clock, K: CheckTokens> Authorizer<C, K> {
    /// Creates the authorizer with its configuration.
    #[must_use]
    pub fn new(config: Config<K>, clock: C) -> Self {
        Self { config, clock }
    }

    /// Answers the gateway with a policy, or with the error `Unauthorized`.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`]: the gateway turns it into a 401.
    pub async fn handle(
        &self,
        event: &LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>,
        summary: &mut Summary,
    ) -> Result<Response, lambda_runtime::Error> {
        let arn = event.payload.method_arn.clone().unwrap_or_default();
        let handshake = Handshake::from_event(&event.payload);
        summary.set(field::ROUTE, "authorizer");
        match self.decide(&handshake).await {
            Ok(context) => Ok(policy(IamPolicyEffect::Allow, &arn, Some(&context))),
            Err(refusal) => {
                let (outcome, reason) = match &refusal {
                    Refusal::Unauthorized(reason) => ("unauthorized", reason),
                    Refusal::Forbidden(reason) => ("forbidden", reason),
                };
                summary.set(field::OUTCOME, outcome);
                summary.set(field::ERROR, reason.clone());
                summary.add(metric::CONNECTIONS_REFUSED, 1);
                match refusal {
                    Refusal::Unauthorized(_) => Err(refusal.into()),
                    Refusal::Forbidden(_) => Ok(policy(IamPolicyEffect::Deny, &arn, None)),
                }
            }
        }
    }

    /// Returns the context of the new connection, or the reason for refusing it.
    ///
    /// # Errors
    /// [`Refusal`] with a sentence for the log.
    pub async fn decide(&self, handshake: &Handshake) -> Result<Context, Refusal> {
        if !self.config.origins.allow(&handshake.origin) {
            let reason = match handshake.origin {
                Origin::Unclear => "the header Origin has several values, or one that is not visible ASCII",
                Origin::Absent | Origin::Page(_) => "the page's Origin is not among ALLOWED_ORIGINS",
            };
            return Err(Refusal::Forbidden(reason.to_owned()));
        }
        if let Some(misplaced) = &handshake.misplaced {
            return Err(Refusal::Unauthorized(misplaced.clone()));
        }
        let identity = match &handshake.token {
            Some(token) => self.member(token, handshake).await?,
            None => self.guest(handshake)?,
        };
        let room = handshake.room.as_ref().and_then(|name| RoomId::parse(name.clone()).ok());
        let context = Context { identity, format: handshake.format(), room };
        let bytes = context.size_bytes();
        if bytes > limits::CONTEXT_BYTES {
            let most = limits::CONTEXT_BYTES;
            return Err(Refusal::Unauthorized(format!(
                "the token's permissions take {bytes} bytes; at most {most} fit"
            )));
        }
        Ok(context)
    }

    async fn member(&self, token: &str, handshake: &Handshake) -> Result<Identity, Refusal> {
        let device = handshake.device.clone().and_then(|name| Device::parse(name).ok());
        let identity = self.config.verifier.check(token, device, self.clock.now()).await;
        identity.map_err(|error| Refusal::Unauthorized(error.to_string()))
    }

    /// A guest is identified by its secret, so that it keeps its name when it returns; without a
    /// secret it is identified by its handshake. A guest has no device: devices distinguish the
    /// connections of a user with a token.
    fn guest(&self, handshake: &Handshake) -> Result<Identity, Refusal> {
        if self.config.guests == Guests::Deny {
            return Err(Refusal::Unauthorized("no token, and guests are not admitted".to_owned()));
        }
        let user = UserId::parse(handshake.guest_name());
        Ok(Identity {
            user: user.map_err(|reject| Refusal::Unauthorized(reject.message))?,
            device: None,
            guest: true,
            admin: false,
            expires_at: None,
            permissions: Permissions::all(),
            stamp: TokenStamp::default(),
        })
    }
}

fn policy(effect: IamPolicyEffect, arn: &str, context: Option<&Context>) -> Response {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = effect;
    statement.resource = vec![arn.to_owned()];
    let mut response = Response::default();
    response.principal_id = Some(context.map_or("refused", |context| context.identity.user.as_ref()).to_owned());
    response.policy_document.version = Some("2012-10-17".to_owned());
    response.policy_document.statement = vec![statement];
    response.context =
        context.map(|context| serde_json::json!(context.to_map())).unwrap_or_else(|| serde_json::json!({}));
    response
}
