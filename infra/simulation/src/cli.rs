//! The command line of the simulation.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::campaign::{Campaign, campaign, options, points};
use crate::faults::Fault;
use crate::mistake::Mistake;
use crate::report::{Options, Report};
use crate::run::run;
use crate::shrink::shrink;
use crate::stake::Stake;
use crate::story::legend;

/// Runs the whole pipeline in one process, under every fault and in every order, and checks every
/// promise.
///
/// Exits with status 0 only if every promise held and everything required was covered.
#[derive(Debug, Parser)]
#[command(name = "simulation", bin_name = "cargo simulation")]
struct Arguments {
    /// Prints the story of one seed
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Runs a range of seeds: the first, and the one after the last
    #[arg(long, value_name = "A..B", value_parser = range, default_value = "0..500")]
    seeds: Range<u64>,
    /// Requires that each fault happens at least this often
    #[arg(long, value_name = "N", default_value_t = 1)]
    at_least: u64,
    /// Makes a mistake on purpose and expects that a check finds it; `all` tries each mistake in
    /// turn
    #[arg(long, value_name = "NAME")]
    mistake: Option<String>,
    /// Prints the points that these seeds reached, for points.txt
    #[arg(long)]
    points: bool,
    /// Prints the story of a failing seed without shortening it
    #[arg(long)]
    whole: bool,
    /// Prints without colours (so does the environment variable NO_COLOR)
    #[arg(long)]
    no_color: bool,
}

impl Arguments {
    /// Parses the arguments of the process, or ends it with a message.
    fn from_process() -> Self {
        let is_plain = std::env::args_os().any(|argument| argument == "--no-color");
        let command = Self::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds; 0..500 is one");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first < last { Ok(first..last) } else { Err(wrong()) }
}

/// Runs what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::from_process();
    match &arguments.mistake {
        Some(name) if name == "all" => every_mistake(&arguments.seeds),
        Some(name) => match Mistake::all().into_iter().find(|mistake| mistake.name() == *name) {
            Some(mistake) if arguments.seed.is_some() => one(&arguments, Some(mistake)),
            Some(mistake) => status(is_found(mistake, &arguments.seeds)),
            None => {
                let names: Vec<String> = Mistake::all().into_iter().map(Mistake::name).collect();
                eprintln!("there is no mistake {name:?}; there are: all, {}", names.join(", "));
                ExitCode::from(2)
            }
        },
        None if arguments.seed.is_some() => one(&arguments, None),
        None => many(&arguments),
    }
}

fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed and prints its story.
fn one(arguments: &Arguments, mistake: Option<Mistake>) -> ExitCode {
    let seed = arguments.seed.unwrap_or_default();
    let options = Options { told: true, ..options(seed, mistake) };
    let report = run(seed, &options);
    let report = match report.broken.first().map(|broken| broken.kind) {
        Some(kind) if !arguments.whole => {
            let shortest = shrink(seed, &Options { told: false, ..options }, kind);
            run(seed, &Options { told: true, ..shortest })
        }
        _ => report,
    };
    tell(&report);
    status(report.broken.is_empty())
}

fn tell(report: &Report) {
    let mut out = std::io::stdout().lock();
    // An error means that the reader has closed the pipe; the rest of the output is not needed.
    let legend = legend(report.seed, &report.chosen);
    let _ = legend.iter().chain(&report.story).try_for_each(|line| writeln!(out, "{line}"));
    let fired: Vec<String> = report.fired.iter().map(|(fault, times)| format!("{fault} x{times}")).collect();
    let _ = writeln!(
        out,
        "\nseed {}: {} publications, {} told to members",
        report.seed, report.publications, report.deliveries
    );
    let _ = writeln!(out, "faults: {}", fired.join("  "));
    if report.broken.is_empty() {
        let _ = writeln!(out, "everything held");
    }
    for broken in &report.broken {
        let _ = writeln!(out, "BROKEN {broken}");
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let live = std::io::stderr().is_terminal() && !arguments.no_color;
    let all = arguments.seeds.end - arguments.seeds.start;
    let sum = campaign(arguments.seeds.clone(), None, 10, |seeds| {
        if live && seeds.is_multiple_of(20) {
            eprint!("\r{seeds} of {all} seeds");
        }
    });
    if live {
        eprintln!();
    }
    if arguments.points {
        sum.points.keys().for_each(|point| println!("{point}"));
        return ExitCode::SUCCESS;
    }
    coverage(&sum);
    for report in &sum.failed {
        let first = &report.broken[0];
        println!("seed {} FAILED: {first}\n  cargo simulation --seed {}", report.seed, report.seed);
    }
    let uncovered = if sum.failed.is_empty() { sum.uncovered(arguments.at_least) } else { Vec::new() };
    uncovered.iter().for_each(|what| println!("NOT COVERED: {what}"));
    println!(
        "{} seeds, {} publications, {} told to members, {} failed, in {:.0?}",
        sum.seeds,
        sum.publications,
        sum.deliveries,
        sum.failed.len(),
        begun.elapsed()
    );
    status(sum.failed.is_empty() && uncovered.is_empty())
}

fn coverage(sum: &Campaign) {
    println!("fault        fired");
    for fault in Fault::ALL {
        let fired = sum.fired.get(fault).copied().unwrap_or_default();
        println!("{:<5} {fired:>12}  {}", fault.to_string(), fault.describe());
    }
    println!("at stake                times");
    for stake in Stake::ALL {
        let times = sum.stakes.get(stake).copied().unwrap_or_default();
        println!("{:<14} {times:>14}  {}", stake.to_string(), stake.describe());
    }
    println!("90 s after everything has healed, members compared with the heads of their rooms");
    for (cause, times) in &sum.excuses {
        let cause = cause.map_or_else(|| "not excused".to_owned(), |cause| format!("excused, {cause}"));
        println!("{times:>12}  {cause}");
    }
    println!("{:>12}  of {} seeds have a pair that is excused", sum.runs_excused, sum.seeds);
    println!("point                                    reached      killed");
    for point in points() {
        let (seen, killed) = sum.points.get(point).copied().unwrap_or_default();
        println!("{point:<36} {seen:>12} {killed:>11}");
    }
}

/// The seed that found each mistake when it was looked for last, one on each line.
const NOTED: &str = include_str!("mistake-seeds.txt");

/// Returns the seed that is noted for a mistake.
fn noted(mistake: Mistake) -> Option<u64> {
    let mut words = NOTED.lines().map(str::split_whitespace);
    words.find_map(|mut words| (words.next()? == mistake.name()).then(|| words.next()?.parse().ok()).flatten())
}

/// Reports whether a mistake is found, in its noted seed or else in the range; prints the broken
/// promise and the seed.
fn is_found(mistake: Mistake, seeds: &Range<u64>) -> bool {
    let name = mistake.name();
    let noted = noted(mistake).filter(|seed| seeds.contains(seed));
    if let Some((seed, report)) = noted.map(|seed| (seed, run(seed, &options(seed, Some(mistake)))))
        && let Some(broken) = report.broken.first()
    {
        println!("{name:<26} found in seed {seed}: {broken}");
        return true;
    }
    let sum = campaign(seeds.clone(), Some(mistake), 1, |_| {});
    match sum.failed.first() {
        Some(report) => {
            let (seed, broken) = (report.seed, &report.broken[0]);
            println!("{name:<26} found after {} seeds: {broken}", sum.seeds);
            println!("{:<26} note this in mistake-seeds.txt, which saves time: {name} {seed}", "");
            true
        }
        None => {
            println!("{name:<26} NOT FOUND in {} seeds", sum.seeds);
            false
        }
    }
}

fn every_mistake(seeds: &Range<u64>) -> ExitCode {
    let found = Mistake::all().into_iter().filter(|mistake| is_found(*mistake, seeds)).count();
    println!("{found} of {} mistakes are found", Mistake::all().len());
    status(found == Mistake::all().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_noted_seed_is_of_a_mistake() {
        let names: Vec<String> = Mistake::all().into_iter().map(Mistake::name).collect();
        for line in NOTED.lines() {
            let (name, seed) = line.split_once(' ').expect("a name and a seed");
            assert!(names.iter().any(|known| known == name), "there is no mistake {name}");
            assert!(seed.parse::<u64>().is_ok(), "{line}");
        }
    }
}
