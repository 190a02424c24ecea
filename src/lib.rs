//! Transom: an API gateway. Whatever a client speaks on one side, a gRPC service hears on the
//! other, and the answer goes back the same way.

pub mod error;
pub mod problem;

pub mod schema;

pub mod exchange;

pub mod route;

pub mod transcode;

pub mod protocol;

pub mod stage;

pub mod upstream;

pub mod observe;

pub mod config;

pub mod listener;

pub mod cli;
