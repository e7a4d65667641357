//! `cargo xtask cold-start`: how long a packaged function takes from its start to its first poll.
//!
//! Each binary is started beside a listener that plays the Runtime API and Secrets Manager.
//! Loading, linking, reading the environment and making clients are in the time; the network and
//! the processor share of Lambda are not.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use topology::{EnvironmentValue, Function, Topology};

use crate::topology::FILE;

/// The median of every function stays below this.
const BAR: Duration = Duration::from_millis(25);
/// A function that has not polled by then does not start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which binaries to start, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder with the binaries, as `cargo xtask package` builds them.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release")]
    binaries: PathBuf,
    /// Starts of each function.
    #[arg(long, default_value_t = 11)]
    runs: u32,
}

/// Why a start was not measured, or took too long.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Topology(#[from] topology::Error),
    #[error("{}: {source}; build the binaries with `cargo xtask package`", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
    #[error("{0} did not poll within {PATIENCE:?}: it does not start")]
    NoPoll(String),
    #[error("{function} polls {took:?} after its start, later than {BAR:?}")]
    Slow { function: String, took: Duration },
}

/// Starts every function of the topology and prints the median time.
///
/// # Errors
/// See [`Error`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let topology = Topology::read(Path::new(FILE))?;
    let mut slowest: Option<(String, Duration)> = None;
    for function in &topology.functions {
        let mut times = Vec::new();
        for _ in 0..arguments.runs.max(1) {
            times.push(measure(function, &arguments.binaries)?);
        }
        times.sort_unstable();
        let median = times[times.len() / 2];
        println!("{:<12} {:>6.1} ms (of {}; best {:.1} ms)", function.name, ms(median), times.len(), ms(times[0]));
        if slowest.as_ref().is_none_or(|(_, took)| *took < median) {
            slowest = Some((function.name.clone(), median));
        }
    }
    match slowest {
        Some((function, took)) if took > BAR => Err(Error::Slow { function, took }),
        _ => Ok(()),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn measure(function: &Function, binaries: &Path) -> Result<Duration, Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let path = binaries.join(&function.binary);
    let begun = Instant::now();
    let child = Command::new(&path)
        .env_clear()
        .envs(environment(function, &address))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|source| Error::Start { path, source })?;
    let mut child = Started(child);
    listener.set_nonblocking(true)?;
    while begun.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((stream, _)) => {
                if answer_until_poll(stream)? {
                    return Ok(begun.elapsed());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if child.0.try_wait()?.is_some() {
                    break;
                }
                std::thread::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::NoPoll(function.name.clone()))
}

/// A process that ends with its measurement.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // A process that has ended already needs neither.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Serves one connection as Secrets Manager; true when it is the first poll instead.
fn answer_until_poll(mut stream: TcpStream) -> Result<bool, Error> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut request, mut buffer) = (Vec::new(), [0_u8; 4_096]);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(false);
        }
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        if text.starts_with("GET ") && text.contains("/runtime/invocation/next") {
            return Ok(true);
        }
        if text.starts_with("POST ") && text.trim_end().ends_with('}') {
            let body = r#"{"SecretString":"{\"keys\":[]}"}"#;
            let body = if text.contains("jwks") { body } else { r#"{"SecretString":"{}"}"# };
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())?;
            return Ok(false);
        }
    }
}

/// What Lambda sets, and a stand-in for every reference of the topology.
fn environment(function: &Function, address: &str) -> BTreeMap<String, String> {
    let declared = function.environment.iter().map(|(name, value)| {
        let value = match value {
            EnvironmentValue::Text(text) => text.clone(),
            EnvironmentValue::Table(name) | EnvironmentValue::Secret(name) => name.clone(),
            EnvironmentValue::QueueUrl(name) => format!("http://{address}/000000000000/{name}"),
            EnvironmentValue::TopicArn(name) => format!("arn:aws:sns:us-east-1:000000000000:{name}"),
            EnvironmentValue::ManagementUrl => format!("http://{address}/live"),
            // Defaults of the functions.
            EnvironmentValue::Parameter(_) => String::new(),
        };
        (name.clone(), value)
    });
    let memory = function.memory_mb.to_string();
    let platform = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "measured"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "measured"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "measured"),
        ("AWS_SECRET_ACCESS_KEY", "measured"),
        ("AWS_ENDPOINT_URL", &format!("http://{address}")),
    ];
    declared.chain(platform.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}
