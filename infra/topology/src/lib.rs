#![doc = include_str!("../README.md")]

mod at;
mod check;
mod document;
mod environment;
mod function;
mod grant;
mod json;
pub mod limits;
mod mistake;
mod names;
mod permission;
mod plain;
mod queue;
mod secret;
mod source;
mod suggest;
mod table;
mod topic;
mod trigger;
mod yaml;

use std::path::Path;

use at::{At, Log};

pub use document::{Http, Topology, Websocket};
pub use environment::{EnvironmentValue, Parameter};
pub use function::Function;
pub use grant::Grant;
pub use mistake::{Error, Finding, Mistake, Mistakes, Place};
pub use permission::{Permission, Resource};
pub use queue::{DeadLetter, Queue};
pub use secret::Secret;
pub use source::{OnFailure, QueueTrigger, StartingPosition, StreamTrigger};
pub use table::{AttributeType, Index, Key, Projection, StreamView, Table};
pub use topic::{FilterPolicyScope, Subscription, Topic};
pub use trigger::{Rate, RateUnit, RouteTrigger, Throttle, Trigger};

impl Topology {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, or it has mistakes. The error contains all mistakes, each with its
    /// line and its correction.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let source =
            std::fs::read_to_string(file).map_err(|source| Error::Unreadable { file: file.to_path_buf(), source })?;
        Self::parse(&source).map_err(|mistakes| Error::Mistaken { file: file.to_path_buf(), mistakes })
    }

    /// Reads and checks the text of a topology.
    ///
    /// # Errors
    /// All mistakes, in the order of the text.
    pub fn parse(source: &str) -> Result<Self, Mistakes> {
        let document = yaml::parse(source).map_err(|mistake| Mistakes::new(vec![mistake]))?;
        let log = Log::default();
        let ambiguous = plain::ambiguous(source);
        let mut topology = Self::from_document(&At::root(&document, &log));
        check::references(&topology, &log);
        check::rules(&topology, &log);
        let mut mistakes = ambiguous;
        mistakes.extend(log.mistakes());
        if mistakes.is_empty() {
            topology.findings = check::findings(&topology, &log);
            Ok(topology)
        } else {
            Err(Mistakes::new(mistakes))
        }
    }
}
