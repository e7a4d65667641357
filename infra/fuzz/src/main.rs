//! Long runs by hand.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fuzz::{Budget, Outcome, Session, TARGETS, Target};

/// Tries hostile inputs on every parser that reads bytes from outside.
#[derive(Debug, Parser)]
#[command(name = "roomcast-fuzz", bin_name = "cargo run --release --package fuzz --")]
struct Arguments {
    /// The targets to run; all of them, unless named.
    targets: Vec<String>,
    /// Processor time for each target.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// Number from which the inputs are drawn; another one tries other inputs.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Lists the targets and runs none.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        return ExitCode::SUCCESS;
    }
    let is_known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = arguments.targets.iter().find(|name| !is_known(name)) {
        eprintln!("there is no target {unknown}; --list shows all");
        return ExitCode::FAILURE;
    }
    // A panic is a finding and is reported with its input.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted =
        |target: &&Target| arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == target.name);
    let failed = TARGETS.iter().filter(wanted).filter(|target| !is_sound(target, &arguments)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_sound(target: &Target, arguments: &Arguments) -> bool {
    let time = Duration::from_secs(arguments.seconds);
    // Builds without optimisation are too slow for the budget of time.
    let budget = if cfg!(debug_assertions) { Budget { cpu: None, ..Budget::FULL } } else { Budget::FULL };
    let outcome = Session::new(target, budget, arguments.seed).run(|used, _| used < time);
    let Outcome { inputs, most_cpu, most_bytes, failed } = &outcome;
    let (micros, kilobytes) = (most_cpu.as_micros(), most_bytes / 1_024);
    println!("{:<14} {inputs:>9} inputs, at most {micros} µs and {kilobytes} KiB", target.name);
    let Some((input, failure)) = failed else { return true };
    println!("{:<14} FAILED: {failure:?}", "");
    match keep(target, input) {
        Ok(file) => println!("{:<14} the input is {}", "", file.display()),
        Err(error) => println!("{:<14} the input of {} bytes could not be written: {error}", "", input.len()),
    }
    false
}

/// Writes an input into the target's folder, where the short run finds it again.
fn keep(target: &Target, input: &[u8]) -> std::io::Result<std::path::PathBuf> {
    let folder = target.corpus();
    std::fs::create_dir_all(&folder)?;
    let sum = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let file = folder.join(format!("found-{sum:016x}"));
    std::fs::write(&file, input)?;
    Ok(file)
}
