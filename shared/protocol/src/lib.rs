//! The bytes: client to us, and us to us.
