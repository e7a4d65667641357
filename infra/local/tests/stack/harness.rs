//! Starts stacks whose topologies are texts in the tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use local::{Error, Options, Stack};
use tempfile::TempDir;

/// Timeout of every wait. No step takes as long unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A stack, and the folder of its topology.
pub(crate) struct Running {
    pub(crate) stack: Stack,
    folder: TempDir,
}

/// Starts a stack of a topology. `text` contains the functions and all else except version and
/// name.
pub(crate) async fn start(text: &str) -> Running {
    start_with(text, |_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Like [`start`], with other options. May fail.
pub(crate) async fn start_with(text: &str, choose: impl FnOnce(&mut Options)) -> Result<Running, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.yaml");
    std::fs::write(&file, format!("version: 1\nname: test\n{text}")).unwrap();
    let mut options = Options::for_tests(file, examples());
    choose(&mut options);
    Stack::start(options).await.map(|stack| Running { stack, folder })
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stack.shutdown().await;
        drop(self.folder);
    }

    /// Waits for an item of the table `seen` for which `wanted` holds.
    pub(crate) async fn witnessed(&self, wanted: impl Fn(&Item) -> bool) -> Item {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.stack.clients().dynamodb.scan().table_name("seen").send().await.unwrap();
            if let Some(item) = answer.items().iter().find(|item| wanted(item)) {
                return item.clone();
            }
            assert!(Instant::now() < deadline, "seen so far: {:?}", answer.items());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Returns the text of an attribute.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Returns the folder of the function `witness`. `cargo test` builds it; otherwise this function
/// builds it.
fn examples() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_roomcast-local")).parent().unwrap().join("examples");
    if !folder.join("witness").exists() {
        let built = local::compile::cargo().args(["build", "--workspace", "--example", "witness"]).status();
        assert!(built.unwrap().success(), "the example does not build");
    }
    folder
}
