//! The environment of a process: the variables of AWS, then the function's own variables, and no
//! variable of the runner.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, "Defined
//! runtime environment variables". `AWS_EXECUTION_ENV` and `_X_AMZN_TRACE_ID` are missing on
//! purpose: AWS does not define them for OS-only runtimes (`provided.al2023`).

use std::net::SocketAddr;
use std::path::Path;

use crate::config::{Config, Function};

/// Returns the variables of one process of `function`. A later variable replaces an earlier one of
/// the same name.
pub(crate) fn of(
    config: &Config,
    function: &Function,
    runtime_api: SocketAddr,
    log_stream: &str,
) -> Vec<(String, String)> {
    let mut variables = identity(config, function, log_stream);
    variables.push(pair("AWS_LAMBDA_RUNTIME_API", &runtime_api.to_string()));
    variables.extend(machine(&task_root(&function.program)));
    variables.extend(config.log_format.iter().map(|format| pair("AWS_LAMBDA_LOG_FORMAT", format)));
    variables.extend(config.log_level.iter().map(|level| pair("AWS_LAMBDA_LOG_LEVEL", level)));
    variables.extend(function.environment.iter().cloned());
    variables
}

/// Returns the first of the function's own variables that AWS reserves.
pub(crate) fn reserved(function: &Function) -> Option<&str> {
    let mut names = function.environment.iter().map(|(name, _)| name.as_str());
    names.find(|name| RESERVED.contains(name))
}

/// Variables that AWS reserves. Its documentation: "The keys for these environment variables are
/// reserved and cannot be set in your function configuration."
const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "TZ",
];

/// Folder of the runtime's libraries on AWS.
const RUNTIME_DIR: &str = "/var/runtime";

/// Returns the variables for the function's Region, credentials, name and version.
fn identity(config: &Config, function: &Function, log_stream: &str) -> Vec<(String, String)> {
    let credentials = &function.credentials;
    vec![
        pair("_HANDLER", "bootstrap"),
        pair("AWS_REGION", &config.region),
        pair("AWS_DEFAULT_REGION", &config.region),
        pair("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        pair("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
        pair("AWS_SESSION_TOKEN", &credentials.session_token),
        pair("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        pair("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        pair("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
        pair("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        pair("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", function.name)),
        pair("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
    ]
}

/// Returns the variables for paths, language and time zone.
fn machine(task_root: &str) -> Vec<(String, String)> {
    let libraries = format!("/lib64:/usr/lib64:{RUNTIME_DIR}:{RUNTIME_DIR}/lib:{task_root}:{task_root}/lib:/opt/lib");
    vec![
        pair("LAMBDA_TASK_ROOT", task_root),
        pair("LAMBDA_RUNTIME_DIR", RUNTIME_DIR),
        pair("LANG", "en_US.UTF-8"),
        pair("TZ", ":UTC"),
        pair("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        pair("LD_LIBRARY_PATH", &libraries),
    ]
}

/// Returns the folder of the program. On AWS it is `/var/task`.
pub(crate) fn task_root(program: &Path) -> String {
    let folder = program.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("/")).to_string_lossy().into_owned()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_root_is_the_folder_of_the_program() {
        assert_eq!(task_root(Path::new("/a/b/bootstrap")), "/a/b");
        assert_eq!(task_root(Path::new("bootstrap")), "/");
    }
}
