//! Faults and repairs in a room other than missing publications, counted as they happen, with a few
//! examples.

use serde::{Deserialize, Serialize};

/// Maximum examples of each kind.
const SAMPLES: usize = 10;

/// Counts of deliveries, wrong deliveries, and repairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Pairs of publication and member that were delivered.
    pub delivered: u64,
    /// Deliveries that an application received again, at another position. Clients cannot hide this
    /// fault.
    pub duplicates: u64,
    /// Deliveries that repeated a position on the wire. Clients drop them.
    pub repeats_on_the_wire: u64,
    /// Deliveries that arrived before one with a lower position. Clients hold them.
    pub out_of_order_on_the_wire: u64,
    /// Deliveries of a publication that was never sent.
    pub phantoms: u64,
    /// Deliveries in another room than the publication's, or in a room that the member never
    /// joined.
    pub foreign_room: u64,
    /// Deliveries more than 2 s after the reply to a leave.
    pub late_after_leave: u64,
    /// Blocks of another epoch of the room: its positions restarted.
    pub other_epoch: u64,
    /// Deliveries only by the replay that filled a gap.
    pub recovered_in_gaps: u64,
    /// Deliveries by a resume after a connection was lost.
    pub recovered_by_resume: u64,
    /// Messages that are not frames of rooms.v1.
    pub not_a_frame: u64,
    /// Examples of the counted faults.
    pub samples: Vec<Sample>,
}

/// An example of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The name of the kind, as in the account.
    pub what: String,
    /// The description, one sentence.
    pub told: String,
}

impl Tally {
    /// Records an example, unless there are enough of its kind.
    pub fn sample(&mut self, what: &str, told: impl FnOnce() -> String) {
        if self.samples.iter().filter(|sample| sample.what == what).count() < SAMPLES {
            self.samples.push(Sample { what: what.to_owned(), told: told() });
        }
    }

    /// Adds another tally.
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
