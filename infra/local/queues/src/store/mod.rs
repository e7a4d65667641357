//! All queues and topics of an account, and their storage in a folder.

pub(crate) mod journal;
pub(crate) mod kept;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod service;
pub(crate) mod topic;
