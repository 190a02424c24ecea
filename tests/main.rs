//! Every integration test, in one binary.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]
#![recursion_limit = "256"] // one JSON literal names a field of every kind

mod examples;
mod readme;
mod rest;
mod support;
mod tidy;
