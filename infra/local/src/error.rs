//! The reasons why the stack does not start. Each is one sentence for the user.

use std::net::SocketAddr;

use crate::aws::DatabaseError;
use crate::{compile, place, provision, settings};

/// The reason why the stack does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topology cannot be read or has mistakes.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// The settings of this machine do not match the topology.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A function has no binary.
    #[error(transparent)]
    Binaries(#[from] compile::Error),
    /// Another program already uses the port.
    #[error("port {} for the {what} is in use: stop what uses it, or choose another one with {option}", address.port())]
    PortInUse {
        /// The component that needs the port.
        what: &'static str,
        /// The address that is in use.
        address: SocketAddr,
        /// The option that selects another port.
        option: &'static str,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address} for the {what}: {source}")]
    Listen {
        /// The component that needs the port.
        what: &'static str,
        /// The address that failed.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A requested file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] place::Unwritable),
    /// The data folder or the database in it cannot be used.
    #[error("cannot use the data folder {folder}: {reason}")]
    Data {
        /// The folder that `--data` names.
        folder: String,
        /// The reason why it cannot be used.
        reason: String,
    },
    /// The database in memory cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A resource of the topology could not be created.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// The gateway refuses the configuration from the topology.
    #[error("the gateway cannot serve the topology: {0}")]
    Gateway(#[from] local_gateway::Error),
    /// The functions cannot be run.
    #[error("the functions cannot run: {0}")]
    Functions(#[from] local_lambda::StartError),
    /// A function did not start.
    #[error(transparent)]
    FunctionDied(#[from] local_lambda::StartFailure),
    /// Queues, streams or schedules cannot be read.
    #[error("the triggers of the functions cannot run: {0}")]
    Triggers(String),
    /// The operating system refused a call that normally succeeds.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}
