//! Converts the functions of the topology to those of the Lambda emulator.

use std::sync::Arc;
use std::time::Duration;

use local_lambda::{Config, Credentials, Function, Lambda, Supervisor};
use topology::Topology;

use crate::aws::caller::Callers;
use crate::clients::developer_credentials;
use crate::environment::{Values, of_function};
use crate::inspector::Inspector;
use crate::lines::Lines;
use crate::options::Options;
use crate::place::{ACCOUNT, REGION};
use crate::{Error, SUPERVISE};

/// Starts the emulator. No function runs yet.
pub(crate) fn start(
    topology: &Topology,
    options: &Options,
    values: &Values<'_>,
    callers: &Callers,
    inspector: &Inspector,
) -> Result<Lambda, Error> {
    let functions = topology
        .functions
        .iter()
        .map(|function| local_function(function, options, values, callers))
        .collect::<std::io::Result<Vec<_>>>()?;
    let names = topology.functions.iter().map(|function| function.name.as_str());
    let mut config = Config::new(functions, Arc::new(Lines::new(names, options, inspector.functions())));
    REGION.clone_into(&mut config.region);
    ACCOUNT.clone_into(&mut config.account);
    config.fresh_process_per_invocation = options.fresh_process_per_invocation;
    config.supervisor =
        options.supervisor.clone().map(|program| Supervisor { program, args: vec![SUPERVISE.to_owned()] });
    Ok(Lambda::start(config)?)
}

fn local_function(
    function: &topology::Function,
    options: &Options,
    values: &Values<'_>,
    callers: &Callers,
) -> std::io::Result<Function> {
    Ok(Function {
        name: function.name.clone(),
        program: std::path::absolute(options.binaries.join(&function.binary))?,
        args: Vec::new(),
        environment: of_function(function, values),
        credentials: credentials(function, options, callers),
        memory_mb: function.memory_mb,
        timeout: Duration::from_secs(u64::from(function.timeout_s)),
        // Twice the number, so that a process that is being replaced does not use the place of its
        // successor.
        concurrency: function.reserved_concurrency.unwrap_or(2 * options.processes),
    })
}

/// Returns a function's own keys, by which the embedded endpoint identifies it. An external
/// endpoint accepts only the developer's keys.
fn credentials(function: &topology::Function, options: &Options, callers: &Callers) -> Credentials {
    if options.aws_endpoint.is_some() {
        let developer = developer_credentials();
        return Credentials {
            access_key_id: developer.access_key_id().to_owned(),
            secret_access_key: developer.secret_access_key().to_owned(),
            session_token: developer.session_token().unwrap_or_default().to_owned(),
        };
    }
    let keys = callers.keys(&function.name).cloned().unwrap_or_default();
    Credentials {
        access_key_id: keys.access_key_id,
        secret_access_key: keys.secret_access_key,
        session_token: keys.session_token,
    }
}
