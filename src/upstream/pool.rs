//! The endpoints of a cluster, which come and go under load, and those of them that may be called.
//!
//! ```text
//! EndpointSet (who there is) ── health, ejections ──► Ready (who may be called, and the balancer)
//! ```
//!
//! Both are immutable and swapped whole. A call looks at one number to see that nothing has changed;
//! the first one after a change makes the new [`Ready`], and nobody waits for it. An endpoint that
//! is taken out gets no new calls; those in flight hold what they need, and when the last has ended
//! its connections are closed.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
};

use arc_swap::{ArcSwap, Guard};
use tokio::time::Instant;

use super::{
    balance::{self, Balancer, Choice, Dice, Draw, Spread},
    breaker::Breaker,
    endpoint::{Lane, Target},
    standing::{Changes, Standing},
};

/// One backend: its connections, a lane for each worker, and what is known of it. It lives as long
/// as any runtime has it in a cluster.
pub struct Endpoint {
    target: Arc<Target>,
    lanes: Box<[Arc<Lane>]>,
    standing: Arc<Standing>,
}

impl Endpoint {
    /// An endpoint without connections, for this many workers.
    pub(super) fn new(
        target: Target,
        workers: usize,
        changes: Arc<Changes>,
        breaker: &Arc<Breaker>,
    ) -> Self {
        let (target, standing) = (Arc::new(target), Arc::new(Standing::new(changes)));
        let lane = |_| Lane::new(target.clone(), standing.clone(), breaker.clone());
        // One more than workers: for the gateway's own calls, which none of them makes.
        let lanes = (0..=workers.max(1)).map(lane).collect();
        Self { target, lanes, standing }
    }

    /// Host and port, or the path of its socket: for the operator's eyes.
    pub fn name(&self) -> &Arc<str> {
        &self.target.name
    }

    /// What is known of it.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// How many connections it has, of all workers.
    pub fn connections(&self) -> usize {
        self.lanes.iter().map(|lane| lane.connections()).sum()
    }

    /// Where it is.
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The number of the lane for the gateway's own calls.
    pub(super) fn own_lane(&self) -> usize {
        self.lanes.len() - 1
    }

    /// The lane of one worker.
    pub(super) fn lane(&self, worker: usize) -> &Arc<Lane> {
        &self.lanes[worker % self.lanes.len()]
    }
}

/// An endpoint in a set.
#[derive(Clone)]
pub struct Member {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Its share of the calls, in proportion to the others' weights; at least 1.
    pub weight: u32,
    /// Members are called only when no member of a smaller number may be.
    pub priority: u16,
}

impl Member {
    pub(super) fn name(&self) -> &str {
        self.endpoint.name()
    }

    pub(super) fn lane(&self, worker: usize) -> &Arc<Lane> {
        self.endpoint.lane(worker)
    }

    pub(super) fn standing(&self) -> &Standing {
        self.endpoint.standing()
    }

    pub(super) fn since(&self) -> Instant {
        self.standing().since()
    }
}

/// Who there is. Immutable.
#[derive(Default)]
pub struct EndpointSet {
    /// The members, each endpoint once.
    pub members: Box<[Member]>,
}

impl EndpointSet {
    /// A set of these members; of an endpoint that is there twice, the first.
    pub(super) fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut seen = HashSet::new();
        let members = members.into_iter();
        Self { members: members.filter(|m| seen.insert(Arc::as_ptr(&m.endpoint))).collect() }
    }

    fn same_as(&self, other: &Self) -> bool {
        let alike = |(one, two): (&Member, &Member)| {
            Arc::ptr_eq(&one.endpoint, &two.endpoint)
                && (one.weight, one.priority) == (two.weight, two.priority)
        };
        self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(alike)
    }
}

/// Who may be called, and how one of them is chosen.
pub(super) struct Ready {
    pub(super) members: Box<[Member]>,
    /// Whether too few may be called, so that all are.
    pub(super) panics: bool,
    draw: Draw,
    /// None if there is nobody.
    balancer: Option<Box<dyn Balancer>>,
    /// How many changes there were when it was made.
    changes: u64,
    /// When the first ejection is over.
    until: Option<Instant>,
}

impl Ready {
    /// Chooses the member for a call, by its place. Not for an empty set.
    pub(super) fn pick(&self, dice: &Dice, worker: usize, key: Option<u64>, now: Instant) -> usize {
        let Some(balancer) = &self.balancer else { return 0 };
        let (members, draw, die) = (&*self.members, &self.draw, dice.of(worker));
        balancer.pick(&Choice { members, draw, die, worker, key, now })
    }
}

/// The endpoints of a cluster.
pub(super) struct Pool {
    spread: Spread,
    workers: usize,
    set: ArcSwap<EndpointSet>,
    ready: ArcSwap<Ready>,
    changes: Arc<Changes>,
    /// Held by who makes the next [`Ready`]; and who was taken out, as long as calls hold it.
    building: Mutex<Vec<Leaving>>,
}

/// An endpoint that was taken out and still has calls in flight.
pub(super) struct Leaving {
    pub(super) name: Arc<str>,
    standing: Weak<Standing>,
}

impl Pool {
    /// A pool without endpoints.
    pub(super) fn new(spread: Spread, workers: usize, changes: Arc<Changes>) -> Self {
        let ready = ready_of(&EndpointSet::default(), &spread, workers, changes.count());
        Self {
            spread,
            workers,
            set: ArcSwap::default(),
            ready: ArcSwap::from_pointee(ready),
            changes,
            building: Mutex::default(),
        }
    }

    /// Who there is.
    pub(super) fn set(&self) -> Arc<EndpointSet> {
        self.set.load_full()
    }

    /// Swaps the set: calls that begin from now on see the new one alone.
    pub(super) fn replace(&self, set: EndpointSet) {
        let mut leaving = self.lock();
        let old = self.set.load_full();
        if old.same_as(&set) {
            return;
        }
        let stays: HashSet<_> = set.members.iter().map(|m| Arc::as_ptr(&m.endpoint)).collect();
        leaving.retain(|one| one.standing.strong_count() > 0);
        for gone in old.members.iter().filter(|m| !stays.contains(&Arc::as_ptr(&m.endpoint))) {
            let standing = Arc::downgrade(gone.endpoint.standing());
            leaving.push(Leaving { name: gone.endpoint.name().clone(), standing });
        }
        self.set.store(Arc::new(set));
        self.rebuild(&leaving);
    }

    /// Who may be called now.
    pub(super) fn ready(&self) -> Guard<Arc<Ready>> {
        let ready = self.ready.load();
        let outdated = ready.changes != self.changes.count()
            || ready.until.is_some_and(|until| Instant::now() >= until);
        if !outdated {
            return ready;
        }
        match self.building.try_lock() {
            Ok(leaving) => self.rebuild(&leaving),
            Err(TryLockError::Poisoned(poisoned)) => self.rebuild(&poisoned.into_inner()),
            // Another worker is at it.
            Err(TryLockError::WouldBlock) => return ready,
        }
        self.ready.load()
    }

    /// Makes the next [`Ready`]; whoever calls holds the lock.
    fn rebuild(&self, _: &MutexGuard<'_, Vec<Leaving>>) {
        let changes = self.changes.count();
        let next = ready_of(&self.set.load(), &self.spread, self.workers, changes);
        self.ready.store(Arc::new(next));
    }

    /// Those that were taken out and still have calls in flight, with how many.
    pub(super) fn leaving(&self) -> Vec<(Arc<str>, u32)> {
        let leaving = self.lock();
        let busy = |one: &Leaving| {
            let calls = one.standing.upgrade()?.in_flight();
            (calls > 0).then(|| (one.name.clone(), calls))
        };
        leaving.iter().filter_map(busy).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Leaving>> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who of a set may be called.
///
/// Those that are neither unhealthy nor ejected, unless these are fewer than the panic threshold
/// says: then all (Envoy's panic mode: what is left would break down under the load of all). Of
/// them those of the smallest priority number (RFC 2782).
fn ready_of(set: &EndpointSet, spread: &Spread, workers: usize, changes: u64) -> Ready {
    let usable: Vec<&Member> = set.members.iter().filter(|m| m.standing().is_usable()).collect();
    let panics = usable.len() * 100 < set.members.len() * usize::from(spread.panic_threshold);
    let candidates: Vec<&Member> = if panics { set.members.iter().collect() } else { usable };
    let priority = candidates.iter().map(|member| member.priority).min();
    let chosen = candidates.into_iter().filter(|member| Some(member.priority) == priority);
    let members: Box<[Member]> = chosen.cloned().collect();
    let ejections = set.members.iter().filter_map(|m| m.standing().ejected_until());
    Ready {
        panics,
        draw: Draw::new(&members, spread.slow_start.clone()),
        balancer: (!members.is_empty()).then(|| balance::build(spread.kind, &members, workers)),
        members,
        changes,
        until: ejections.min(),
    }
}
