//! SQS and SNS in memory.
