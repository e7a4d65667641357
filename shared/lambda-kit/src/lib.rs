//! What every function needs and none should write.
