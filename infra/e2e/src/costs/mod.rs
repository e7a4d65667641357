//! `cargo xtask costs`: counts what each operation uses of AWS on the local stack, and prices it.
//!
//! `docs/costs.json` holds the counts. The tables of the pages follow from it, from
//! `infra/terraform/prices.toml` and from the topology. A check counts again, and names each count
//! that is not that of the file.

mod stand;
mod tables;
mod usage;
mod work;

use std::path::{Path, PathBuf};

use bill::{Prices, Usage};
use serde::{Deserialize, Serialize};
use topology::Topology;

pub use stand::{ARGUMENT, serve};

use crate::descriptors;
use crate::stack::root;
use tables::Sources;
use usage::exact;
use work::Row;

/// The counts, from the root of the repository.
const COUNTS: &str = "docs/costs.json";
/// The prices, from the root of the repository.
const PRICES: &str = "infra/terraform/prices.toml";
/// The page with all tables.
const PAGE: &str = "docs/costs.md";
/// The page with the summary.
const SUMMARY: &str = "infra/terraform/README.md";
/// The end of a table on a page. Its beginning names it.
const ENDS: &str = "<!-- end -->";
/// How often the work is done until its counts agree. A machine that stops for seconds lets two
/// batches meet.
const TRIES: usize = 3;

/// All counts, as they are stored.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    rows: Vec<Row>,
}

/// Reasons for which there are no tables.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the repository cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Path from the root of the repository.
        file: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file of the repository does not have the expected form.
    #[error("{file}: {why}")]
    Malformed {
        /// Path from the root of the repository.
        file: &'static str,
        /// The mistake, as the parser states it.
        why: String,
    },
    /// Large rooms need more connections than the process may open.
    #[error(transparent)]
    TooFewDescriptors(#[from] descriptors::TooFew),
    /// The topology has mistakes.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// Counts are not those of the file.
    #[error("{} counts differ from {COUNTS}; if they should, write them: cargo xtask costs --write\n  {}", .0.len(), .0.join("\n  "))]
    Differ(Vec<String>),
    /// A run did not agree with another one.
    #[error("{TRIES} runs do not agree; is the machine busy?\n  {}", .0.join("\n  "))]
    Unsteady(Vec<String>),
}

/// Counts the operations of small rooms, and compares them with the stored counts.
///
/// # Errors
/// [`Error::Differ`] with a line for each count that differs.
pub async fn check(binaries: &Path) -> Result<(), Error> {
    let stored = stored()?;
    let expected: Vec<&Row> = stored.rows.iter().filter(|row| row.is_exact).collect();
    let mut differing = Vec::new();
    for _ in 0..TRIES {
        let counted = work::small(binaries).await;
        differing = differences(&counted, &expected);
        if differing.is_empty() {
            println!("{} operations use what {COUNTS} has", counted.len());
            return Ok(());
        }
        eprintln!("{}; once more", differing.join("; "));
    }
    Err(Error::Differ(differing))
}

/// Counts the operations of small rooms, or those of busy and large rooms, and prints the tables
/// with the stored counts of the others. Writes them into the pages if asked to.
///
/// # Errors
/// See [`Error`].
pub async fn count(binaries: &Path, is_large: bool, writes: bool) -> Result<(), Error> {
    let counted = if is_large {
        descriptors::provide(work::HUGE)?;
        work::large(binaries).await
    } else {
        steady(binaries).await?
    };
    let (exact, varying): (Vec<_>, Vec<_>) = stored()?.rows.into_iter().partition(|row| row.is_exact);
    let rows = if is_large { exact.into_iter().chain(counted) } else { counted.into_iter().chain(varying) };
    let rows = rows.map(|row| Row { usage: row.usage.rounded(), ..row }).collect();
    let counts = Counts { rows };
    let (prices, topology) = (prices()?, topology()?);
    let sources = Sources { rows: &counts.rows, prices: &prices, topology: &topology };
    println!("{}\n{}\n{}", sources.calls(), sources.units(), sources.summary().unwrap_or_default());
    if writes {
        let text = serde_json::to_string_pretty(&counts).map_err(|error| malformed(COUNTS, &error))?;
        write(COUNTS, &format!("{text}\n"))?;
        write_pages(&sources)?;
    }
    Ok(())
}

/// Writes the tables of the stored counts into the pages, with the prices of today's file.
///
/// # Errors
/// See [`Error`].
pub fn price() -> Result<(), Error> {
    let (counts, prices, topology) = (stored()?, prices()?, topology()?);
    write_pages(&Sources { rows: &counts.rows, prices: &prices, topology: &topology })
}

/// Does the work of small rooms until two runs agree, and returns the mean of both.
async fn steady(binaries: &Path) -> Result<Vec<Row>, Error> {
    let mut before = work::small(binaries).await;
    let mut differing = Vec::new();
    for _ in 1..TRIES {
        let rows = work::small(binaries).await;
        differing = differences(&rows, &before.iter().collect::<Vec<_>>());
        if differing.is_empty() {
            let mean = |(row, other): (Row, Row)| Row { usage: row.usage.plus(&other.usage).times(0.5), ..row };
            return Ok(rows.into_iter().zip(before).map(mean).collect());
        }
        before = rows;
    }
    Err(Error::Unsteady(differing))
}

/// Returns a line for each exact count that differs.
fn differences(counted: &[Row], expected: &[&Row]) -> Vec<String> {
    let none = Usage::default();
    let of = |name: &str| expected.iter().find(|row| row.name == name).map_or(&none, |row| &row.usage);
    let named = |row: &Row| {
        let lines = exact(&row.usage).rounded().differences(&exact(of(&row.name)).rounded());
        lines.into_iter().map(|line| format!("{}: {line}", row.name)).collect::<Vec<_>>()
    };
    let missing = expected.iter().filter(|row| counted.iter().all(|other| other.name != row.name));
    let missing = missing.map(|row| format!("{}: it was not counted", row.name));
    counted.iter().flat_map(named).chain(missing).collect()
}

fn stored() -> Result<Counts, Error> {
    serde_json::from_str(&read(COUNTS)?).map_err(|error| malformed(COUNTS, &error))
}

fn prices() -> Result<Prices, Error> {
    Prices::parse(&read(PRICES)?).map_err(|error| malformed(PRICES, &error))
}

fn topology() -> Result<Topology, Error> {
    Ok(Topology::read(&root().join("infra/topology.yaml"))?)
}

/// Returns each page with its tables: its path, the name of each table, and the table.
fn pages(sources: &Sources<'_>) -> Vec<(&'static str, &'static str, String)> {
    let mut pages = vec![(PAGE, "calls", sources.calls()), (PAGE, "units", sources.units())];
    pages.extend(sources.summary().map(|summary| (SUMMARY, "costs", summary)));
    pages
}

fn write_pages(sources: &Sources<'_>) -> Result<(), Error> {
    for (page, name, table) in pages(sources) {
        let (before, _, after) = parts(page, name)?;
        write(page, &format!("{before}{table}{after}"))?;
    }
    Ok(())
}

/// Returns a page up to the table with this name, the table, and the rest.
fn parts(page: &'static str, name: &str) -> Result<(String, String, String), Error> {
    let text = read(page)?;
    let begins = format!("<!-- {name} -->\n");
    let absent = || Error::Malformed { file: page, why: format!("there is no {} … {ENDS}", begins.trim_end()) };
    let (before, rest) = text.split_once(&begins).ok_or_else(absent)?;
    let (table, after) = rest.split_once(ENDS).ok_or_else(absent)?;
    Ok((format!("{before}{begins}"), table.to_owned(), format!("{ENDS}{after}")))
}

fn read(file: &'static str) -> Result<String, Error> {
    std::fs::read_to_string(root().join(file)).map_err(|source| Error::File { file, source })
}

fn write(file: &'static str, text: &str) -> Result<(), Error> {
    std::fs::write(root().join(file), text).map_err(|source| Error::File { file, source })
}

fn malformed(file: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed { file, why: error.to_string() }
}

/// Returns the folder of the functions' binaries. Builds them if no folder is given.
#[must_use]
pub fn binaries(folder: Option<PathBuf>) -> PathBuf {
    folder.unwrap_or_else(crate::binaries)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(name: &str, calls: u64, cpu_ms: f64) -> Row {
        let usage = usage::of_snapshot(&json!({
            "statistics": { "calls": { "ingest": { "dynamodb:GetItem": { "calls": calls, "units": 0.5 } } } },
            "cpu_ms": { "ingest": cpu_ms },
        }));
        Row { name: name.to_owned(), is_exact: true, usage }
    }

    #[test]
    fn a_call_more_or_less_is_named_and_a_slower_machine_is_not() {
        let expected = row("publish", 1, 2.0);
        assert_eq!(differences(&[row("publish", 1, 9.0)], &[&expected]), Vec::<String>::new());
        let more = differences(&[row("publish", 2, 2.0)], &[&expected]);
        assert_eq!(more, ["publish: ingest dynamodb:GetItem: 2, not 1"]);
        assert_eq!(
            differences(&[expected], &[&row("publish", 2, 2.0)]),
            ["publish: ingest dynamodb:GetItem: 1, not 2"]
        );
    }

    #[test]
    fn an_operation_that_is_new_or_no_longer_counted_is_named() {
        let (join, ping) = (row("join", 1, 2.0), row("ping", 1, 2.0));
        let found = differences(&[join], &[&ping]);
        assert!(found.contains(&"join: ingest dynamodb:GetItem: 1, not 0".to_owned()), "{found:?}");
        assert!(found.contains(&"ping: it was not counted".to_owned()), "{found:?}");
    }

    #[test]
    fn the_pages_have_the_tables_of_the_stored_counts_and_prices() {
        let (counts, prices, topology) = (stored().unwrap(), prices().unwrap(), topology().unwrap());
        let pages = pages(&Sources { rows: &counts.rows, prices: &prices, topology: &topology });
        assert_eq!(pages.len(), 3, "large rooms are not counted: cargo xtask costs --write --large");
        for (page, name, table) in pages {
            assert_eq!(parts(page, name).unwrap().1, table, "{page}: cargo xtask costs --price");
        }
    }
}
