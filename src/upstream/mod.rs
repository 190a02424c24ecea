//! The way out to backends.

pub mod reflection;
