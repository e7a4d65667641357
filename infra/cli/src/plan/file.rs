//! Plan files: groups of rooms, and the accounts that carry them. A file is read strictly, as the
//! scenarios of the load test are.

use std::ops::RangeInclusive;
use std::path::Path;

use domain::limits;
use serde::Deserialize;

use crate::error::Error;

/// The longest text of a plan.
const PLAN_BYTES: usize = 64 * 1024;
/// Hours of a day.
pub(crate) const HOURS: usize = 24;
/// The share of the requests of an account that the fan-out may post, unless the plan sets another
/// number: `post_budget_per_second` of the deployment.
const POST_SHARE: f64 = 0.8;

/// What is to be carried, and by which accounts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// The name of the plan.
    pub(crate) name: String,
    /// One sentence for readers.
    #[serde(default)]
    pub(crate) about: String,
    /// Cells, each an account in one Region.
    #[serde(default = "one")]
    pub(crate) cells: f64,
    /// Rooms that a connection is in, on average.
    #[serde(default = "one")]
    pub(crate) rooms_per_connection: f64,
    /// The share of the members that is connected in each hour of the day, from 0 to 1.
    #[serde(default = "all_day")]
    pub(crate) day: Vec<f64>,
    /// The quotas of each account.
    #[serde(default)]
    pub(crate) account: Quotas,
    /// What is published to every cell.
    #[serde(default)]
    pub(crate) relay: Relay,
    /// The groups of rooms.
    pub(crate) rooms: Vec<Rooms>,
}

/// The quotas of one account in one Region.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quotas {
    /// Requests a second that API Gateway takes, posts included. 2,500 in small Regions.
    #[serde(default = "requests")]
    pub(crate) requests_per_second: f64,
    /// Posts a second of the fan-out, `post_budget_per_second`. 80% of the requests unless set.
    #[serde(default)]
    pub(crate) post_budget_per_second: Option<f64>,
    /// New WebSocket connections a second.
    #[serde(default = "connects")]
    pub(crate) connects_per_second: f64,
    /// Concurrent executions of all functions.
    #[serde(default = "executions")]
    pub(crate) concurrent_executions: f64,
}

/// Publications a second that are relayed to every cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    /// Publications to `*`, the room of every connection.
    #[serde(default)]
    pub(crate) broadcasts_per_second: f64,
    /// Publications to inboxes (`@user`).
    #[serde(default)]
    pub(crate) inbox_messages_per_second: f64,
}

/// Rooms with the same settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rooms {
    /// The name of the group.
    pub(crate) name: String,
    /// The number of these rooms.
    #[serde(default = "one")]
    pub(crate) count: f64,
    /// Members of each room.
    pub(crate) members: f64,
    /// Publications a second into each room.
    pub(crate) rate: f64,
    /// Bytes of `data` of each publication.
    #[serde(default = "small")]
    pub(crate) payload_bytes: f64,
    /// The hours of a day in which the rooms are busy.
    #[serde(default = "whole_day")]
    pub(crate) hours_per_day: f64,
    /// The hour of the day at which they begin.
    #[serde(default)]
    pub(crate) from_hour: f64,
    /// Connections a second that come and go in each room, besides the exchange of old ones.
    #[serde(default)]
    pub(crate) connects_per_second: f64,
    /// False if the members use the classic format, which has no presence.
    #[serde(default = "yes")]
    pub(crate) presence: bool,
}

fn one() -> f64 {
    1.0
}

fn all_day() -> Vec<f64> {
    vec![1.0; HOURS]
}

fn small() -> f64 {
    200.0
}

fn whole_day() -> f64 {
    HOURS as f64
}

fn yes() -> bool {
    true
}

fn requests() -> f64 {
    10_000.0
}

fn connects() -> f64 {
    500.0
}

fn executions() -> f64 {
    1_000.0
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            requests_per_second: requests(),
            post_budget_per_second: None,
            connects_per_second: connects(),
            concurrent_executions: executions(),
        }
    }
}

impl Quotas {
    /// Posts a second of the fan-out.
    pub(crate) fn post_budget(&self) -> f64 {
        self.post_budget_per_second.unwrap_or(POST_SHARE * self.requests_per_second)
    }
}

impl Plan {
    /// The name, with the sentence about it.
    pub(crate) fn title(&self) -> String {
        if self.about.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.about) }
    }

    /// A plan of equal rooms that are busy all day, as the command line describes it.
    pub(crate) fn of_equal_rooms(count: u32, members: u32, rate: f64, payload_bytes: u32) -> Result<Self, Error> {
        let rooms = Rooms {
            name: "rooms".to_owned(),
            count: count.into(),
            members: members.into(),
            rate,
            payload_bytes: payload_bytes.into(),
            hours_per_day: whole_day(),
            from_hour: 0.0,
            connects_per_second: 0.0,
            presence: true,
        };
        let plan = Self {
            name: format!("{count} rooms x {members} members x {rate} a second"),
            about: String::new(),
            cells: 1.0,
            rooms_per_connection: 1.0,
            day: all_day(),
            account: Quotas::default(),
            relay: Relay::default(),
            rooms: vec![rooms],
        };
        plan.check().map_err(|wrong| Error::new(wrong, "roomcast plan --help"))?;
        Ok(plan)
    }

    /// Reads a plan file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("{file} cannot be read: {error}"), "ls infra/cli/plans"))?;
        Self::parse(&text).map_err(|wrong| Error::new(format!("{file}: {wrong}"), "roomcast plan --help"))
    }

    /// Parses a plan, or describes the mistake with its line and what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PLAN_BYTES {
            return Err(format!("it has {} bytes; a plan has at most {PLAN_BYTES}", text.len()));
        }
        let plan: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', ", "))
        })?;
        plan.check().map_err(|wrong| format!("line {}: {wrong}", line_of(text, &wrong)))?;
        Ok(plan)
    }

    /// Checks every number. A mistake begins with the name of its key.
    pub(crate) fn check(&self) -> Result<(), String> {
        within("cells", self.cells, 1.0..=1_000.0, "accounts in Regions")?;
        whole("cells", self.cells)?;
        within("rooms_per_connection", self.rooms_per_connection, 1.0..=limits::ROOMS_PER_CONNECTION as f64, "rooms")?;
        if self.day.len() != HOURS {
            return Err(format!("day has {} numbers; it must have {HOURS}, one for each hour", self.day.len()));
        }
        for share in &self.day {
            within("day", *share, 0.0..=1.0, "the share of the members that is connected in an hour")?;
        }
        let account = &self.account;
        within("requests_per_second", account.requests_per_second, 1.0..=1e7, "requests")?;
        within("post_budget_per_second", account.post_budget(), 1.0..=account.requests_per_second, "posts")?;
        within("connects_per_second", account.connects_per_second, 1.0..=1e6, "connections")?;
        within("concurrent_executions", account.concurrent_executions, 1.0..=1e6, "executions")?;
        within("broadcasts_per_second", self.relay.broadcasts_per_second, 0.0..=50.0, "publications to `*`")?;
        within("inbox_messages_per_second", self.relay.inbox_messages_per_second, 0.0..=1e6, "publications")?;
        if self.rooms.is_empty() {
            return Err("rooms is empty; there must be at least one group, [[rooms]]".to_owned());
        }
        self.rooms.iter().try_for_each(Rooms::check)
    }
}

impl Rooms {
    fn check(&self) -> Result<(), String> {
        let of = |key: &str| format!("{key} of rooms {:?}", self.name);
        within(&of("count"), self.count, 1.0..=1e7, "rooms")?;
        whole(&of("count"), self.count)?;
        let most = f64::from(limits::SHARDS_PER_ROOM) * limits::MEMBERS_PER_SHARD as f64;
        within(&of("members"), self.members, 1.0..=most, "members of a room")?;
        whole(&of("members"), self.members)?;
        within(&of("rate"), self.rate, 0.0..=100.0, "publications a second into one room")?;
        within(&of("payload_bytes"), self.payload_bytes, 0.0..=limits::DATA_BYTES as f64, "bytes of `data`")?;
        within(&of("hours_per_day"), self.hours_per_day, 0.0..=24.0, "hours")?;
        within(&of("from_hour"), self.from_hour, 0.0..=23.0, "an hour of the day")?;
        within(&of("connects_per_second"), self.connects_per_second, 0.0..=10_000.0, "connections into one room")
    }

    /// The share of an hour of the day in which the rooms are busy, from 0 to 1.
    pub(crate) fn activity(&self, hour: usize) -> f64 {
        let since = (hour as f64 - self.from_hour).rem_euclid(HOURS as f64);
        let wrapped = (since + 1.0 - HOURS as f64).max(0.0);
        (self.hours_per_day - since).clamp(0.0, 1.0).max(wrapped.min(self.hours_per_day))
    }
}

fn within(key: &str, is: f64, right: RangeInclusive<f64>, what: &str) -> Result<(), String> {
    let (from, to) = (right.start(), right.end());
    if right.contains(&is) { Ok(()) } else { Err(format!("{key} is {is}; it must be from {from} to {to}, {what}")) }
}

fn whole(key: &str, is: f64) -> Result<(), String> {
    if is.fract() == 0.0 { Ok(()) } else { Err(format!("{key} is {is}; it must be a whole number")) }
}

/// Finds the line of a mistake that begins with the name of its key: in the group that it names, or
/// outside of the groups.
fn line_of(text: &str, wrong: &str) -> usize {
    let key = wrong.split(' ').next().unwrap_or_default();
    let group = wrong.split('"').nth(1).filter(|_| wrong.contains(" of rooms "));
    let is_key = |line: &str| line.split('=').next().is_some_and(|name| name.trim() == key);
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| line.trim() == "[[rooms]]").map(|(at, _)| at);
    let mut starts: Vec<usize> = starts.collect();
    starts.push(lines.len());
    let first = starts.first().copied().unwrap_or_default();
    let range = group.and_then(|name| {
        let named = |part: &&[usize]| {
            let body = &lines[part[0]..part[1]];
            body.iter().any(|line| line.trim_start().starts_with("name") && line.contains(&format!("{name:?}")))
        };
        starts.windows(2).find(named).map(|part| part[0]..part[1])
    });
    let range = range.unwrap_or(0..first);
    let begins = range.start;
    let found = lines.get(range).and_then(|part| part.iter().position(|line| is_key(line)));
    found.map_or(begins, |at| begins + at) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"x\"\n[[rooms]]\nname = \"a\"\nmembers = 10\nrate = 1\n[[rooms]]\nname = \"b\"\nmembers = 20\nrate = 2\n";

    #[test]
    fn keys_that_are_absent_have_their_defaults() {
        let plan = Plan::parse(GOOD).unwrap();
        assert_eq!((plan.cells, plan.day.len(), plan.account.post_budget()), (1.0, 24, 8_000.0));
        assert_eq!((plan.rooms[1].count, plan.rooms[1].payload_bytes, plan.rooms[1].presence), (1.0, 200.0, true));
    }

    #[test]
    fn a_mistake_is_reported_with_its_line_and_what_was_expected() {
        let wrong = |from: &str, to: &str| Plan::parse(&GOOD.replace(from, to)).unwrap_err();
        let unknown = wrong("members = 10", "menbers = 10");
        assert!(unknown.starts_with("line 4: unknown field `menbers`, expected one of `name`, `count`"), "{unknown}");
        assert_eq!(
            wrong("rate = 2", "rate = 200"),
            "line 9: rate of rooms \"b\" is 200; it must be from 0 to 100, publications a second into one room"
        );
        assert_eq!(
            wrong("members = 10", "members = 1.5"),
            "line 4: members of rooms \"a\" is 1.5; it must be a whole number"
        );
        assert_eq!(
            wrong("name = \"x\"", "name = \"x\"\ncells = 0"),
            "line 2: cells is 0; it must be from 1 to 1000, accounts in Regions"
        );
        assert_eq!(
            wrong("name = \"x\"", "name = \"x\"\nday = [1]"),
            "line 2: day has 1 numbers; it must have 24, one for each hour"
        );
        let missing = wrong("rate = 2\n", "");
        assert!(missing.contains("line 6: missing field `rate`"), "{missing}");
    }

    #[test]
    fn rooms_are_busy_from_their_hour_for_their_hours() {
        let rooms =
            |from_hour, hours_per_day| Rooms { from_hour, hours_per_day, ..Plan::parse(GOOD).unwrap().rooms.remove(0) };
        let hours = |rooms: Rooms| (0..HOURS).map(|hour| rooms.activity(hour)).collect::<Vec<_>>();
        assert_eq!(hours(rooms(0.0, 24.0)), [1.0; HOURS]);
        let evening = hours(rooms(22.0, 3.5));
        assert_eq!(
            (evening[21], evening[22], evening[23], evening[0], evening[1], evening[2]),
            (0.0, 1.0, 1.0, 1.0, 0.5, 0.0)
        );
        for (from, length) in [(0.0, 8.0), (5.0, 2.5), (20.0, 23.0), (1.0, 0.25)] {
            assert!((hours(rooms(from, length)).iter().sum::<f64>() - length).abs() < 1e-9, "{from} {length}");
        }
    }
}
