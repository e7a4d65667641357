//! Why a token is refused.

/// Why a token is refused: a sentence for the log, that shows nothing of the token but the name of the claim at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Too long to be looked at.
    #[error("the token is {0} bytes long; at most 8192 are looked at")]
    TooLong(usize),
    /// Not a JWT, or one whose header is none.
    #[error(
        "the token is no JWT: three parts of base64url between dots, the first of them a header that names its alg"
    )]
    Malformed,
    /// Signed in a way that needs extensions (`crit`, RFC 7515, 4.1.11).
    #[error("the token's header names extensions as critical; none are understood")]
    Critical,
    /// Names a key that we do not know.
    #[error("the token's header names a key (kid) that is not among the keys")]
    UnknownKey,
    /// Names no key where there are several.
    #[error("the token's header names no key (kid), and there are several")]
    NoKey,
    /// Signed with another algorithm than its key's, or not at all.
    #[error("the token's header names another algorithm (alg) than that of its key")]
    WrongAlgorithm,
    /// Signed by somebody else, or changed since.
    #[error("the token's signature is not that of its key")]
    WrongSignature,
    /// Not an object, or one that has a claim twice.
    #[error("the token's claims are no JSON object that has each claim once")]
    NoClaims,
    /// A claim that must be there is not.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// A claim has the wrong shape, or is out of range.
    #[error("the token's claim {name} is not {right}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What it should be.
        right: &'static str,
    },
    /// The user's or device's name breaks the rule for names.
    #[error("the token's claim {name}: {message}")]
    Name {
        /// Which claim.
        name: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// From somebody else than this deployment trusts.
    #[error("the token's claim iss is another than TOKEN_ISSUER")]
    WrongIssuer,
    /// For somebody else.
    #[error("the token's claim aud does not name TOKEN_AUDIENCE")]
    WrongAudience,
    /// Too late.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// Too early, by more than clocks differ.
    #[error("the token is valid in {0} s")]
    NotYet(u64),
}
