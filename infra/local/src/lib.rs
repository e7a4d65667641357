//! The local runner: any topology of Lambda functions on one machine.
