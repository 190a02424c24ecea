//! Whether the gateway is about to end, for those who ask after its health.

use std::sync::Arc;

use tokio::sync::watch;

use crate::lasting::Lasting;

/// Begins once, and never ends.
#[derive(Debug)]
pub struct Draining(watch::Sender<bool>);

impl Draining {
    /// That of the process.
    pub fn of(lasting: &Lasting) -> Arc<Self> {
        lasting.keep("draining", || Self(watch::channel(false).0))
    }

    /// The gateway takes nothing new from now on.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        // The sender is here, so the channel can't be closed.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}
