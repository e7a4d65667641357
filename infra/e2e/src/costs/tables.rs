//! The tables of the pages, from the counts, the prices and the topology.

use std::fmt::Write as _;

use bill::{
    BYTES_OUT, GATEWAY, Held, INVOCATIONS, LOG_BYTES, POSTS, Prices, READ_UNITS, REPLIES, REQUESTS, SERVICES, Usage,
    WRITE_UNITS,
};
use domain::limits;
use topology::Topology;

use super::usage::{CPU_MS, RUNNER};
use super::work::{LARGE, Row, SMALL, names};

/// Hours of a month.
const HOURS_A_MONTH: f64 = 730.0;
const HOUR_S: f64 = 3_600.0;
/// Deliveries that a column of the summary is about.
const DELIVERIES: f64 = 1e6;

/// Everything that the tables are made of.
pub(super) struct Sources<'a> {
    pub(super) rows: &'a [Row],
    pub(super) prices: &'a Prices,
    pub(super) topology: &'a Topology,
}

impl Sources<'_> {
    /// Returns the calls of each operation, by function.
    pub(super) fn calls(&self) -> String {
        let mut table = String::from("| operation | calls of AWS by each function |\n| --- | --- |\n");
        for row in self.rows {
            let parts = row.usage.parts().filter_map(|(part, counts)| {
                let calls: Vec<String> = counts
                    .iter()
                    .filter_map(|(name, count)| Some(format!("{} {}", name.split_once(':')?.1, short(*count))))
                    .collect();
                (!calls.is_empty()).then(|| format!("`{part}`: {}", calls.join(", ")))
            });
            let parts: Vec<String> = parts.collect();
            let calls = if parts.is_empty() { "none".to_owned() } else { parts.join("; ") };
            let _infallible = writeln!(table, "| {}{} | {calls} |", row.name, star(row));
        }
        table
    }

    /// Returns what each operation is billed for, its processor time here, and its price.
    pub(super) fn units(&self) -> String {
        let mut table = String::from(
            "| operation | messages in, replies, posts | invocations | write units | read units | queue calls | topic calls | log KB | data out KB | CPU ms: functions | runner | $ a million |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in self.rows {
            self.row(&mut table, &format!("{}{}", row.name, star(row)), &row.usage);
        }
        if let Some(delivery) = self.delivery() {
            self.row(&mut table, "delivery to one more member of a large room*", &delivery);
        }
        table
    }

    fn row(&self, table: &mut String, name: &str, usage: &Usage) {
        let gateway = [REQUESTS, REPLIES, POSTS].map(|name| short(usage.of(GATEWAY, name))).join(", ");
        let runner = usage.of(RUNNER, CPU_MS);
        let cells = [
            gateway,
            short(usage.sum(INVOCATIONS)),
            short(usage.sum(WRITE_UNITS)),
            short(usage.sum(READ_UNITS)),
            short(usage.queue_calls()),
            short(usage.sum_if(|name| name.starts_with("sns:"))),
            short(usage.sum(LOG_BYTES) / 1_000.0),
            short(usage.of(GATEWAY, BYTES_OUT) / 1_000.0),
            short(usage.sum(CPU_MS) - runner),
            short(runner),
            dollars(self.prices.bill(usage, Held::default(), self.topology).total() * 1e6),
        ];
        let _infallible = writeln!(table, "| {name} | {} |", cells.join(" | "));
    }

    /// Returns what one more member of a large room adds to a publication.
    fn delivery(&self) -> Option<Usage> {
        let (small, large) = (SMALL[1], LARGE);
        let added = self.find(&names::publish(large))?.since(self.find(&names::publish(small))?);
        Some(added.times(1.0 / (large - small) as f64))
    }

    /// Returns the bill of a month at rest, of an hour of a room of 1,000, and of a million
    /// deliveries. `None` while the counts of the large room are missing.
    pub(super) fn summary(&self) -> Option<String> {
        let members = LARGE;
        let publication = self.find(&names::publish(members))?;
        let bill = |usage: &Usage, held: Held| self.prices.bill(usage, held, self.topology);
        let month = self.find(names::REAPER_RUN)?.times(HOURS_A_MONTH * 60.0);
        let rest = self.prices.at_rest(HOURS_A_MONTH * HOUR_S, self.topology);
        let keep_alives = self.find(names::KEEP_ALIVE)?.times(HOUR_S / limits::KEEP_ALIVE.as_secs_f64());
        let member = self.find(&names::comes(members))?.plus(&keep_alives).plus(self.find(&names::goes(members))?);
        let hour = publication.times(HOUR_S).plus(&member.times(members as f64));
        let held = Held { connection_minutes: 60.0 * members as f64, ..Held::default() };
        let bills = [
            bill(&month, rest),
            bill(&hour, held),
            bill(&publication.times(DELIVERIES / members as f64), Held::default()),
        ];
        let Prices { as_of, region, .. } = self.prices;
        let mut table = format!(
            "| {region}, prices of {as_of} | at rest, a month | 1,000 members, 1 message a second, an hour | a million deliveries |\n\
             | --- | ---: | ---: | ---: |\n"
        );
        for (at, service) in SERVICES.iter().enumerate() {
            let cells = bills.map(|bill| dollars(bill.0.get(at).copied().unwrap_or(0.0)));
            let _infallible = writeln!(table, "| {service} | {} |", cells.join(" | "));
        }
        let totals = bills.map(|bill| format!("**{}**", dollars(bill.total())));
        let _infallible = writeln!(table, "| **all** | {} |", totals.join(" | "));
        Some(table)
    }

    fn find(&self, name: &str) -> Option<&Usage> {
        self.rows.iter().find(|row| row.name == name).map(|row| &row.usage)
    }
}

/// Marks the operations whose counts are not compared.
fn star(row: &Row) -> &'static str {
    if row.is_exact { "" } else { "*" }
}

/// Returns a number with two decimals at most, and `–` for none.
fn short(count: f64) -> String {
    let text = format!("{count:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // The sum of no counts is the negative zero.
    if matches!(text, "0" | "-0") { "–".to_owned() } else { text.to_owned() }
}

fn dollars(usd: f64) -> String {
    match usd {
        0.0 => "–".to_owned(),
        few if few < 0.095 => format!("${few:.3}"),
        many => format!("${many:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.0, -0.0, 0.001, 1.0, 2.5, 33.333].map(short), ["–", "–", "–", "1", "2.5", "33.33"]);
        assert_eq!([0.0, 0.004, 0.5, 16.0].map(dollars), ["–", "$0.004", "$0.50", "$16.00"]);
    }
}
