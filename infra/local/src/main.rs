//! `cargo dev`: builds the functions of a topology and runs them on this machine.

use std::process::ExitCode;

use local::cli::Cli;
use local::signals::Stop;
use local::{Error, SUPERVISE, Stack, banner, command, compile, place};
use topology::Topology;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == SUPERVISE).is_some() {
        return local_lambda::supervise_main(arguments);
    }
    let cli = Cli::from_process();
    log_to_stderr(cli.has_colours());
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_BIN_NAME"));
            ExitCode::FAILURE
        }
    }
}

/// Logs the runner's own messages: warnings, unless `RUST_LOG` sets another level.
fn log_to_stderr(has_colours: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,dynoxide=error"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(has_colours);
    lines.with_writer(std::io::stderr).init();
}

fn run(cli: &Cli) -> Result<ExitCode, Error> {
    let file = cli.topology();
    let topology = Topology::read(&file)?;
    for finding in &topology.findings {
        eprintln!("note: {}:{finding}", file.display());
    }
    if let Some(ready_file) = &cli.ready_file {
        place::check_writable(ready_file)?;
    }
    let binaries = compile::folder(&cli.binaries(), &topology, cli.has_colours())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(cli, binaries));
    // Tasks that still block are dropped without waiting for them.
    runtime.shutdown_background();
    code
}

async fn serve(cli: &Cli, binaries: std::path::PathBuf) -> Result<ExitCode, Error> {
    let stop = Stop::listen()?;
    let stack = tokio::select! {
        stack = Stack::start(cli.options(binaries)) => stack?,
        _ = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    announce(cli, &stack)?;
    let code = match &cli.run {
        Some(command) => command::run(command, &stack.variables(), &stop).await.map(ExitCode::from),
        None => wait(&stop).await,
    };
    if tokio::time::timeout(local::STOPS_WITHIN, stack.shutdown()).await.is_err() {
        tracing::warn!("stop timed out: the remaining processes are killed");
    }
    Ok(code?)
}

fn announce(cli: &Cli, stack: &Stack) -> Result<(), Error> {
    if let Some(file) = &cli.ready_file {
        std::fs::write(file, stack.addresses().to_json().to_string())?;
    }
    eprintln!("{}", banner::text(&stack.topology().name, stack.addresses(), stack.settings(), stack.took()));
    Ok(())
}

async fn wait(stop: &Stop) -> std::io::Result<ExitCode> {
    stop.asked().await;
    eprintln!("stopping");
    Ok(ExitCode::SUCCESS)
}
