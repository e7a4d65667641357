//! The keys of the secret store. They are read at start, and again when they may have been rotated.
//!
//! Keys are read again when they are [`limits::KEYS_KEPT`] old, so a removed key is refused from
//! then on. A token that names an unknown key causes a read at once, but at most one every
//! [`limits::KEYS_KEPT`]. So a new key is accepted at once, and tokens with made-up key ids cause
//! no more reads than that. A failed read leaves the keys as they are.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ports::Secrets;
use domain::{Backend, Device, Identity, Timestamp, limits};

use crate::signed::{BadSignature, SignedRequest};
use crate::{BadKeys, BadToken, Verifier};

/// Checks tokens, with keys that are loaded or with keys that must be read.
pub trait CheckTokens: Send + Sync {
    /// Checks a token as [`Verifier::identify`] does.
    fn check(
        &self,
        token: &str,
        device: Option<Device>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, BadToken>> + Send;
}

impl CheckTokens for Verifier {
    async fn check(&self, token: &str, device: Option<Device>, now: Timestamp) -> Result<Identity, BadToken> {
        self.identify(token, device, now)
    }
}

/// The credential of a request over HTTP.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// The token of a backend.
    Token(&'a str),
    /// A signature of the request.
    Signature(SignedRequest<'a>),
}

/// The reason for refusing a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    /// The token is not good, or not one of a backend.
    #[error(transparent)]
    Token(#[from] BadToken),
    /// The signature is not good.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl BadCredential {
    /// True if the credential names a key that may have been added since the keys were read.
    fn is_of_unknown_key(&self) -> bool {
        matches!(self, Self::Token(BadToken::UnknownKey) | Self::Signature(BadSignature::UnknownKey))
    }
}

/// Checks credentials of backends, with keys that are loaded or with keys that must be read.
pub trait CheckBackends: Send + Sync {
    /// Checks a credential as [`Verifier::backend`] and [`Verifier::signer`] do.
    fn check_backend(
        &self,
        credential: Credential<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Backend, BadCredential>> + Send;
}

impl Verifier {
    fn check_loaded(&self, credential: Credential<'_>, now: Timestamp) -> Result<Backend, BadCredential> {
        Ok(match credential {
            Credential::Token(token) => self.backend(token, now)?,
            Credential::Signature(request) => self.signer(&request, now)?,
        })
    }
}

impl CheckBackends for Verifier {
    async fn check_backend(&self, credential: Credential<'_>, now: Timestamp) -> Result<Backend, BadCredential> {
        self.check_loaded(credential, now)
    }
}

impl<S: Secrets> CheckBackends for Keyring<S> {
    async fn check_backend(&self, credential: Credential<'_>, now: Timestamp) -> Result<Backend, BadCredential> {
        let checked = self.current(now).await.check_loaded(credential, now);
        if !checked.as_ref().is_err_and(BadCredential::is_of_unknown_key) {
            return checked;
        }
        match self.after_unknown_key(now).await {
            Some(verifier) => verifier.check_loaded(credential, now),
            None => checked,
        }
    }
}

/// The secrets that hold the keys, and the names that tokens must carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySource {
    /// `TOKEN_KEYS_SECRET`: the secret with `{"key id": "base64url"}` for HS256.
    pub keys: Option<String>,
    /// `TOKEN_JWKS_SECRET`: the secret with a JWK set for RS256, ES256 and EdDSA.
    pub jwks: Option<String>,
    /// `REQUEST_KEYS_SECRET`: the secret with the keys that sign requests over HTTP.
    pub request_keys: Option<String>,
    /// `TOKEN_ISSUER`: the issuer that tokens must name.
    pub issuer: Option<String>,
    /// `TOKEN_AUDIENCE`: the audience that tokens must name.
    pub audience: Option<String>,
}

impl KeySource {
    /// Reads the environment. `lookup` returns the value of a variable that is set and not empty.
    #[must_use]
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            keys: lookup("TOKEN_KEYS_SECRET"),
            jwks: lookup("TOKEN_JWKS_SECRET"),
            request_keys: lookup("REQUEST_KEYS_SECRET"),
            issuer: lookup("TOKEN_ISSUER"),
            audience: lookup("TOKEN_AUDIENCE"),
        }
    }
}

/// The reason why no keys were loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store did not answer, or refused the read.
    #[error("the secret {name} cannot be read: {source}")]
    Read {
        /// The secret's name in the store.
        name: String,
        /// The error of the store.
        source: domain::ports::Error,
    },
    /// The secrets hold no usable keys.
    #[error(transparent)]
    Keys(#[from] BadKeys),
}

/// Checks tokens with the keys of the secret store.
#[derive(Debug)]
pub struct Keyring<S> {
    secrets: S,
    source: KeySource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    verifier: Arc<Verifier>,
    /// When the keys are read again because of their age.
    due_at: Timestamp,
    /// When an unknown key may cause the next read.
    unknown_from: Timestamp,
}

impl<S: Secrets> Keyring<S> {
    /// Reads the keys from the store.
    ///
    /// # Errors
    /// [`LoadError`]: the store does not answer, or holds no usable keys.
    pub async fn load(secrets: S, source: KeySource, now: Timestamp) -> Result<Self, LoadError> {
        let verifier = Arc::new(read(&secrets, &source).await?);
        let state = State { verifier, due_at: now.plus(limits::KEYS_KEPT), unknown_from: now };
        Ok(Self { secrets, source, state: Mutex::new(state) })
    }

    /// Returns the keys. They are read again if they are too old.
    async fn current(&self, now: Timestamp) -> Arc<Verifier> {
        let known = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if now < state.due_at {
                return Arc::clone(&state.verifier);
            }
            state.due_at = now.plus(limits::KEYS_KEPT);
            Arc::clone(&state.verifier)
        };
        self.read_again().await.unwrap_or(known)
    }

    /// Reads the keys again because a token names an unknown one. `None` if that was done recently,
    /// or if it failed.
    async fn after_unknown_key(&self, now: Timestamp) -> Option<Arc<Verifier>> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if now < state.unknown_from {
                return None;
            }
            state.unknown_from = now.plus(limits::KEYS_KEPT);
            state.due_at = now.plus(limits::KEYS_KEPT);
        }
        self.read_again().await
    }

    async fn read_again(&self) -> Option<Arc<Verifier>> {
        match read(&self.secrets, &self.source).await {
            Ok(verifier) => {
                let verifier = Arc::new(verifier);
                self.state.lock().unwrap_or_else(PoisonError::into_inner).verifier = Arc::clone(&verifier);
                Some(verifier)
            }
            Err(error) => {
                tracing::warn!(error = %error, "could not read the token keys again; the known keys stay in use");
                None
            }
        }
    }
}

impl<S: Secrets> CheckTokens for Keyring<S> {
    async fn check(&self, token: &str, device: Option<Device>, now: Timestamp) -> Result<Identity, BadToken> {
        let checked = self.current(now).await.identify(token, device.clone(), now);
        if checked != Err(BadToken::UnknownKey) {
            return checked;
        }
        match self.after_unknown_key(now).await {
            Some(verifier) => verifier.identify(token, device, now),
            None => checked,
        }
    }
}

async fn read<S: Secrets>(secrets: &S, source: &KeySource) -> Result<Verifier, LoadError> {
    let value = async |name: &Option<String>| match name {
        Some(name) => match secrets.read(name).await {
            Ok(value) => Ok(Some(value)),
            Err(source) => Err(LoadError::Read { name: name.clone(), source }),
        },
        None => Ok(None),
    };
    let (keys, jwks) = (value(&source.keys).await?, value(&source.jwks).await?);
    let request_keys = value(&source.request_keys).await?;
    let KeySource { issuer, audience, .. } = source.clone();
    let verifier = Verifier::new(keys.as_deref(), jwks.as_deref(), issuer, audience)?;
    Ok(match request_keys {
        Some(keys) => verifier.with_signing_keys(&keys)?,
        None => verifier,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use domain::ports;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    /// A store whose values the test changes, and that counts reads.
    #[derive(Debug, Clone, Default)]
    struct Store {
        values: Arc<Mutex<HashMap<String, String>>>,
        reads: Arc<Mutex<u32>>,
    }

    impl Store {
        fn with(ids: &[&str]) -> Self {
            let store = Self::default();
            store.put(ids);
            store
        }

        fn put(&self, ids: &[&str]) {
            let keys: HashMap<&str, String> = ids.iter().map(|id| (*id, URL_SAFE_NO_PAD.encode(secret(id)))).collect();
            self.values.lock().unwrap().insert("keys".to_owned(), json!(keys).to_string());
        }

        fn reads(&self) -> u32 {
            *self.reads.lock().unwrap()
        }
    }

    impl Secrets for Store {
        async fn read(&self, name: &str) -> ports::Result<String> {
            *self.reads.lock().unwrap() += 1;
            let value = self.values.lock().unwrap().get(name).cloned();
            value.ok_or(ports::Error::Throttled { operation: "Store read" })
        }
    }

    fn secret(id: &str) -> String {
        format!("{id:-<32}")
    }

    fn token(id: &str) -> String {
        let header = Header { kid: Some(id.to_owned()), ..Header::default() };
        let claims = json!({ "sub": "ada", "exp": START.as_ms() / 1_000 + 86_400 });
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret(id).as_bytes())).unwrap()
    }

    async fn keyring(store: &Store) -> Keyring<Store> {
        let source = KeySource { keys: Some("keys".to_owned()), ..KeySource::default() };
        Keyring::load(store.clone(), source, START).await.unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn a_token_signed_with_a_new_key_is_accepted_at_once() {
        let store = Store::with(&["one"]);
        let keyring = keyring(&store).await;
        store.put(&["one", "two"]);
        assert!(keyring.check(&token("two"), None, after(1)).await.is_ok());
        assert!(keyring.check(&token("one"), None, after(1)).await.is_ok());
        assert_eq!(store.reads(), 2);
    }

    #[tokio::test]
    async fn a_token_signed_with_a_removed_key_is_refused_after_five_minutes() {
        let store = Store::with(&["one", "two"]);
        let keyring = keyring(&store).await;
        store.put(&["two"]);
        assert!(keyring.check(&token("one"), None, after(299)).await.is_ok());
        assert_eq!(keyring.check(&token("one"), None, after(300)).await, Err(BadToken::UnknownKey));
    }

    #[tokio::test]
    async fn made_up_key_ids_cause_one_read_in_five_minutes() {
        let store = Store::with(&["one"]);
        let keyring = keyring(&store).await;
        for second in 0..300 {
            assert_eq!(keyring.check(&token("none"), None, after(second)).await, Err(BadToken::UnknownKey));
        }
        assert_eq!(store.reads(), 2);
        assert_eq!(keyring.check(&token("none"), None, after(300)).await, Err(BadToken::UnknownKey));
        assert!(store.reads() <= 4);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_read_again_stay_in_use() {
        let store = Store::with(&["one"]);
        let keyring = keyring(&store).await;
        store.values.lock().unwrap().clear();
        assert!(keyring.check(&token("one"), None, after(301)).await.is_ok());
        store.values.lock().unwrap().insert("keys".to_owned(), "no keys".to_owned());
        assert!(keyring.check(&token("one"), None, after(602)).await.is_ok());
    }

    #[tokio::test]
    async fn a_store_without_keys_is_named_at_the_start() {
        let source = KeySource { keys: Some("keys".to_owned()), ..KeySource::default() };
        let error = Keyring::load(Store::default(), source, START).await.unwrap_err();
        assert_eq!(error.to_string(), "the secret keys cannot be read: Store read was throttled");
    }
}
