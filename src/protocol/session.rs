//! Calls that are talked through: the answer goes out first, and then both sides speak until the
//! call's end.
//!
//! ```text
//! Opening::Session ── 101 ──► downstream
//!                  ── Exchange ──► stages, upstream
//!                  ◄─ Talk::hold ─► both at once, in a task of its own
//! ```
//!
//! The stages are the same as those of any other call, and so is their order; only the place where
//! the outcome is written differs.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::Response;

use super::{Refusal, ResponseBody, caller::Stay};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
};

/// A call that a door has opened and will talk through.
pub struct Session {
    /// The neutral call.
    pub exchange: Exchange,
    /// The route that matched, as written, for the access log.
    pub route: Arc<str>,
    /// What is answered at once.
    pub response: Response<ResponseBody>,
    /// Talks with the caller.
    pub talk: Box<dyn Talk>,
}

/// The outcome of a session's call, still to come; dropping it cancels the call.
pub type Outcome<'a> = BoxFuture<'a, Result<Reply, Error>>;

/// Talks with a caller in the protocol's tongue.
pub trait Talk: Send {
    /// Carries messages both ways until either side ends, and takes leave of the caller. The call
    /// is begun by polling it, and cancelled if the caller leaves.
    fn hold<'a>(self: Box<Self>, call: Outcome<'a>, stay: Stay) -> BoxFuture<'a, Ending>;
}

/// How a session ended, for the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Why it did not end well, if it did not.
    pub refusal: Option<Refusal>,
    /// Bytes of the messages from downstream.
    pub received: u64,
    /// Bytes of the messages to downstream.
    pub sent: u64,
}

impl Ending {
    /// An end by an error, before anything was said.
    pub fn by(error: &Error) -> Self {
        Self { refusal: Some(Refusal::by(error)), ..Self::default() }
    }
}
