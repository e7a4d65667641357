//! `roomcast plan`: what a number of rooms needs and costs, and what limits it first.
//!
//! The counts of calls are measured (`docs/costs.json`), the times are fitted to results of the
//! load test (`fitted.json`), the limits are those of `domain` and of the topology. Nothing here
//! reads a deployment.

mod capacity;
mod counts;
mod day;
mod file;
mod fit;
mod latency;
#[cfg(test)]
mod laws;
mod show;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use bill::Prices;
use topology::Topology;

use crate::error::Error;
use crate::output::Output;
use capacity::Planner;
use counts::Operations;
use file::Plan;
use fit::{Fitted, Fitter};
use work::Model;

/// The topology that this program was built with.
const TOPOLOGY: &str = include_str!("../../../topology.yaml");

const HELP: &str = "\
A plan file (TOML) has groups of rooms, and optionally cells, quotas and a curve of the day:

  name = \"arena\"
  cells = 2                       # accounts or Regions; rooms are spread by a hash of their names
  rooms_per_connection = 1
  day = [0.2, 0.2, …]             # 24 shares of the members that are connected
  [account]                       # quotas of each cell, here those of a new account
  requests_per_second = 10000
  connects_per_second = 500
  concurrent_executions = 1000
  [relay]                         # what is published to every cell
  broadcasts_per_second = 0.01
  inbox_messages_per_second = 50
  [[rooms]]
  name = \"arena\"
  count = 20
  members = 5000
  rate = 2                        # publications a second into each room
  payload_bytes = 200
  hours_per_day = 8
  from_hour = 16
  connects_per_second = 1         # connections that come and go, in each room
  presence = true                 # false for members of the classic format

Examples:
  roomcast plan --rooms 20 --members 5000 --rate 2      what do these rooms need?
  roomcast plan infra/cli/plans/million.toml            the plan of docs/scale.md
  roomcast plan infra/cli/plans/million.toml --day      hour by hour, beside a simulated day
  roomcast plan --fit results/*.json --about 'us-east-1' > fitted.json
  roomcast plan plan.toml --fitted fitted.json          with the times of your own load tests";

/// The plan to compute.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The plan file
    #[arg(value_name = "FILE", required_unless_present_any = ["rooms", "fit"], conflicts_with_all = ["rooms", "members", "rate"])]
    file: Option<PathBuf>,
    /// Equal rooms, instead of a file
    #[arg(long, value_name = "COUNT", requires = "members", requires = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    rooms: Option<u32>,
    /// Members of each of these rooms
    #[arg(long, value_name = "MEMBERS", requires = "rooms", value_parser = clap::value_parser!(u32).range(1..))]
    members: Option<u32>,
    /// Publications a second into each of these rooms
    #[arg(long, value_name = "RATE", requires = "rooms")]
    rate: Option<f64>,
    /// Bytes of `data` of each publication into these rooms
    #[arg(long, value_name = "BYTES", default_value_t = 200, requires = "rooms")]
    payload_bytes: u32,
    /// Cells, instead of those of the file
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cells: Option<u32>,
    /// Also prints each hour of the day, beside a simulated one
    #[arg(long)]
    day: bool,
    /// The seed of the simulated day
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "day")]
    seed: u64,
    /// Constants of times and costs, printed by --fit [default: those of this program]
    #[arg(long, value_name = "FILE")]
    fitted: Option<PathBuf>,
    /// Prices, as in infra/terraform/prices.toml [default: those of this program]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Prints constants fitted to results of the load test (`cargo load --json-out RESULT`)
    #[arg(long, value_name = "RESULT", num_args = 1.., conflicts_with_all = ["file", "rooms", "fitted"])]
    fit: Vec<PathBuf>,
    /// Where these results were measured
    #[arg(long, value_name = "TEXT", requires = "fit", default_value = "")]
    about: String,
}

/// Prints what the plan needs, or the constants that were fitted.
pub(crate) fn print(asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let topology =
        Topology::parse(TOPOLOGY).map_err(|mistakes| Error::new(mistakes.to_string(), "cargo xtask topology"))?;
    let operations = Operations::measured()?;
    let prices = asked.prices()?;
    let model = Model { topology: &topology, operations: &operations };
    if !asked.fit.is_empty() {
        let fitted = Fitter { model, prices: &prices }.fit(&asked.about, &asked.fit)?;
        return show::fitted(&fitted, output);
    }
    let plan = asked.plan()?;
    let fitted = asked.fitted.as_deref().map_or_else(Fitted::built_in, Fitted::read)?;
    let planner = Planner { model, prices: &prices, fitted: &fitted };
    show::plan(&planner, &plan, output)?;
    if asked.day {
        show::day(&planner, &plan, asked.seed, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn prices(&self) -> Result<Prices, Error> {
        let malformed = |file: &str, error| Error::new(format!("{file}: {error}"), "ls infra/terraform/prices.toml");
        let Some(path) = &self.prices else {
            return Prices::built_in().map_err(|error| malformed("infra/terraform/prices.toml", error));
        };
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("{file} cannot be read: {error}"), "ls infra/terraform/prices.toml"))?;
        Prices::parse(&text).map_err(|error| malformed(&file, error))
    }

    fn plan(&self) -> Result<Plan, Error> {
        let mut plan = match (&self.file, self.rooms, self.members, self.rate) {
            (Some(file), ..) => Plan::read(file)?,
            (None, Some(rooms), Some(members), Some(rate)) => {
                Plan::of_equal_rooms(rooms, members, rate, self.payload_bytes)?
            }
            _ => return Err(Error::new("there is no plan", "roomcast plan --rooms 20 --members 5000 --rate 2")),
        };
        if let Some(cells) = self.cells {
            plan.cells = cells.into();
        }
        Ok(plan)
    }
}
