//! Fits the constants to results of the load test, and reads the constants that were fitted.

use std::path::{Path, PathBuf};

use super::file::{Plan, Rooms};
use super::latency::{FEWEST_RESULTS, Features, Line};
use super::work::{Load, Model, post_rate};
use crate::error::Error;
use bill::{Held, Prices, READ_UNITS, Usage, WRITE_UNITS};
use serde::{Deserialize, Serialize};

/// The constants that this program was built with: the output of `roomcast plan --fit`.
const FITTED: &str = include_str!("fitted.json");
/// The schema of the results.
const SCHEMA: &str = "roomcast-load/1";
/// The part that carries counts of a whole run.
const RUN: &str = "run";

/// Constants fitted to results of the load test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fitted {
    /// Where the load test ran.
    pub(crate) about: String,
    /// The time until half of the members have a publication.
    pub(crate) p50: Line,
    /// The time until 99 of 100 members have it.
    pub(crate) p99: Line,
    /// The standard deviation of the counted cost of a run from the planned cost, as a part of it.
    pub(crate) cost_residual: f64,
    /// The mean of counted through planned cost.
    pub(crate) cost_ratio: f64,
    /// The results that were fitted.
    pub(crate) results: Vec<Point>,
}

/// What one result contributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Point {
    /// The start of the run.
    pub(crate) began: String,
    /// Rooms of the run.
    pub(crate) rooms: f64,
    /// Members of each room.
    pub(crate) members: f64,
    /// Publications a second into each room.
    pub(crate) rate: f64,
    /// What the time is linear in.
    pub(crate) features: Features,
    /// The measured times.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// Dollars of what was counted, without the time of functions.
    pub(crate) counted_usd: f64,
    /// Dollars of what the planner expects.
    pub(crate) planned_usd: f64,
}

impl Fitted {
    /// The constants that this program was built with.
    pub(crate) fn built_in() -> Result<Self, Error> {
        Self::parse(FITTED, "infra/cli/src/plan/fitted.json")
    }

    /// Reads constants from a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("{file} cannot be read: {error}"), format!("ls {file}")))?;
        Self::parse(&text, &file)
    }

    fn parse(text: &str, file: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(
                format!("{file} has no fitted constants: {error}"),
                format!("roomcast plan --fit RESULT... > {file}"),
            )
        })
    }

    /// True if no result had a pass or a queue as long as this.
    pub(crate) fn is_beyond_results(&self, features: Features) -> bool {
        let most = |of: fn(&Features) -> f64| self.results.iter().map(|point| of(&point.features)).fold(0.0, f64::max);
        features.pass_s > most(|features| features.pass_s) || features.queue_s > most(|features| features.queue_s)
    }
}

/// The part of a `result.json` that is needed.
#[derive(Debug, Deserialize)]
struct Report {
    schema: String,
    run: Run,
    scenario: Scenario,
    judgement: Judgement,
    account: Account,
    times: Times,
    traffic: Traffic,
    usage: Counted,
}

#[derive(Debug, Deserialize)]
struct Run {
    began: String,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Scenario {
    name: String,
    rooms: Vec<ScenarioRooms>,
}

#[derive(Debug, Deserialize)]
struct ScenarioRooms {
    count: f64,
    members: f64,
    rate: f64,
    payload_bytes: f64,
}

#[derive(Debug, Deserialize)]
struct Judgement {
    verdict: String,
}

#[derive(Debug, Deserialize)]
struct Account {
    publications: f64,
}

#[derive(Debug, Deserialize)]
struct Times {
    each: Percentiles,
}

#[derive(Debug, Deserialize)]
struct Percentiles {
    count: u64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Deserialize)]
struct Traffic {
    joined: f64,
}

/// Counts of the server's work. An absent number is unknown.
#[derive(Debug, Deserialize)]
struct Counted {
    units_in: Option<f64>,
    units_out: Option<f64>,
    read_units: Option<f64>,
    write_units: Option<f64>,
    queue_calls: Option<f64>,
    invocations: Option<f64>,
}

/// What is needed to compare a result with a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fitter<'a> {
    /// The model of the work.
    pub(crate) model: Model<'a>,
    /// The prices of both.
    pub(crate) prices: &'a Prices,
}

/// The fewest times that resolve the 99th percentile.
const FEWEST_TIMES: u64 = 100;

impl Fitter<'_> {
    /// Fits the constants to results.
    pub(crate) fn fit(&self, about: &str, files: &[PathBuf]) -> Result<Fitted, Error> {
        let points = files.iter().map(|file| self.read(file)).collect::<Result<Vec<_>, _>>()?;
        if points.len() < FEWEST_RESULTS {
            return Err(Error::new(
                format!(
                    "{} results were given; three constants and their error need {FEWEST_RESULTS} or more",
                    points.len()
                ),
                "cargo load --members 500 --rate 2 --json-out 500.json",
            ));
        }
        let line = |time: fn(&Point) -> f64| {
            Line::fit(&points.iter().map(|point| (point.features, time(point))).collect::<Vec<_>>())
        };
        let ratios: Vec<f64> = points.iter().map(|point| point.counted_usd / point.planned_usd).collect();
        let count = ratios.len() as f64;
        let squares: f64 = ratios.iter().map(|ratio| (ratio - 1.0) * (ratio - 1.0)).sum();
        Ok(Fitted {
            about: about.to_owned(),
            p50: line(|point| point.p50_ms),
            p99: line(|point| point.p99_ms),
            cost_residual: (squares / count).sqrt(),
            cost_ratio: ratios.iter().sum::<f64>() / count,
            results: points,
        })
    }

    fn read(&self, file: &Path) -> Result<Point, Error> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::new(format!("{shown} cannot be read: {error}"), "cargo load --json-out FILE"))?;
        self.point(&text)
            .map_err(|wrong| Error::new(format!("{shown}: {wrong}"), "repeat the load test, or leave it out"))
    }

    fn point(&self, text: &str) -> Result<Point, String> {
        let report: Report =
            serde_json::from_str(text).map_err(|error| format!("it is no result of {SCHEMA}: {error}"))?;
        if report.schema != SCHEMA {
            return Err(format!("its schema is {:?}; {SCHEMA} is expected", report.schema));
        }
        if !["pass", "threshold"].contains(&report.judgement.verdict.as_str()) {
            return Err(format!(
                "its verdict is {:?}; only runs with reliable times are fitted",
                report.judgement.verdict
            ));
        }
        let each = &report.times.each;
        if each.count < FEWEST_TIMES {
            return Err(format!("it has {} times; the 99th percentile needs {FEWEST_TIMES} or more", each.count));
        }
        let plan = plan(&report)?;
        let load = self.model.load(&plan, 0, &|_| 1.0);
        let widest = load.groups.iter().max_by(|a, b| a.members.total_cmp(&b.members)).ok_or("it has no rooms")?;
        let rate = post_rate(self.model.topology, plan.account.post_budget(), widest.lane);
        let features = Features::of(widest, &load, rate);
        let counted = counted(&report.usage).ok_or("a counter of it is unknown; run it with --counters")?;
        Ok(Point {
            began: report.run.began.clone(),
            rooms: plan.rooms.iter().map(|rooms| rooms.count).sum(),
            members: widest.members,
            rate: widest.rate,
            features,
            p50_ms: each.p50_ms,
            p99_ms: each.p99_ms,
            counted_usd: self.dollars(&counted),
            planned_usd: self.dollars(&self.expected(&report, &load)),
        })
    }

    /// Dollars without the time of functions, which differs from machine to machine.
    fn dollars(&self, usage: &Usage) -> f64 {
        self.prices.bill(usage, Held::default(), self.model.topology).total()
    }

    /// The work that the planner expects of a run, by counter.
    fn expected(&self, report: &Report, load: &Load) -> Usage {
        let rate: f64 = load.groups.iter().map(super::work::Group::publications).sum();
        let seconds = if rate > 0.0 { report.account.publications / rate } else { 0.0 };
        let operations = self.model.operations;
        let mut usage = Usage::default();
        usage.add(&load.usage, seconds);
        // What comes with time is counted by the time of the run, not by that of the publications.
        usage.add(&operations.keep_alive, -load.connections / domain::limits::KEEP_ALIVE.as_secs_f64() * seconds);
        usage.add(&operations.reaper, (report.run.seconds - seconds) / 60.0);
        usage.add(&operations.connect, report.traffic.joined - load.connects * seconds);
        usage.add(&operations.join, report.traffic.joined - load.connects * seconds);
        by_counter(&usage)
    }
}

/// Counts of all functions together, so that both sides are priced alike.
fn by_counter(usage: &Usage) -> Usage {
    use bill::{GATEWAY, INVOCATIONS, POLLS, POSTS};
    let mut sums = Usage::default();
    sums.count(GATEWAY, POSTS, usage.messages());
    sums.count(RUN, READ_UNITS, usage.sum(READ_UNITS));
    sums.count(RUN, WRITE_UNITS, usage.sum(WRITE_UNITS));
    sums.count(RUN, POLLS, usage.queue_calls());
    sums.count(RUN, INVOCATIONS, usage.sum(INVOCATIONS));
    sums
}

fn counted(usage: &Counted) -> Option<Usage> {
    use bill::{GATEWAY, INVOCATIONS, POLLS, POSTS};
    let mut sums = Usage::default();
    sums.count(GATEWAY, POSTS, usage.units_in? + usage.units_out?);
    sums.count(RUN, READ_UNITS, usage.read_units?);
    sums.count(RUN, WRITE_UNITS, usage.write_units?);
    sums.count(RUN, POLLS, usage.queue_calls?);
    sums.count(RUN, INVOCATIONS, usage.invocations?);
    Some(sums)
}

/// The plan that has the rooms of a run.
fn plan(report: &Report) -> Result<Plan, String> {
    let rooms = report.scenario.rooms.iter().map(|rooms| Rooms {
        name: report.scenario.name.clone(),
        count: rooms.count,
        members: rooms.members,
        rate: rooms.rate,
        payload_bytes: rooms.payload_bytes,
        hours_per_day: 24.0,
        from_hour: 0.0,
        connects_per_second: 0.0,
        presence: true,
    });
    let mut plan = Plan::parse("name = \"run\"\n[[rooms]]\nname = \"run\"\nmembers = 1\nrate = 0\n")?;
    plan.rooms = rooms.collect();
    plan.check()?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use topology::Topology;

    use super::super::counts::Operations;
    use super::super::work::Lane;
    use super::*;

    fn report(members: f64, rate: f64, verdict: &str) -> String {
        let each =
            json!({ "count": 6_000, "p50_ms": 60.0 + members / 10.0, "p99_ms": 90.0 + members / 5.0, "hdr": "" });
        json!({
            "schema": SCHEMA, "run": { "began": "2026-11-28T05:42:05Z", "seconds": 34.0 },
            "scenario": { "name": "x", "rooms": [{ "count": 1, "members": members, "rate": rate, "payload_bytes": 64 }] },
            "judgement": { "verdict": verdict }, "account": { "publications": 60 }, "times": { "each": each },
            "traffic": { "joined": members },
            "usage": { "units_in": 60.0 + members, "units_out": 60.0 * members, "read_units": 3_000.0,
                "write_units": 3_000.0, "queue_calls": 400.0, "topic_publishes": 4.0, "invocations": 800.0 },
        })
        .to_string()
    }

    fn with_fitter<T>(test: impl FnOnce(&Fitter<'_>) -> T) -> T {
        let topology = Topology::parse(include_str!("../../../topology.yaml")).unwrap();
        let (operations, prices) = (Operations::measured().unwrap(), Prices::built_in().unwrap());
        let model = Model { topology: &topology, operations: &operations };
        test(&Fitter { model, prices: &prices })
    }

    #[test]
    fn a_fit_needs_five_results_of_valid_runs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut files: Vec<PathBuf> = [20.0, 200.0, 1_000.0, 2_000.0]
            .into_iter()
            .map(|members| write(&format!("{members}.json"), &report(members, 2.0, "pass")))
            .collect();
        with_fitter(|fitter| {
            let few = fitter.fit("here", &files).unwrap_err().to_string();
            assert!(few.contains("4 results were given"), "{few}");
            files.push(write("slow.json", &report(3_000.0, 1.0, "threshold")));
            let fitted = fitter.fit("here", &files).unwrap();
            assert!((fitted.p50.constant_ms - 60.0).abs() < 5.0, "{fitted:?}");
            assert!(fitted.p50.residual < 0.1 && fitted.cost_residual > 0.0, "{fitted:?}");
            let read: Fitted = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
            assert_eq!(read, fitted);
            files.push(write("invalid.json", &report(5_000.0, 1.0, "invalid")));
            let invalid = fitter.fit("here", &files).unwrap_err().to_string();
            assert!(invalid.contains("invalid.json: its verdict is \"invalid\""), "{invalid}");
        });
    }

    #[test]
    fn the_fitted_constants_of_this_program_are_what_its_results_give() {
        let fitted = Fitted::built_in().unwrap();
        let line = |time: fn(&Point) -> f64| {
            Line::fit(&fitted.results.iter().map(|point| (point.features, time(point))).collect::<Vec<_>>())
        };
        assert_eq!((line(|point| point.p50_ms), line(|point| point.p99_ms)), (fitted.p50, fitted.p99));
    }

    #[test]
    fn a_longer_queue_than_that_of_any_result_is_beyond_them() {
        let fitted = Fitted::built_in().unwrap();
        assert!(!fitted.is_beyond_results(fitted.results[0].features));
        assert!(fitted.is_beyond_results(Features { pass_s: 0.0, queue_s: 1e9, used: 2.0 }));
    }

    #[test]
    fn lanes_share_the_budget_by_their_places() {
        with_fitter(|fitter| {
            let of = |lane| post_rate(fitter.model.topology, 8_000.0, lane);
            assert_eq!(Lane::ALL.map(of).iter().sum::<f64>(), 8_000.0);
            assert!(of(Lane::Narrow) > of(Lane::Wide));
        });
    }
}
