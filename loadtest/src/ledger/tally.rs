//! What went wrong in a room beside what is missing, counted as it happens, with a few examples.

use serde::{Deserialize, Serialize};

/// Examples that are kept of each kind.
const SAMPLES: usize = 10;

/// Counts of what was heard and should not have been, and of what healed itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Pairs of publication and member that were heard.
    pub delivered: u64,
    /// Heard again by the application, under another position: the fault that no client can hide.
    pub duplicates: u64,
    /// Came again on the wire at a position that was there: clients drop it.
    pub repeats_on_the_wire: u64,
    /// Came before one that stands before it: clients hold it.
    pub out_of_order_on_the_wire: u64,
    /// Heard, and never published.
    pub phantoms: u64,
    /// Heard in another room than it was published in, or in a room that the member never joined.
    pub foreign_room: u64,
    /// Heard more than 2 s after the answer to a leave.
    pub late_after_leave: u64,
    /// Blocks of another life of the room: its positions began again.
    pub other_epoch: u64,
    /// Came only because the log was asked for a gap.
    pub recovered_in_gaps: u64,
    /// Came by a resume after a connection was lost.
    pub recovered_by_resume: u64,
    /// Text that is no frame of rooms.v1.
    pub not_a_frame: u64,
    /// Examples.
    pub samples: Vec<Sample>,
}

/// An example of something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Its name, as in the account.
    pub what: String,
    /// One sentence.
    pub told: String,
}

impl Tally {
    /// Remembers an example, if there are not enough of its kind.
    pub fn sample(&mut self, what: &str, told: impl FnOnce() -> String) {
        if self.samples.iter().filter(|sample| sample.what == what).count() < SAMPLES {
            self.samples.push(Sample { what: what.to_owned(), told: told() });
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.repeats_on_the_wire += other.repeats_on_the_wire;
        self.out_of_order_on_the_wire += other.out_of_order_on_the_wire;
        self.phantoms += other.phantoms;
        self.foreign_room += other.foreign_room;
        self.late_after_leave += other.late_after_leave;
        self.other_epoch += other.other_epoch;
        self.recovered_in_gaps += other.recovered_in_gaps;
        self.recovered_by_resume += other.recovered_by_resume;
        self.not_a_frame += other.not_a_frame;
        for sample in &other.samples {
            self.sample(&sample.what, || sample.told.clone());
        }
    }
}
