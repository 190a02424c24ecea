//! The way out to backends.
