//! Prints a plan: tables for people, or one JSON object a line, each with its `kind`.

use std::process::ExitCode;

use bill::SERVICES;
use serde::Serialize;
use serde_json::json;

use super::capacity::{
    Delivery, Executions, Planner, Request, Resource, first_bottleneck, fullest_share, requests, way,
};
use super::day::{self, MOST_ROOMS, simulate};
use super::file::Plan;
use super::fit::Fitted;
use super::latency::Estimate;
use crate::error::Error;
use crate::output::{Output, Row};

/// Columns of a text.
const COLUMNS: usize = 100;
/// Functions with fewer concurrent executions are left out of the table.
const SHOWN_EXECUTIONS: f64 = 0.005;

/// Formats a number for readers: three digits, and thousands apart.
fn number(value: f64) -> String {
    // Without the sign of a negative zero.
    let value = value + 0.0;
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value < 9.995 {
        return format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if value < 99.95 {
        return format!("{value:.1}").trim_end_matches(".0").to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats an estimate with its error bar.
fn bar(estimate: Estimate) -> String {
    format!("{} ({} to {})", number(estimate.value), number(estimate.low), number(estimate.high))
}

/// A row with the kind of its JSON object.
#[derive(Serialize)]
struct Kind<T> {
    kind: &'static str,
    #[serde(flatten)]
    row: T,
}

/// The use of a limit, as it is printed.
#[derive(Serialize)]
struct Used {
    #[serde(flatten)]
    resource: Resource,
    factor_left: Option<f64>,
}

impl Row for Kind<Used> {
    const COLUMNS: &'static [&'static str] = &["limit", "needed", "available", "factor left"];

    fn cells(&self) -> Vec<String> {
        let Used { resource, .. } = &self.row;
        let numbers = [resource.used, resource.available, resource.factor_left()].map(number);
        std::iter::once(resource.name.clone()).chain(numbers).collect()
    }
}

impl Row for Kind<Executions> {
    const COLUMNS: &'static [&'static str] = &["function", "invocations a second", "executions at a time"];

    fn cells(&self) -> Vec<String> {
        vec![self.row.function.clone(), number(self.row.invocations_per_second), number(self.row.concurrent)]
    }
}

impl Row for Kind<Delivery> {
    const COLUMNS: &'static [&'static str] = &["rooms", "members", "a frame carries", "p50 ms", "p99 ms", ""];

    fn cells(&self) -> Vec<String> {
        let row = &self.row;
        let beyond = if row.beyond_results { "beyond the results" } else { "" };
        vec![
            row.rooms.clone(),
            number(row.members),
            number(row.publications_per_frame),
            bar(row.p50_ms),
            bar(row.p99_ms),
            beyond.to_owned(),
        ]
    }
}

/// Dollars of one service.
#[derive(Serialize)]
struct Cost {
    service: &'static str,
    dollars_per_month: Estimate,
}

impl Row for Kind<Cost> {
    const COLUMNS: &'static [&'static str] = &["service", "$ a month", "from", "to"];

    fn cells(&self) -> Vec<String> {
        let Estimate { value, low, high } = self.row.dollars_per_month;
        std::iter::once(self.row.service.to_owned()).chain([value, low, high].map(number)).collect()
    }
}

/// An hour of the planned day, beside that of the simulated day.
#[derive(Serialize)]
struct Hours {
    planned: super::capacity::Hour,
    simulated: day::Hour,
}

impl Row for Kind<Hours> {
    const COLUMNS: &'static [&'static str] =
        &["hour", "connections", "simulated", "new/s", "simulated", "deliveries/s", "simulated", "posts/s", "$"];

    fn cells(&self) -> Vec<String> {
        let Hours { planned, simulated } = &self.row;
        let numbers = [
            planned.connections,
            simulated.connections,
            planned.connects,
            simulated.connects,
            planned.deliveries,
            simulated.deliveries,
            planned.posts,
            planned.dollars,
        ];
        std::iter::once(format!("{:02}", planned.hour)).chain(numbers.map(number)).collect()
    }
}

/// Prints constants that were fitted, in the form that they are read in.
pub(super) fn fitted(fitted: &Fitted, output: &Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(fitted)?;
    } else {
        let text = serde_json::to_string_pretty(fitted).map_err(std::io::Error::from)?;
        output.text(&text)?;
    }
    let percent = |part: f64| format!("{:.0}%", 100.0 * part);
    output.remark(&format!(
        "{} results; standard deviations: p50 {}, p99 {}, cost {}",
        fitted.results.len(),
        percent(fitted.p50.residual),
        percent(fitted.p99.residual),
        percent(fitted.cost_residual)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Prints what a plan needs and costs.
pub(super) fn plan(planner: &Planner<'_>, plan: &Plan, output: &Output) -> Result<(), Error> {
    let hour = planner.busiest_hour(plan);
    let load = planner.fullest(plan, hour);
    let mean = planner.mean(plan, hour);
    let connections = mean.connections * plan.cells;
    let text = format!(
        "{}: {} connections in {} cell{}, at {hour:02}:00, the busiest hour",
        plan.title(),
        number(connections),
        plan.cells,
        if plan.cells > 1.0 { "s" } else { "" }
    );
    output.line(&text, &json!({ "kind": "plan", "name": plan.name, "about": plan.about, "cells": plan.cells, "hour": hour, "connections": connections }))?;
    if plan.cells > 1.0 && !output.is_json() {
        let shares = plan
            .rooms
            .iter()
            .map(|rooms| format!("{:.1}% of {}", 100.0 * fullest_share(rooms.count, plan.cells), rooms.name));
        output.text(&format!("the fullest cell has {}", shares.collect::<Vec<_>>().join(", ")))?;
    }
    let resources = planner.resources(plan);
    section("Limits, in the fullest cell", output)?;
    let factor = |resource: &Resource| Some(resource.factor_left()).filter(|factor| factor.is_finite());
    let used = resources.iter().map(|resource| Kind {
        kind: "limit",
        row: Used { resource: resource.clone(), factor_left: factor(resource) },
    });
    output.rows(&used.collect::<Vec<_>>())?;
    bottleneck(&resources, output)?;
    section("Functions, in the fullest cell", output)?;
    let executions = planner.executions(&load).into_iter().filter(|function| function.concurrent >= SHOWN_EXECUTIONS);
    output.rows(&executions.map(|row| Kind { kind: "executions", row }).collect::<Vec<_>>())?;
    section("Time from publication to member", output)?;
    let deliveries = planner.deliveries(plan).into_iter().map(|row| Kind { kind: "delivery", row });
    output.rows(&deliveries.collect::<Vec<_>>())?;
    if !output.is_json() {
        output.text(&format!("fitted to {} results: {}", planner.fitted.results.len(), planner.fitted.about))?;
    }
    costs(planner, plan, output)?;
    for request in requests(plan, &resources) {
        print_request(&request, output)?;
    }
    Ok(())
}

fn section(title: &str, output: &Output) -> Result<(), Error> {
    if output.is_json() { Ok(()) } else { output.text(&format!("\n{title}")) }
}

fn bottleneck(resources: &[Resource], output: &Output) -> Result<(), Error> {
    let Some(first) = first_bottleneck(resources) else { return Ok(()) };
    let factor = first.factor_left();
    let reached = match factor {
        factor if !factor.is_finite() => "nothing is limited".to_owned(),
        factor if factor >= 1.0 => format!("first bottleneck: {}, at {} times this load", first.name, number(factor)),
        factor => format!("first bottleneck: {}, exceeded {} times", first.name, number(1.0 / factor)),
    };
    let object = json!({
        "kind": "bottleneck", "limit": first.limit, "name": first.name,
        "factor_left": Some(factor).filter(|factor| factor.is_finite()),
    });
    output.line(&reached, &object)
}

fn costs(planner: &Planner<'_>, plan: &Plan, output: &Output) -> Result<(), Error> {
    section(&format!("Cost of all cells, prices of {} in {}", planner.prices.as_of, planner.prices.region), output)?;
    let bill = planner.bill(plan);
    let lines = SERVICES.into_iter().zip(bill.0).chain([("total", bill.total())]);
    let rows = lines.filter(|(_, dollars)| *dollars > 0.0).map(|(service, dollars)| Kind {
        kind: "cost",
        row: Cost { service, dollars_per_month: planner.dollars(dollars) },
    });
    output.rows(&rows.collect::<Vec<_>>())
}

fn print_request(request: &Request, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        let way = way(request);
        return output.object(&json!({
            "kind": "request", "quota": request.quota, "from": request.from, "to": request.to, "way": way, "text": request.text,
        }));
    }
    output.text(&format!(
        "\nRequest: {}, from {} to {}\n{}\n{}",
        request.quota,
        number(request.from),
        number(request.to),
        way(request),
        wrapped(&request.text)
    ))
}

/// Breaks a text into lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| line.chars().count() + word.chars().count() >= COLUMNS) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Prints each hour of the day, beside that of a simulated day.
pub(super) fn day(planner: &Planner<'_>, plan: &Plan, seed: u64, output: &Output) -> Result<(), Error> {
    let rooms: f64 = plan.rooms.iter().map(|rooms| rooms.count).sum();
    if rooms > MOST_ROOMS {
        return Err(Error::new(
            format!("the plan has {rooms} rooms; a day is simulated with at most {MOST_ROOMS}"),
            "leave out --day, or describe the rooms as fewer and larger ones",
        ));
    }
    section("The day of all cells, planned and simulated", output)?;
    let simulated = simulate(plan, seed);
    let hours = planner.hours(plan).into_iter().zip(simulated.iter().copied());
    output.rows(
        &hours.map(|(planned, simulated)| Kind { kind: "hour", row: Hours { planned, simulated } }).collect::<Vec<_>>(),
    )?;
    let most = |of: fn(&day::Hour) -> f64| simulated.iter().map(of).fold(0.0, f64::max);
    let planned: Vec<_> = (0..simulated.len()).map(|hour| planner.fullest(plan, hour)).collect();
    let planned_connects = planned.iter().map(|load| load.connects).fold(0.0, f64::max);
    let planned_deliveries = planned
        .iter()
        .map(|load| load.of(super::work::Lane::Narrow).map(super::work::Group::deliveries).sum())
        .fold(0.0, f64::max);
    let (connects, deliveries) = (most(|hour| hour.most_connects), most(|hour| hour.most_deliveries));
    output.line(
        &format!(
            "the worst minute of a cell: {} new connections a second (planned {}), {} deliveries a second in rooms (planned {})",
            number(connects),
            number(planned_connects),
            number(deliveries),
            number(planned_deliveries)
        ),
        &json!({
            "kind": "worst-minute", "connects": connects, "planned_connects": planned_connects,
            "deliveries": deliveries, "planned_deliveries": planned_deliveries,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words() {
        let text = "word ".repeat(60);
        let lines = wrapped(text.trim());
        assert!(lines.lines().all(|line| (90..=COLUMNS).contains(&line.len()) || lines.ends_with(line)), "{lines}");
        assert_eq!(lines.replace('\n', " "), text.trim());
    }

    #[test]
    fn numbers_have_three_digits_and_separated_thousands() {
        let shown = [0.0, 0.5, 9.994, 12.34, 12.0, 500.0, 1_234_567.0, f64::INFINITY].map(number);
        assert_eq!(shown, ["0", "0.5", "9.99", "12.3", "12", "500", "1,234,567", "-"]);
    }
}
