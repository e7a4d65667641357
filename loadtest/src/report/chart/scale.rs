//! The scale of an axis: round numbers, and their labels.

use crate::counters::grouped;

/// Round numbers from `from` to `to`, about `many` of them.
pub(super) fn ticks(from: f64, to: f64, many: f64) -> impl Iterator<Item = f64> {
    let rough = (to - from) / many;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    // The constant compensates for rounding: three steps of 0.1 are more than 0.3.
    let first = (from / step - 1e-9).ceil() as i32;
    (first..=(to / step + 1e-9).floor() as i32).map(move |n| f64::from(n) * step)
}

/// The end of an axis that shows values up to `highest`.
pub(super) fn end(highest: f64) -> f64 {
    if highest > 0.0 { highest * 1.05 } else { 1.0 }
}

/// Formats a number for readers, with three digits or all digits of a whole number.
pub(in crate::report) fn number(value: f64) -> String {
    match value {
        value if value >= 10.0 || value == 0.0 => grouped(value),
        value if value >= 1.0 && value.fract() < 1e-9 => grouped(value),
        value if value >= 0.1 => format!("{value:.1}"),
        value if value >= 0.001 => format!("{value:.3}"),
        value => format!("{value:.6}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let upto = |to| ticks(0.0, to, 5.0).collect::<Vec<_>>();
        assert_eq!(upto(9.3), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(upto(480.0), [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!(upto(0.3).len(), 4);
        assert_eq!(ticks(35.2, 68.0, 5.0).collect::<Vec<_>>(), [40.0, 50.0, 60.0]);
        assert_eq!(ticks(-0.8, 3.0, 4.0).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
        let shown = [0.0, 0.000_012, 0.05, 0.5, 2.0, 2.5, 40_000.0].map(number);
        assert_eq!(shown, ["0", "0.000012", "0.050", "0.5", "2", "2.5", "40,000"]);
    }
}
