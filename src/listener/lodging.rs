//! Sessions that stay on a connection when their request has long been answered.
//!
//! Over HTTP/1.1 the connection has become the session's own, and hyper has left it; over HTTP/2 the
//! session is a stream among others. Either way it is work: its connection is not idle, keeps its
//! place among those that may be open, and is waited for by the drain, until the drain's time is
//! nearly over.

use std::{any::Any, fmt, sync::Arc};

use tokio::sync::watch;

use super::activity::Activity;
use crate::protocol::caller::{Lodging, Stay};

/// One connection's room for sessions.
pub(super) struct Lodgings {
    pub(super) activity: Arc<Activity>,
    /// What the connection holds while it is open.
    pub(super) open: Arc<dyn Any + Send + Sync>,
    /// Whether the drain's time is nearly over.
    pub(super) leaving: watch::Receiver<bool>,
}

impl fmt::Debug for Lodgings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lodgings").finish_non_exhaustive()
    }
}

impl Lodging for Lodgings {
    fn stay(&self) -> Stay {
        let mut leaving = self.leaving.clone();
        let leave = async move {
            // Without a listener nobody is left to say more.
            let _ = leaving.wait_for(|leave| *leave).await;
        };
        let hold = (self.activity.begin_call(false), self.open.clone());
        Stay { hold: Box::new(hold), leave: Box::pin(leave) }
    }
}
