//! The search for a place: an endpoint that the balancing chooses, and a connection that has room.
//!
//! The way of most calls is short: the endpoint is chosen, and a connection is there. Else it is
//! dialled; and a call that any endpoint may answer doesn't wait for that while another one is
//! ready, so that an endpoint which accepts nothing holds up no calls.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Cluster,
    breaker::Kind,
    connection::Load,
    endpoint::{Lane, Slot, Target},
    pool::{Endpoint, Member, Ready},
};
use crate::{error::Error, exchange::Attempt};

/// How long an endpoint that has to be dialled may take until the next one is asked too.
const STAGGER: Duration = Duration::from_millis(250);

/// What kind of place an attempt looks for.
pub(super) struct Search {
    pub(super) deadline: Option<Instant>,
    pub(super) worker: usize,
    /// What the call has in common with others that go to the same endpoint.
    pub(super) key: Option<u64>,
    /// When the call began.
    pub(super) now: Instant,
    /// How many attempts were made before.
    pub(super) tried: usize,
    /// Who had the attempt before.
    pub(super) avoid: Option<Refused>,
    /// What is known of earlier calls of the same exchange.
    pub(super) attempt: Option<Attempt>,
    /// The one endpoint that is meant.
    pub(super) only: Option<Arc<Endpoint>>,
}

impl Search {
    /// Whether the member had the call before.
    fn has_tried(&self, member: &Member) -> bool {
        self.avoid.as_ref().is_some_and(|refused| refused.is_of(member))
            || self.attempt.as_ref().is_some_and(|attempt| attempt.has_tried(member.name()))
    }

    /// The name of the endpoint that had the attempt before.
    pub(super) fn before(&self) -> Option<&Arc<str>> {
        self.avoid.as_ref().map(|refused| &refused.target.name)
    }

    /// The connection of the attempt before.
    fn load(&self) -> Option<&Arc<Load>> {
        self.avoid.as_ref().map(|refused| &refused.load)
    }
}

/// An endpoint and its connection that had the attempt before.
pub(super) struct Refused {
    target: Arc<Target>,
    load: Arc<Load>,
}

impl Refused {
    pub(super) fn of(slot: &Slot) -> Self {
        Self { target: slot.target().clone(), load: slot.connection().load.clone() }
    }

    fn is_of(&self, member: &Member) -> bool {
        Arc::ptr_eq(&self.target, member.endpoint.target())
    }
}

impl Cluster {
    /// A place on a connection of the endpoint that the balancing chooses.
    pub(super) async fn acquire(&self, search: &Search) -> Result<Slot, Error> {
        let lanes = {
            let ready = self.pool.ready();
            let place = self.choose(&ready, search);
            if search.only.is_none()
                && let Some(member) = ready.members.get(place)
                && let Some(slot) = member.lane(search.worker).try_acquire(search.load())
            {
                return Ok(slot);
            }
            lanes(&ready.members, place, search)
        };
        Box::pin(self.wait_if_known(lanes, search)).await
    }

    /// The place of the member for a call: another one than that which refused it, if there is one.
    fn choose(&self, ready: &Ready, search: &Search) -> usize {
        let count = ready.members.len();
        let place = ready.pick(&self.dice, search.worker, search.key, search.now);
        if search.avoid.is_none() && search.attempt.is_none() {
            return place;
        }
        let behind = (0..count).map(|step| (place + step) % count);
        behind.into_iter().find(|place| !search.has_tried(&ready.members[*place])).unwrap_or(place)
    }

    /// Waits for discovery, if nobody is known yet.
    async fn wait_if_known(&self, known: Vec<Arc<Lane>>, search: &Search) -> Result<Slot, Error> {
        if !known.is_empty() {
            return self.wait(known, search).await;
        }
        let looked = match search.deadline {
            None => Ok(self.first_look().await),
            Some(deadline) => timeout_at(deadline, self.first_look()).await,
        };
        looked.map_err(|_| {
            let waited = format!("{}: waited for discovery", self.name());
            Error::deadline_exceeded().with_source(waited)
        })??;
        let known = {
            let ready = self.pool.ready();
            lanes(&ready.members, self.choose(&ready, search), search)
        };
        self.wait(known, search).await
    }

    /// The same where no place is free: dials, and looks at the other endpoints meanwhile.
    async fn wait(&self, lanes: Vec<Arc<Lane>>, search: &Search) -> Result<Slot, Error> {
        let Some(chosen) = lanes.first() else { return Err(self.nobody()) };
        // Without a connection the worker could call nobody, and the operator not ask how one is.
        let always = search.only.is_some() || lanes.iter().all(|lane| lane.is_bare());
        // A call that is bound to no endpoint needn't wait where another one is ready.
        if search.key.is_none() {
            chosen.prepare(always);
            let is_new = |lane: &&Arc<Lane>| {
                let name = &lane.target.name;
                search.attempt.as_ref().is_none_or(|attempt| !attempt.has_tried(name))
            };
            // Nor is one that had the call before better than one that has to be dialled.
            let mut others = lanes[1..].iter().filter(is_new);
            if let Some(slot) = others.find_map(|lane| lane.try_acquire(search.load())) {
                return Ok(slot);
            }
        }
        let _pending = match &search.only {
            None => Some(self.breaker.admit(Kind::Pending)?),
            Some(_) => None,
        };
        let name = chosen.target.name.clone();
        let place = first_place(lanes, search.load().cloned(), always);
        let found = match search.deadline {
            None => place.await,
            Some(deadline) => timeout_at(deadline, place).await.map_err(|_| {
                let waited = format!("{name}: waited for a connection");
                Error::deadline_exceeded().with_source(waited)
            })?,
        };
        found.map_err(|failed| failed.unwrap_or_else(|| self.nobody()))
    }

    fn nobody(&self) -> Error {
        Error::unavailable("upstream_no_endpoint", "the upstream has no endpoint to call")
            .with_source(self.name().to_owned())
    }
}

/// The lanes in which a call may look for a place: the chosen one first, then those behind it.
fn lanes(members: &[Member], chosen: usize, search: &Search) -> Vec<Arc<Lane>> {
    if let Some(only) = &search.only {
        return vec![only.lane(search.worker).clone()];
    }
    let members = members.iter().cycle().skip(chosen).take(members.len());
    members.map(|member| member.lane(search.worker).clone()).collect()
}

/// The first place that there is in any of the lanes. They are asked one after the other, the next
/// one if the last has failed or makes its caller wait; those that were down when last seen are
/// asked last.
async fn first_place(
    lanes: Vec<Arc<Lane>>,
    avoid: Option<Arc<Load>>,
    always: bool,
) -> Result<Slot, Option<Error>> {
    let (sound, suspect): (Vec<_>, Vec<_>) = lanes.into_iter().partition(|lane| !lane.is_suspect());
    let mut next = sound.into_iter().chain(suspect).peekable();
    let mut asked = FuturesUnordered::new();
    let mut failed = None;
    loop {
        if let Some(lane) = next.next() {
            let avoid = avoid.clone();
            asked.push(async move {
                let place = lane.acquire(avoid.as_ref(), always).await;
                place.map_err(|fault| fault.to_error(&lane.target.name))
            });
        }
        let answer = match next.peek() {
            Some(_) => timeout(STAGGER, asked.next()).await,
            None => Ok(asked.next().await),
        };
        match answer {
            Err(_elapsed) => {}
            Ok(Some(Ok(slot))) => return Ok(slot),
            Ok(Some(Err(error))) => failed = Some(error),
            Ok(None) => return Err(failed),
        }
    }
}
