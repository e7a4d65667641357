//! The AWS endpoint: DynamoDB, DynamoDB Streams, SQS, SNS and Secrets Manager on one address.

mod actions;
pub(crate) mod answer;
pub(crate) mod caller;
mod calls;
mod capacity;
mod conflicts;
mod database;
mod dynamodb;
mod endpoint;
pub(crate) mod grants;
mod protocol;
mod secrets;
mod server;
mod trouble;

pub(crate) use calls::{Calls, DEVELOPER};
pub(crate) use database::Database;
pub(crate) use database::Error as DatabaseError;
pub(crate) use dynamodb::Dynamo;
pub(crate) use endpoint::Endpoint;
pub(crate) use secrets::Secrets;
pub(crate) use server::serve;
pub(crate) use trouble::Trouble;
