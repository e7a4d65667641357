//! Cuts received records into events of at most 6 MB, since a batch also ends at that size.

use std::ops::Range;

/// The largest event, in bytes.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(crate) const MAX_EVENT: usize = 6 * 1024 * 1024;

/// Length of `{"Records":[]}` in bytes.
const FRAME: usize = 14;

/// Cuts records of the given `sizes` into runs that fit into one event, and keeps their order. A
/// record that is too large for an event forms a run of its own.
pub(crate) fn events(sizes: &[usize], most_records: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut bytes = FRAME;
    for (place, size) in sizes.iter().enumerate() {
        // Each record is followed by a comma.
        let more = size + 1;
        match runs.last_mut() {
            Some(run) if bytes + more <= MAX_EVENT && run.len() < most_records => {
                run.end = place + 1;
                bytes += more;
            }
            _ => {
                runs.push(place..place + 1);
                bytes = FRAME + more;
            }
        }
    }
    runs
}

/// Builds `{"Records":[…]}` from records that are already JSON.
pub(crate) fn event<'a>(records: impl Iterator<Item = &'a str> + Clone) -> bytes::Bytes {
    let length: usize = records.clone().map(|record| record.len() + 1).sum();
    let mut event = String::with_capacity(FRAME + length);
    event.push_str(r#"{"Records":["#);
    for (place, record) in records.enumerate() {
        if place > 0 {
            event.push(',');
        }
        event.push_str(record);
    }
    event.push_str("]}");
    event.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_one_event() {
        assert_eq!(events(&[10; 10], 10), vec![0..10]);
        assert_eq!(events(&[], 10), vec![]);
    }

    #[test]
    fn ten_messages_of_a_mebibyte_are_two_events() {
        assert_eq!(events(&[1024 * 1024; 10], 10), vec![0..5, 5..10]);
    }

    #[test]
    fn an_event_is_its_records_in_a_list() {
        let records = [r#"{"a":1}"#, "2"];
        assert_eq!(&event(records.into_iter())[..], br#"{"Records":[{"a":1},2]}"#);
        assert_eq!(event(std::iter::empty()).len(), FRAME);
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_event_and_every_event_fits(
            sizes in prop::collection::vec(0..2_000_000usize, 0..40), most in 1..20usize,
        ) {
            let runs = events(&sizes, most);
            let places: Vec<usize> = runs.iter().cloned().flatten().collect();
            prop_assert_eq!(places, (0..sizes.len()).collect::<Vec<_>>());
            for run in runs {
                prop_assert!(run.len() <= most);
                prop_assert!(run.len() == 1 || sizes[run].iter().sum::<usize>() <= MAX_EVENT);
            }
        }
    }
}
