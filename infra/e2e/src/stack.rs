//! Starts the whole stack on free ports, with the binaries from cargo.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_adapters::{Account, Tables};
use aws_sdk_sqs::types::Message;
use local::clients::{Clients, developer_credentials};
use local::{Options, Stack};
use tempfile::TempDir;

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the folder of the functions' binaries. Builds them if necessary.
#[must_use]
pub fn binaries() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut command = local::compile::cargo();
        command.current_dir(root()).args(["build", "--quiet", "--workspace"]);
        for entry in std::fs::read_dir(root().join("services")).unwrap() {
            command.arg("--bin").arg(entry.unwrap().file_name());
        }
        // The functions of the recipe, for comparisons.
        command.args(["--bin", "baseline"]);
        assert!(command.status().unwrap().success(), "the functions do not build");
        let test = std::env::current_exe().unwrap();
        // The path of a test is `target/debug/deps/test-0123`. The path of a binary is already in
        // `target/debug`.
        let folder = test.parent().unwrap();
        if folder.ends_with("deps") { folder.parent().unwrap().to_owned() } else { folder.to_owned() }
    };
    FOLDER.get_or_init(build).clone()
}

/// Returns a copy of `infra/topology.yaml` with some texts replaced. Every text must exist.
#[must_use]
pub fn topology_with(changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = std::fs::read_to_string(root().join("infra/topology.yaml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "infra/topology.yaml has no {from:?}");
        text = text.replace(from, to);
    }
    std::fs::write(folder.path().join("topology.yaml"), text).unwrap();
    let settings = std::fs::read_to_string(root().join("infra/local.yaml")).unwrap();
    // The development key is that of this checkout, with which `token` signs.
    let keys = root().join("infra/.development");
    let settings = settings.replace("file: .development", &format!("file: {}", keys.display()));
    let shared = format!("metric_help: {}", root().join("shared").display());
    let settings = settings.replace("metric_help: ../shared", &shared);
    std::fs::write(folder.path().join("local.yaml"), settings).unwrap();
    folder
}

/// The variable with the file in which tests record the permissions that functions use.
const USED_PERMISSIONS: &str = "ROOMCAST_USED_PERMISSIONS";

/// Returns options for tests with the real topology: free ports, fast polling.
#[must_use]
pub fn everything() -> Options {
    let used_permissions = std::env::var_os(USED_PERMISSIONS).map(PathBuf::from);
    let options = Options::for_tests(root().join("infra/topology.yaml"), binaries());
    Options { used_permissions, ..options }
}

/// Starts a stack. Also returns its WebSocket URL.
pub async fn start(options: Options) -> (Stack, String) {
    let stack = Stack::start(options).await.unwrap();
    let url = stack.addresses().websocket.as_ref().unwrap().ws_url.clone();
    (stack, url)
}

/// Returns clients of the stack's DynamoDB, SQS and SNS with the developer's keys.
#[must_use]
pub fn aws(stack: &Stack) -> Clients {
    Clients::new(&stack.addresses().aws_endpoint, &developer_credentials())
}

/// Waits for `count` messages of a queue, and deletes them.
pub async fn received(stack: &Stack, queue: &str, count: usize) -> Vec<Message> {
    let name = queue.to_uppercase().replace('-', "_");
    let url = &stack.variables()[&format!("ROOMCAST_{name}_QUEUE_URL")];
    let queues = aws(stack).sqs;
    let mut received = Vec::new();
    while received.len() < count {
        let receive = queues.receive_message().queue_url(url).wait_time_seconds(20).max_number_of_messages(10);
        let messages = receive.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default();
        assert!(!messages.is_empty(), "nothing more came to {queue}; so far {received:?}");
        for message in &messages {
            let handle = message.receipt_handle().unwrap_or_default();
            queues.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();
        }
        received.extend(messages);
    }
    received
}

/// Returns access to the tables with the developer's keys.
#[must_use]
pub fn tables(stack: &Stack) -> Tables {
    let variables = stack.variables();
    let account = Account::from_environment(|name| variables.get(name).cloned()).unwrap();
    Tables::new(&account, &variables["ROOMCAST_CONNECTIONS_TABLE"], &variables["ROOMCAST_ROOMS_TABLE"])
}
