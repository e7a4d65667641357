//! A load test that accounts for every publication and every member.
