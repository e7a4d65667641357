//! A function for the tests. It uses the production runtime; its payload and environment select its
//! behaviour.
//!
//! The same executable is its own supervisor (`supervise …`) and a runner of itself (`runner`), so
//! that the tests can kill a whole runner.
#![allow(clippy::expect_used, clippy::panic, reason = "part of the tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use local_lambda::{Config, Function, Lambda, Record, Sink, Supervisor};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "supervise").is_some() {
        return local_lambda::supervise_main(args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if args.next_if(|first| first == "runner").is_some() {
        return runtime.block_on(runner());
    }
    let _tether = tether();
    at_start(&runtime);
    match runtime.block_on(lambda_runtime::run(service_fn(handle))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Opens a connection that breaks when this process dies, so that a test can detect the death.
fn tether() -> Option<TcpStream> {
    let mut stream = TcpStream::connect(std::env::var("TETHER").ok()?).expect("a listener");
    writeln!(stream, "{}", std::process::id()).expect("a listener");
    Some(stream)
}

fn at_start(runtime: &Runtime) {
    match std::env::var("AT_START").unwrap_or_default().as_str() {
        "" => {}
        // The process ignores SIGTERM.
        "deaf" => drop(runtime.block_on(async { signal(SignalKind::terminate()) }).expect("a signal handler")),
        "exit" => {
            eprintln!("no TABLE in the environment");
            std::process::exit(3);
        }
        "leave" => std::process::exit(0),
        "panic" => panic!("cannot go on"),
        "hang" => std::thread::sleep(Duration::MAX),
        // The test makes the Runtime API calls in place of this process.
        "puppet" => {
            println!("{}", runtime_api());
            std::thread::sleep(Duration::MAX);
        }
        "init_error" => {
            post_init_error();
            std::thread::sleep(Duration::MAX);
        }
        other => panic!("unknown start {other}"),
    }
}

async fn handle(LambdaEvent { payload, context }: LambdaEvent<Value>) -> Result<Value, Error> {
    match payload["do"].as_str().unwrap_or_default() {
        "echo" => Ok(payload),
        "error" => Err("boom".into()),
        "panic" => panic!("something went wrong"),
        "exit" => std::process::exit(i32::try_from(payload["code"].as_i64().unwrap_or(1))?),
        "abort" => std::process::abort(),
        "hang" => std::future::pending().await,
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or(1))).await;
            Ok(json!(std::process::id()))
        }
        "big" => Ok("x".repeat(usize::try_from(payload["bytes"].as_u64().unwrap_or(0))?).into()),
        "pid" => Ok(json!(std::process::id())),
        "context" => Ok(serde_json::to_value(context)?),
        "environment" => Ok(json!({
            "variables": std::env::vars().map(|(name, value)| (name, Value::String(value))).collect::<Value>(),
            "folder": std::env::current_dir()?,
        })),
        "log" => log(),
        "child" => child(),
        other => Err(format!("unknown behaviour {other}").into()),
    }
}

fn log() -> Result<Value, Error> {
    println!("out 1\nout 2");
    eprintln!("err 1");
    std::io::stdout().write_all(b"not \xff utf-8\n")?;
    println!("{}", "y".repeat(300 * 1024));
    Ok(Value::Null)
}

/// Starts a child process and leaves it running.
fn child() -> Result<Value, Error> {
    let child = Command::new(std::env::current_exe()?).env("AT_START", "hang").stdout(Stdio::null()).spawn()?;
    Ok(json!(child.id()))
}

fn runtime_api() -> String {
    std::env::var("AWS_LAMBDA_RUNTIME_API").expect("AWS_LAMBDA_RUNTIME_API")
}

fn post_init_error() {
    let body = r#"{"errorMessage":"no TABLE","errorType":"ConfigError"}"#;
    let api = runtime_api();
    let mut stream = TcpStream::connect(&api).expect("the runtime api");
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\n\
         lambda-runtime-function-error-type: Runtime.InitError\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("the runtime api");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the runtime api");
}

struct Silence;

impl Sink for Silence {
    fn record(&self, _: &str, _: u64, _: Record<'_>) {}
}

/// Runs two functions, one of them busy for ever, until this process is killed.
async fn runner() -> ExitCode {
    let program = std::env::current_exe().expect("this executable");
    let function = |name: &str| Function {
        name: name.to_owned(),
        program: program.clone(),
        args: vec![],
        environment: vec![("TETHER".to_owned(), std::env::var("TETHER").expect("TETHER"))],
        credentials: local_lambda::Credentials::default(),
        memory_mb: 128,
        timeout: Duration::from_secs(900),
        concurrency: 1,
    };
    let mut config = Config::new(vec![function("idle"), function("busy")], Arc::new(Silence));
    config.supervisor = Some(Supervisor { program, args: vec!["supervise".to_owned()] });
    let lambda = Lambda::start(config).expect("two functions");
    lambda.warm_up("idle").await.expect("an idle process");
    let _never = lambda.invoke("busy", Bytes::from_static(br#"{"do":"hang"}"#)).await;
    ExitCode::FAILURE
}
