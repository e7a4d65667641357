//! The capacity that calls would consume. dynoxide counts as DynamoDB does, and every call requests
//! the count.

use dynoxide::types::ConsumedCapacity;

/// Capacity units of one call: read units of a read, write units of a write.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Units(pub(crate) f64);

/// The consumed capacity in a response, of one table or of several.
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

/// Returns the units in a response.
pub(crate) fn units(consumed: &Option<impl Consumed>) -> Units {
    Units(consumed.as_ref().map_or(0.0, Consumed::units))
}
