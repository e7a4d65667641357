//! Log fields and metrics as data.
