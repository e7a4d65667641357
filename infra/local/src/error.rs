//! Why there is no stack: one sentence, for a person.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::{aws, compile, provision, settings};

/// Why the stack does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topology is not there or has mistakes.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// The settings of this machine do not fit the topology.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A function has no binary.
    #[error(transparent)]
    Binaries(#[from] compile::Error),
    /// Somebody listens there already.
    #[error("port {} for the {what} is in use: stop what uses it, or choose another one with {option}", address.port())]
    PortInUse {
        /// What was to listen there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What chooses another port.
        option: &'static str,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address} for the {what}: {source}")]
    Listen {
        /// What was to listen there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is asked for cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data folder or the database in it cannot be used.
    #[error("cannot use the data folder {folder}: {reason}")]
    Data {
        /// Given by `--data`.
        folder: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The database in memory cannot be used.
    #[error(transparent)]
    Database(#[from] aws::DatabaseError),
    /// Something of the topology could not be created.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// The gateway refuses what the topology says.
    #[error("the gateway cannot serve the topology: {0}")]
    Gateway(#[from] local_gateway::Error),
    /// The functions cannot be run.
    #[error("the functions cannot run: {0}")]
    Functions(#[from] local_lambda::StartError),
    /// A function does not come up.
    #[error(transparent)]
    FunctionDied(#[from] local_lambda::StartFailure),
    /// Queues, streams or schedules cannot be read.
    #[error("the triggers of the functions cannot run: {0}")]
    Triggers(String),
    /// The system refuses something that it never refuses.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}
