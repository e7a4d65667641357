//! Event source mappings: queues, streams and schedules that invoke functions.
