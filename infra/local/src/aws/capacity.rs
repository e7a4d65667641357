//! What calls would have been charged for: dynoxide counts as DynamoDB does, and is asked each time.

use dynoxide::types::ConsumedCapacity;

/// Capacity units of one call: read units of a read, write units of a write.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Units(pub(crate) f64);

/// How a response says what it consumed: of one table, or of several.
pub(crate) trait Consumed {
    fn units(&self) -> f64;
}

impl Consumed for ConsumedCapacity {
    fn units(&self) -> f64 {
        self.capacity_units
    }
}

impl Consumed for Vec<ConsumedCapacity> {
    fn units(&self) -> f64 {
        self.iter().map(Consumed::units).sum()
    }
}

/// The units that a response names.
pub(crate) fn units(consumed: &Option<impl Consumed>) -> Units {
    Units(consumed.as_ref().map_or(0.0, Consumed::units))
}
