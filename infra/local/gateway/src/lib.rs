//! API Gateway WebSocket on one machine.
