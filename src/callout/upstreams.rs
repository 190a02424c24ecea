//! The upstreams of the configuration, by name, for stages that ask one.
//!
//! Stages are made before upstreams are: `transom check` makes the ones and not the others. So a
//! stage gets a seat that is taken when the snapshot is put together, and by then every name that
//! was given out is known to be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use futures_util::future::{BoxFuture, ready};

use crate::{
    error::Error,
    exchange::{Exchange, Reply, Upstream},
};

/// The upstreams of one snapshot.
#[derive(Default)]
pub struct Upstreams {
    names: BTreeSet<String>,
    seats: Mutex<BTreeMap<String, Arc<Seat>>>,
}

/// Where an upstream will be.
#[derive(Default)]
struct Seat(OnceLock<Arc<dyn Upstream>>);

impl Upstreams {
    /// Those of these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().collect(), seats: Mutex::default() }
    }

    /// The upstream of this name. It is the snapshot's own, so nothing that outlives the snapshot
    /// ([`Lasting`](crate::lasting::Lasting)) may hold it.
    ///
    /// # Errors
    /// There is none; a sentence for the configuration's author.
    pub fn named(&self, name: &str) -> Result<Arc<dyn Upstream>, String> {
        if !self.names.contains(name) {
            return Err(self.unknown(name));
        }
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(seats.entry(name.to_owned()).or_default().clone())
    }

    /// Seats the upstreams that were asked for.
    pub fn seat(&self, find: impl Fn(&str) -> Option<Arc<dyn Upstream>>) {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, seat) in &*seats {
            if let Some(upstream) = find(name) {
                // Nobody sits twice: a snapshot is put together once.
                let _ = seat.0.set(upstream);
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        match known.is_empty() {
            true => format!("there is no upstream called `{name}`: add it to `upstreams`"),
            false => {
                format!("there is no upstream called `{name}`: there are {}", known.join(", "))
            }
        }
    }
}

impl Upstream for Seat {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        match self.0.get() {
            Some(upstream) => upstream.call(exchange),
            None => {
                let message = "the upstream is not there yet";
                Box::pin(ready(Err(Error::unavailable("upstream_unseated", message))))
            }
        }
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}
