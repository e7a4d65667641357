//! The measured costs of a broadcast.

use std::collections::BTreeMap;
use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

/// The measurements of one broadcast.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Time from the publisher's send to the last member's receive.
    pub last: Duration,
    /// Number of members that received it.
    pub reached: usize,
    /// CPU time of all functions.
    pub cpu: Duration,
    /// Read units of all functions.
    pub read_units: f64,
}

/// The resources that the functions have used so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    cpu: BTreeMap<u64, Duration>,
    read_units: f64,
}

/// Operations that read.
const READS: [&str; 5] =
    ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:TransactGetItems"];

impl Sample {
    pub(crate) fn to_json(self) -> Value {
        let Self { last, reached, cpu, read_units } = self;
        json!({ "last": last.as_secs_f64(), "reached": reached, "cpu": cpu.as_secs_f64(), "read_units": read_units })
    }

    pub(crate) fn from_json(json: &Value) -> Self {
        let number = |name: &str| json[name].as_f64().unwrap();
        let time = |name: &str| Duration::from_secs_f64(number(name));
        let (last, cpu, read_units) = (time("last"), time("cpu"), number("read_units"));
        Self { last, reached: number("reached") as usize, cpu, read_units }
    }

    /// Returns the time until the last of `members` members. For a broadcast that was cut short,
    /// extrapolates from its pace.
    pub(crate) fn last_of(&self, members: usize) -> Duration {
        self.last.mul_f64(members as f64 / self.reached.clamp(1, members.max(1)) as f64)
    }
}

impl Used {
    pub(crate) fn by_now(stack: &Stack) -> Self {
        let numbers = stack.statistics();
        let functions = numbers["functions"].as_object();
        let pids = functions.into_iter().flatten().filter_map(|(_, function)| function["pids"].as_array()).flatten();
        let cpu = pids.filter_map(Value::as_u64).map(|pid| (pid, cpu_time(pid))).collect();
        let callers = numbers["calls"].as_object().into_iter().flatten();
        let functions = callers.filter(|(caller, _)| *caller != "developer");
        let units = functions.flat_map(|(_, calls)| READS.map(|read| calls[read]["units"].as_f64().unwrap_or(0.0)));
        Self { cpu, read_units: units.sum() }
    }

    /// Returns the CPU time and the read units since `before`.
    pub(crate) fn since(&self, before: &Self) -> (Duration, f64) {
        let of = |pid: &u64, now: Duration| now.saturating_sub(before.cpu.get(pid).copied().unwrap_or_default());
        (self.cpu.iter().map(|(pid, now)| of(pid, *now)).sum(), self.read_units - before.read_units)
    }
}

/// Returns the CPU time of all threads of a process in nanoseconds, from the scheduler. Source:
/// <https://docs.kernel.org/scheduler/sched-stats.html>
pub(crate) fn cpu_time(pid: u64) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.filter_map(|thread| time(thread.path())).sum()
}

/// Returns the mean of two samples.
pub(crate) fn pair(one: &Sample, other: &Sample) -> Sample {
    Sample {
        last: (one.last + other.last) / 2,
        reached: one.reached.min(other.reached),
        cpu: (one.cpu + other.cpu) / 2,
        read_units: f64::midpoint(one.read_units, other.read_units),
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
