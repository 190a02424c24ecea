//! Where a cluster's endpoints come from, if they don't stand in the configuration.
//!
//! A kind of discovery is a file here and a line in [`KINDS`]. It is asked again and again by a task
//! of its own, far from the workers. What it found last stays good until it finds something else: an
//! answer that fails, or that names nobody, takes no endpoint away. The last answer outlives the
//! configuration too, as long as the next one asks the same.

mod dns;
mod file;
mod settings;
mod srv;
mod watch;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::settings::{Discovery, Dns, Scheme, Srv, Watched as WatchedFile};
pub(super) use self::watch::{Finding, Watch, background};
use super::settings::Address;

/// One who can be called, as discovery tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) address: Address,
    pub(super) weight: u32,
    pub(super) priority: u16,
}

/// An answer.
pub(super) struct Found {
    /// Who can be called.
    pub(super) located: Vec<Located>,
    /// How long the answer is good, until which it needn't be asked for again.
    pub(super) good_for: Duration,
}

/// A kind of discovery at work.
pub(super) trait Finder: Send {
    /// Asks once. An error is a sentence for the operator.
    fn find(&mut self) -> BoxFuture<'_, Result<Found, String>>;
}

/// A kind of discovery: the key of its settings, and how it is made of them.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) build: fn(&Discovery) -> Option<Box<dyn Finder>>,
}

/// Every kind there is. Static endpoints need no finder: they stand in the settings.
pub(super) static KINDS: &[Entry] = &[dns::ENTRY, srv::ENTRY, file::ENTRY];

/// Where the endpoints are, found once.
///
/// # Errors
///
/// Why they can't be found: a sentence for the operator.
pub(super) async fn once(settings: &Discovery) -> Result<Vec<Address>, String> {
    let Some((kind, mut finder)) = finder(settings) else { return Ok(Vec::new()) };
    let found = finder.find().await.map_err(|error| format!("{kind}: {error}"))?;
    Ok(found.located.into_iter().map(|located| located.address).collect())
}

/// What finds the endpoints that the settings mean.
pub(super) fn finder(settings: &Discovery) -> Option<(&'static str, Box<dyn Finder>)> {
    KINDS.iter().find_map(|kind| Some((kind.name, (kind.build)(settings)?)))
}
