//! Commands that show rooms: where they stand, what was published, and their members.

pub(crate) mod history;
pub(crate) mod publications;
pub(crate) mod room;
pub(crate) mod tail;
pub(crate) mod who;
