//! The operator's port: how the gateway stands, what it counts, and a few things that it can be told.
//!
//! ```text
//! GET  /          what there is
//! GET  /live      200 while the program runs
//! GET  /ready     200 while it serves, 503 while it drains; details in JSON
//! GET  /config    the configuration in force, secrets left out
//! GET  /routes    the HTTP routes and the methods behind them
//! GET  /clusters  the upstreams and the state of their endpoints
//! GET  /metrics   everything that is counted, for Prometheus
//! POST /reload    reads the configuration anew; tells what came of it
//! POST /drain     ends the program as SIGTERM does
//! ```
//!
//! It is off unless it is configured, and runs on the control thread: it neither slows the workers
//! down nor waits for them. Whoever reaches it may do everything, so it should be within reach of
//! operators alone; the web pages in their browsers are kept out.

mod clusters;
mod guard;
mod pages;
mod port;
mod ready;
mod table;

use std::sync::Arc;

use tokio::sync::Notify;

pub use self::{
    port::{Port, bind},
    table::{PAGES, Page},
};
use crate::{
    gateway::Gateway,
    reload::{Desk, Standing},
};

/// What the pages are made from.
#[derive(Clone)]
pub struct Office {
    /// What is served.
    pub gateway: Arc<Gateway>,
    /// Where a reload can be asked for.
    pub desk: Desk,
    /// How the gateway stands.
    pub standing: Arc<Standing>,
    /// Told once when the program is to end.
    pub leave: Arc<Notify>,
}
