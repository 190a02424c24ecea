//! Configuration that changes while the gateway serves.
//!
//! ```text
//! files change ─┐                   off the workers                          on the control thread
//! SIGHUP       ─┼─► Reloader ─ load, ask, prepare, compare, build ─► Ready ─ listeners, swap ─► Outcome
//! POST /reload ─┤              └ anything wrong ─► Outcome: the old one serves on
//! refresh      ─┘
//! ```
//!
//! The next snapshot is built aside and checked whole, by the same code that starts the program. Only
//! then listeners are opened and the runtime is swapped; calls in flight finish on the old one, and
//! what outlives a snapshot is found in [`Lasting`](crate::lasting::Lasting) again. Workers take no
//! part in it.
//!
//! What has changed is taken once it has stayed the same for one look, and only if it was the same
//! before and after it was read: nobody's half-written file is taken for a configuration.

mod build;
mod outcome;
mod reloader;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub use self::{
    build::{Reading, read},
    outcome::{Outcome, Reason, Verdict},
    reloader::{Desk, Reloader, Start},
    standing::Standing,
};
