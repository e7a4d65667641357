//! File descriptors of the programs that hold many connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// File descriptors of each member: both ends of its connection may be in one process.
const EACH_MEMBER: u64 = 2;
/// File descriptors for everything else.
const OTHERS: u64 = 1_000;

/// The process may not open enough file descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{members} members need {needed} file descriptors, which this process may not have; raise the limit with \
     `ulimit -n {needed}` (and, for good, nofile in /etc/security/limits.conf), or take fewer members"
)]
pub struct TooFew {
    members: u64,
    needed: u64,
}

/// Raises the limit of this process, and of those that it starts, to what so many members need.
///
/// # Errors
/// [`TooFew`], with advice.
pub fn provide(members: usize) -> Result<(), TooFew> {
    let members = members as u64;
    let needed = members.saturating_mul(EACH_MEMBER).saturating_add(OTHERS);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
    if soft >= needed || setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).is_ok() {
        return Ok(());
    }
    Err(TooFew { members, needed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_members_are_provided_for_and_too_many_are_refused_with_advice() {
        assert_eq!(provide(1), Ok(()));
        let refused = provide(usize::MAX).unwrap_err().to_string();
        assert!(refused.contains("raise the limit with `ulimit -n "), "{refused}");
    }
}
