//! The ports of domain over DynamoDB, SQS and API Gateway.
