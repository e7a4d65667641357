//! Contracts, in-memory adapters, faults and a clock that the test turns.
