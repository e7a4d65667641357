//! File descriptors. Every connection needs one, so their number is checked before the first is
//! opened.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors for everything except members: publishers, files, the runtime.
const OTHERS: u64 = 200;

/// The process may not open enough file descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections need {needed} file descriptors and this process may have {limit}; \
     raise the limit with `ulimit -n {needed}` (and, for good, nofile in /etc/security/limits.conf), or use several \
     generators and `roomcast-load merge`"
)]
pub struct TooFew {
    connections: u64,
    needed: u64,
    limit: u64,
}

/// Raises this process's own limit as far as permitted, and checks that it is sufficient.
///
/// # Errors
/// [`TooFew`], with advice.
pub fn provide(connections: usize) -> Result<(), TooFew> {
    let connections = connections as u64;
    let needed = connections + OTHERS;
    // A system without this limit permits any number.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    if soft >= needed || setrlimit(Resource::RLIMIT_NOFILE, needed.max(soft).min(hard), hard).is_ok() && hard >= needed
    {
        return Ok(());
    }
    Err(TooFew { connections, needed, limit: hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_are_provided_for_and_too_many_are_told_what_to_do() {
        assert_eq!(provide(10), Ok(()));
        let told = provide(usize::MAX / 2).unwrap_err().to_string();
        assert!(told.contains("ulimit -n") && told.contains("several generators"), "{told}");
    }
}
