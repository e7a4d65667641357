//! The sequencer function.
