//! Reasons for refusing a token.

/// The reason for refusing a token: a sentence for the log. It shows nothing of the token but the
/// name of the claim at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// The token is too long to be parsed.
    #[error("the token is {0} bytes long; at most 8192 are allowed")]
    TooLong(usize),
    /// The text is not a JWT, or its header is not one of a JWT.
    #[error(
        "the token is no JWT: three parts of base64url between dots, the first of them a header that names its alg"
    )]
    Malformed,
    /// The signature needs extensions (`crit`, RFC 7515, 4.1.11).
    #[error("the token's header names extensions as critical; none is supported")]
    Critical,
    /// The header names an unknown key.
    #[error("the token's header names a key (kid) that is not among the keys")]
    UnknownKey,
    /// The header names no key where there are several.
    #[error("the token's header names no key (kid), and there are several")]
    NoKey,
    /// The token is signed with another algorithm than that of its key, or not at all.
    #[error("the token's header names another algorithm (alg) than that of its key")]
    WrongAlgorithm,
    /// Another key has signed the token, or it was changed after it was signed.
    #[error("the token's signature is not that of its key")]
    WrongSignature,
    /// The claims are not an object, or have a claim twice.
    #[error("the token's claims are no JSON object that has each claim once")]
    NoClaims,
    /// A required claim is missing.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// The token is one of a backend, which opens no connection.
    #[error("the token has the claim backend: it is for the HTTP API, and not for a connection")]
    OfBackend,
    /// A claim has the wrong shape, or is out of range.
    #[error("the token's claim {name} is not {right}")]
    Claim {
        /// The name of the claim.
        name: &'static str,
        /// The right form of the claim.
        right: &'static str,
    },
    /// The name of the user or device, or the id of the token, breaks its rule.
    #[error("the token's claim {name}: {message}")]
    Name {
        /// The name of the claim.
        name: &'static str,
        /// The mistake, and the right form.
        message: String,
    },
    /// The name belongs to guests, to backends, or to an inbox.
    #[error("the token's claim sub is reserved: no user's name is backend or begins with guest: or @")]
    Reserved,
    /// The issuer is not the one that this deployment trusts.
    #[error("the token's claim iss is not TOKEN_ISSUER")]
    WrongIssuer,
    /// The token is for another audience.
    #[error("the token's claim aud does not name TOKEN_AUDIENCE")]
    WrongAudience,
    /// The token has expired, so many seconds ago.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// The token becomes valid in so many seconds, more than clocks differ.
    #[error("the token is valid in {0} s")]
    NotYet(u64),
}
