//! The text that enables faults and sets their rates: `F33=0.02,F19=0..2000ms`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::{Fault, Kind};

/// Longest time of a range. No caller waits longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Settings of faults. Faults without a setting are not enabled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec {
    settings: BTreeMap<Fault, Setting>,
}

/// The rate or the time of a fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// The probability at each occasion, from 0 to 1.
    Rate(f64),
    /// The shortest and the longest time; whole milliseconds.
    Delay(RangeInclusive<Duration>),
}

/// A mistake in a spec. The message contains the correction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// A part has no `=`.
    #[error("{0:?} sets no fault: write FAULT=RATE, such as F33=0.02, separated by commas")]
    NoSetting(String),
    /// The fault does not exist.
    #[error("there is no fault {0:?} to switch on: there are {known}", known = known())]
    Unknown(String),
    /// The fault has two settings.
    #[error("{0} is set twice: leave one of them out")]
    Twice(&'static str),
    /// The rate is not a number from 0 to 1.
    #[error("the rate of {fault} is {text:?} and must be a number from 0 to 1, such as {fault}=0.02")]
    Rate {
        /// Number of the fault.
        fault: &'static str,
        /// The text from the spec.
        text: String,
    },
    /// The time is not a range of at most 15 minutes.
    #[error(
        "the time of {fault} is {text:?} and must be a range of at most 15 minutes, such as {fault}=0..2000ms or {fault}=1..2s"
    )]
    Delay {
        /// Number of the fault.
        fault: &'static str,
        /// The text from the spec.
        text: String,
    },
}

impl Spec {
    /// Returns the settings by fault.
    pub fn settings(&self) -> impl Iterator<Item = (Fault, &Setting)> {
        self.settings.iter().map(|(fault, setting)| (*fault, setting))
    }

    /// Returns whether no fault has a setting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    fn add(&mut self, part: &str) -> Result<(), BadSpec> {
        let (number, text) = part.split_once('=').ok_or_else(|| BadSpec::NoSetting(part.to_owned()))?;
        let (number, text) = (number.trim(), text.trim());
        let fault = Fault::of_number(number).ok_or_else(|| BadSpec::Unknown(number.to_owned()))?;
        let setting = match fault.kind() {
            Kind::Rate => rate(text).map(Setting::Rate).ok_or_else(|| bad_rate(fault, text))?,
            Kind::Delay => delay(text).map(Setting::Delay).ok_or_else(|| bad_delay(fault, text))?,
        };
        match self.settings.insert(fault, setting) {
            None => Ok(()),
            Some(_) => Err(BadSpec::Twice(fault.number())),
        }
    }
}

impl FromStr for Spec {
    type Err = BadSpec;

    /// Parses a spec. An empty text has no settings.
    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let mut spec = Self::default();
        if text.trim().is_empty() {
            return Ok(spec);
        }
        for part in text.split(',') {
            spec.add(part.trim())?;
        }
        Ok(spec)
    }
}

impl FromIterator<(Fault, Setting)> for Spec {
    fn from_iter<T: IntoIterator<Item = (Fault, Setting)>>(settings: T) -> Self {
        Self { settings: settings.into_iter().collect() }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (fault, setting)) in self.settings().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}={setting}", fault.number())?;
        }
        Ok(())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Delay(times) => write!(f, "{}..{}ms", times.start().as_millis(), times.end().as_millis()),
        }
    }
}

fn rate(text: &str) -> Option<f64> {
    // Rust also parses `inf`, `nan` and signs as numbers, but a rate must not contain them.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'-'));
    text.parse().ok().filter(|rate| is_plain && (0.0..=1.0).contains(rate) && !text.starts_with('-'))
}

/// Parses `0..2000ms` or `1..2s`. The unit after the second number applies to both.
fn delay(text: &str) -> Option<RangeInclusive<Duration>> {
    let (from, to) = text.split_once("..")?;
    let (to, unit_ms) = match (to.strip_suffix("ms"), to.strip_suffix('s')) {
        (Some(to), _) => (to, 1),
        (None, Some(to)) => (to, 1_000),
        (None, None) => return None,
    };
    let time = |text: &str| {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Duration::from_millis(digits.parse::<u64>().ok()?.checked_mul(unit_ms)?))
    };
    let (from, to) = (time(from)?, time(to)?);
    (from <= to && to <= LONGEST).then_some(from..=to)
}

fn bad_rate(fault: Fault, text: &str) -> BadSpec {
    BadSpec::Rate { fault: fault.number(), text: text.to_owned() }
}

fn bad_delay(fault: Fault, text: &str) -> BadSpec {
    BadSpec::Delay { fault: fault.number(), text: text.to_owned() }
}

fn known() -> String {
    Fault::ALL.map(Fault::number).join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Spec>().unwrap_err().to_string()
    }

    #[test]
    fn a_spec_is_read_and_written_as_it_was() {
        for text in ["", "F33=0.02", "F1=0.01,F8=0.05,F19=0..2000ms,F33=0.02,F38=0.001,F43=0.3", "F1=0,F2=1"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        let loose: Spec = " F38=0.001 , F19 = 1..2s ".parse().unwrap();
        assert_eq!(loose.to_string(), "F19=1000..2000ms,F38=0.001");
    }

    #[test]
    fn an_unknown_fault_is_told_with_those_that_there_are() {
        let known = Fault::ALL.map(Fault::number).join(", ");
        assert_eq!(refused("F99=0.1"), format!("there is no fault \"F99\" to switch on: there are {known}"));
        assert!(refused("f33=0.1").starts_with("there is no fault \"f33\""));
    }

    #[test]
    fn a_rate_outside_0_to_1_is_told_with_what_would_be_right() {
        for rate in ["1.01", "-0.1", "-0", "NaN", "inf", "often", "", "0..1s"] {
            let expected = format!("the rate of F33 is {rate:?} and must be a number from 0 to 1, such as F33=0.02");
            assert_eq!(refused(&format!("F33={rate}")), expected);
        }
    }

    #[test]
    fn a_malformed_range_is_told_with_what_would_be_right() {
        for range in ["0.5", "0..2000", "2..1s", "..5ms", "0ms..5ms", "0..901s", "-1..5ms", "0..99999999999999999999s"]
        {
            let expected = format!(
                "the time of F19 is {range:?} and must be a range of at most 15 minutes, such as F19=0..2000ms or F19=1..2s"
            );
            assert_eq!(refused(&format!("F19={range}")), expected);
        }
    }

    #[test]
    fn what_is_no_setting_or_is_set_twice_is_told() {
        let no_setting = "sets no fault: write FAULT=RATE, such as F33=0.02, separated by commas";
        assert_eq!(refused("F33"), format!("\"F33\" {no_setting}"));
        assert_eq!(refused("F33=0.1,"), format!("\"\" {no_setting}"));
        assert_eq!(refused("F33=0.1,F33=0.2"), "F33 is set twice: leave one of them out");
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_a_spec_or_a_sentence(text in ".{0,40}") {
            match text.parse::<Spec>() {
                Ok(spec) => prop_assert_eq!(spec.to_string().parse::<Spec>().unwrap(), spec),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
