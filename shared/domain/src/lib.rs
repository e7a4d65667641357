//! Decisions, types and ports of Roomcast: no I/O, no clock, no randomness, no AWS.
