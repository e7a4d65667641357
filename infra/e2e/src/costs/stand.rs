//! A stack in a process of its own, so that its processor time is not mixed with that of the
//! clients. The process answers each line of its input with a snapshot of all counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use bill::{INVOCATIONS, Usage};
use local::options::{Line, Logs, Speed};
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::usage::{REAPER, RUNNER, exact, of_snapshot};
use crate::compare::cpu_time;
use crate::stack::{aws, root};

/// The argument that makes the program a stand. The speed and the folder of the functions' binaries
/// follow it.
pub const ARGUMENT: &str = "stand";
/// The order after which every connection looks as if it had been silent for [`SILENT`].
const AGE: &str = "age";
/// Longer than the time within which a connection is recorded as alive only once, and shorter than
/// that after which the reaper closes it.
const SILENT: Duration = domain::limits::KEEP_ALIVE;
const _: () = assert!(SILENT.as_secs() > domain::limits::TOUCH.as_secs());
const _: () = assert!(SILENT.as_secs() < domain::limits::STALE.as_secs());
/// Pause between two snapshots. A stack reports no event when the last of its work has ended.
const LOOKS_AGAIN: Duration = Duration::from_millis(50);
/// The longest wait for the end of work. The comparisons of presence take 6 min.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What must have ended before an operation counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Everything that was in the queues.
    Queues,
    /// Also the records of a new connection, which the stream gathers for a second.
    Stream,
    /// Also the count of presence once the index has settled. The comparisons that follow later are
    /// not waited for.
    Presence,
    /// Also the comparisons, which come up to 5 min later.
    Comparisons,
}

impl Settled {
    /// How long nothing may happen.
    const fn still(self) -> Duration {
        match self {
            Self::Queues => Duration::from_millis(500),
            Self::Stream | Self::Presence | Self::Comparisons => Duration::from_millis(1_600),
        }
    }

    /// How long to wait at least.
    const fn at_least(self) -> Duration {
        match self {
            Self::Queues | Self::Stream => Duration::ZERO,
            // The window of the stream, the pause until the index has settled, and some time for
            // the count to begin.
            Self::Presence | Self::Comparisons => {
                Duration::from_millis(2_500).saturating_add(domain::limits::PRESENCE_SETTLES)
            }
        }
    }
}

/// A running stand.
pub(super) struct Stand {
    /// The WebSocket URL.
    pub(super) url: String,
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// Waits for the next snapshot.
///
/// # Panics
/// If the work goes on after [`PATIENCE`]: the counts would never be exact.
async fn look_again(begun: Instant, snapshot: &Value) {
    assert!(begun.elapsed() < PATIENCE, "the stack is never at rest: {snapshot}");
    tokio::time::sleep(LOOKS_AGAIN).await;
}

impl Stand {
    /// Starts a stack with the intervals of AWS, or with short ones.
    pub(super) async fn start(speed: Speed, binaries: &Path) -> Self {
        let mut itself = Command::new(std::env::current_exe().unwrap());
        let speed = if speed == Speed::Fast { "fast" } else { "aws" };
        itself.args([ARGUMENT, speed]).arg(binaries).kill_on_drop(true);
        let mut process = itself.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut answers = BufReader::new(answers).lines();
        let url = answers.next_line().await.unwrap().expect("a stack that starts");
        Self { url, process, orders, answers }
    }

    /// Makes every connection look as if it had been silent for some minutes.
    pub(super) async fn age_connections(&mut self) {
        self.order(AGE).await;
    }

    /// Waits until all work has ended. Returns everything that was used so far.
    pub(super) async fn until(&mut self, settled: Settled) -> Usage {
        let begun = Instant::now();
        let (mut last, mut since) = (Usage::default(), Instant::now());
        loop {
            let snapshot = self.order("").await;
            let usage = of_snapshot(&snapshot);
            let exact = exact(&usage).without(&[REAPER]);
            if is_busy(&snapshot, settled) || exact != last {
                (last, since) = (exact, Instant::now());
            } else if since.elapsed() >= settled.still() && begun.elapsed() >= settled.at_least() {
                return usage;
            }
            look_again(begun, &snapshot).await;
        }
    }

    /// Returns everything that was used so far, when the reaper has ended this many further runs.
    pub(super) async fn after_runs_of_the_reaper(&mut self, runs: f64) -> Usage {
        let (begun, mut wanted) = (Instant::now(), None);
        loop {
            let snapshot = self.order("").await;
            let usage = of_snapshot(&snapshot);
            let is_at_rest = snapshot["statistics"]["functions"][REAPER]["processes_busy"] == 0;
            let so_far = usage.of(REAPER, INVOCATIONS);
            if is_at_rest && so_far >= *wanted.get_or_insert(so_far + runs) {
                return usage;
            }
            look_again(begun, &snapshot).await;
        }
    }

    /// Returns everything that was used so far.
    pub(super) async fn now(&mut self) -> Usage {
        of_snapshot(&self.order("").await)
    }

    pub(super) async fn stop(self) {
        let Self { mut process, orders, .. } = self;
        drop(orders);
        process.wait().await.unwrap();
    }

    async fn order(&mut self, order: &str) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("a stack that runs");
        serde_json::from_str(&answer).unwrap()
    }
}

/// Whether messages wait or functions run, apart from the reaper.
fn is_busy(snapshot: &Value, settled: Settled) -> bool {
    let statistics = &snapshot["statistics"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let waits = |queue: &Value| {
        let delayed = if settled == Settled::Comparisons { number(&queue["delayed"]) } else { 0 };
        number(&queue["visible"]) + number(&queue["in_flight"]) + delayed > 0
    };
    let queues = statistics["messaging"]["queues"].as_object();
    let functions = statistics["functions"].as_object().into_iter().flatten();
    let mut running = functions.filter(|(function, _)| *function != REAPER);
    queues.into_iter().flatten().any(|(_, queue)| waits(queue))
        || running.any(|(_, function)| number(&function["processes_busy"]) > 0)
}

/// Runs a stack until the input ends.
pub async fn serve(speed: &str, binaries: PathBuf) {
    let (listener, mut lines) = unbounded_channel();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("local.yaml");
    std::fs::write(&settings, deployed()).unwrap();
    let options = Options {
        local: Some(settings),
        speed: if speed == "fast" { Speed::Fast } else { Speed::Aws },
        logs: Logs::Silent,
        listener: Some(listener),
        ..Options::for_tests(root().join("infra/topology.yaml"), binaries)
    };
    let stack = Stack::start(options).await.unwrap();
    println!("{}", stack.addresses().websocket.as_ref().unwrap().ws_url);
    let mut log_bytes = BTreeMap::new();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await.unwrap() {
        if order == AGE {
            age(&stack).await;
        }
        println!("{}", snapshot(&stack, &mut lines, &mut log_bytes));
    }
    stack.shutdown().await;
}

/// Returns the settings of a deployment as Terraform has them by default, with guests and the key
/// for development.
fn deployed() -> String {
    let keys = root().join("infra/.development/token_keys.json");
    let made_of = r#"'{"dev":"{random}"}'"#;
    format!(
        "secrets:\n  token_keys:\n    file: {}\n    made_of: {made_of}\nparameters:\n  guests: allow\n",
        keys.display()
    )
}

fn snapshot(stack: &Stack, lines: &mut UnboundedReceiver<Line>, log_bytes: &mut BTreeMap<String, usize>) -> Value {
    while let Ok(line) = lines.try_recv() {
        *log_bytes.entry(line.function).or_default() += line.text.len();
    }
    let statistics = stack.statistics();
    let functions = statistics["functions"].as_object().into_iter().flatten();
    let milliseconds = |time: Duration| json!(time.as_secs_f64() * 1_000.0);
    let cpu = functions.map(|(function, counters)| {
        let pids = counters["pids"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        (function.clone(), milliseconds(pids.map(cpu_time).sum()))
    });
    let runner = (RUNNER.to_owned(), milliseconds(cpu_time(std::process::id().into())));
    let cpu: serde_json::Map<String, Value> = cpu.chain([runner]).collect();
    json!({ "statistics": statistics, "cpu_ms": cpu, "log_bytes": log_bytes })
}

/// Sets back the moment at which each connection was last alive.
async fn age(stack: &Stack) {
    let dynamodb = aws(stack).dynamodb;
    let table = &stack.variables()["ROOMCAST_CONNECTIONS_TABLE"];
    let found = dynamodb.scan().table_name(table).send().await.unwrap();
    for item in found.items() {
        let seen = item.get("last_seen_at").and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
        let Some(seen) = seen else { continue };
        let seen = AttributeValue::N((seen - SILENT.as_millis() as u64).to_string());
        let update = dynamodb.update_item().table_name(table).update_expression("SET last_seen_at = :seen");
        let update = update.set_key(Some(["pk", "sk"].map(|key| (key.to_owned(), item[key].clone())).into()));
        update.expression_attribute_values(":seen", seen).send().await.unwrap();
    }
}
