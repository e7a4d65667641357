//! The Lambda Runtime API and its processes.
