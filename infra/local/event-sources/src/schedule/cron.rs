//! Parses `cron(minutes hours day-of-month month day-of-week year)`, in UTC.
//!
//! Lists, ranges, steps, names, `*` and `?` are supported. `L`, `W` and `#` are refused with an
//! error. Source:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions>

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The values of each field. A day matches if both day fields match; one of them is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    days: BTreeSet<i16>,
    months: BTreeSet<i16>,
    /// Days of the week, from 1 (Sunday) to 7.
    weekdays: BTreeSet<i16>,
    years: BTreeSet<i16>,
}

const YEARS: RangeInclusive<i16> = 1970..=2199;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Cron {
    /// Returns the first matching minute after the minute of `time`.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let start = TimeZone::UTC.to_datetime(time).checked_add(1.minute()).ok()?;
        let mut from = (i16::from(start.hour()), i16::from(start.minute()));
        let mut date = start.date();
        while date.year() <= *YEARS.end() {
            if self.is_on(date)
                && let Some((hour, minute)) = self.first_from(from)
            {
                let at = date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
                return TimeZone::UTC.to_timestamp(at).ok();
            }
            date = date.tomorrow().ok()?;
            from = (0, 0);
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let weekday = i16::from(date.weekday().since(Weekday::Sunday)) + 1;
        self.years.contains(&date.year())
            && self.months.contains(&i16::from(date.month()))
            && self.days.contains(&i16::from(date.day()))
            && self.weekdays.contains(&weekday)
    }

    fn first_from(&self, from: (i16, i16)) -> Option<(i16, i16)> {
        let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        times.into_iter().find(|time| *time >= from)
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields[..] else {
            return Err(format!("cron has six fields, not {}", fields.len()));
        };
        if (days == "?") == (weekdays == "?") {
            return Err("exactly one of day-of-month and day-of-week is ?".to_owned());
        }
        Ok(Self {
            minutes: field(minutes, 0..=59, &[])?,
            hours: field(hours, 0..=23, &[])?,
            days: field(days, 1..=31, &[])?,
            months: field(months, 1..=12, &MONTHS)?,
            weekdays: field(weekdays, 1..=7, &WEEKDAYS)?,
            years: field(years, YEARS, &[])?,
        })
    }
}

fn field(text: &str, all: RangeInclusive<i16>, names: &[&str]) -> Result<BTreeSet<i16>, String> {
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        values.extend(steps(part, &all, names)?);
    }
    Ok(values)
}

/// Parses one part of a field: `*`, `?`, `5`, `1-5`, `*/2`, `10/5` or `1-30/5`.
fn steps(part: &str, all: &RangeInclusive<i16>, names: &[&str]) -> Result<Vec<i16>, String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let number = |text: &str| value(text, all, names);
    let (first, last) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (*all.start(), *all.end()),
        Some((first, last)) => (number(first)?, number(last)?),
        // "10/5" ends at the last value of the field. "10" is one value.
        None => (number(range)?, if step.is_some() { *all.end() } else { number(range)? }),
    };
    let step = step.map_or(Ok(1), |step| step.parse::<usize>().map_err(|_| format!("{step} is no step")))?;
    if step == 0 || first > last {
        return Err(format!("{part} is empty"));
    }
    Ok((first..=last).step_by(step).collect())
}

fn value(text: &str, all: &RangeInclusive<i16>, names: &[&str]) -> Result<i16, String> {
    let named = names.iter().zip(all.clone()).find(|(name, _)| name.eq_ignore_ascii_case(text));
    if let Some((_, value)) = named {
        return Ok(value);
    }
    let out_of_range = || format!("{text} is not {} to {} (L, W and # are not supported here)", all.start(), all.end());
    text.parse().ok().filter(|value| all.contains(value)).ok_or_else(out_of_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(cron: &str, time: &str) -> String {
        let cron: Cron = cron.parse().unwrap();
        cron.after(time.parse().unwrap()).map_or_else(String::new, |time| time.to_string())
    }

    #[test]
    fn the_examples_of_the_documentation_run_when_they_say() {
        let start = "2026-11-21T05:00:30Z"; // a Saturday
        assert_eq!(after("0 10 * * ? *", start), "2026-11-21T10:00:00Z");
        assert_eq!(after("15 12 * * ? *", start), "2026-11-21T12:15:00Z");
        assert_eq!(after("0 18 ? * MON-FRI *", start), "2026-11-23T18:00:00Z");
        assert_eq!(after("0 8 1 * ? *", start), "2026-12-01T08:00:00Z");
        assert_eq!(after("0/15 * * * ? *", start), "2026-11-21T05:15:00Z");
        assert_eq!(after("0/5 8-17 ? * MON-FRI *", start), "2026-11-23T08:00:00Z");
        assert_eq!(after("0 0 29 2 ? *", start), "2028-02-29T00:00:00Z");
    }

    #[test]
    fn the_minute_that_has_begun_is_over() {
        assert_eq!(after("* * * * ? *", "2026-11-21T05:00:00Z"), "2026-11-21T05:01:00Z");
    }

    #[test]
    fn a_year_that_is_over_never_comes_again() {
        assert_eq!(after("0 0 1 1 ? 2020", "2026-11-21T05:00:00Z"), "");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_the_reason() {
        for (cron, reason) in [
            ("0 10 * * * *", "exactly one of"),
            ("0 10 ? * ? *", "exactly one of"),
            ("60 * * * ? *", "60 is not 0 to 59"),
            ("0 0 L * ? *", "L, W and # are not supported"),
            ("0 0 ? * FRI#2 *", "FRI#2 is not 1 to 7"),
            ("5-1 * * * ? *", "5-1 is empty"),
            ("*/0 * * * ? *", "*/0 is empty"),
        ] {
            let error = cron.parse::<Cron>().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
