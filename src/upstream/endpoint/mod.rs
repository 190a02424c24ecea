//! One backend as one worker sees it: a lane of connections, made on demand.
//!
//! A call takes a [`Slot`], which is a place for one stream on one connection. If all places are
//! taken, it waits in line, and another connection is dialled if there may be one. The dial is a
//! task of its own: a caller that leaves while it waits spoils it for nobody. After a failed dial
//! the lane pauses, and says no at once, until the pause is over.

mod dial;
mod pause;
mod slot;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

use self::{dial::Dial, pause::Pause};
pub(super) use self::{pause::jitter, slot::Slot};
use super::{
    breaker::{Breaker, Kind, Permit},
    connection::{Connection, Load},
    fault::Fault,
    settings::{Address, Keepalive},
    standing::Standing,
    tls::Identity,
};

/// Where an endpoint is, and how it is reached.
pub(super) struct Target {
    /// Host and port, for logs and the journal.
    pub(super) name: Arc<str>,
    pub(super) address: Address,
    pub(super) tls: Option<Identity>,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Option<Keepalive>,
    /// How many connections one lane may have.
    pub(super) connections: usize,
    /// How old a connection may be, about, until it takes no more calls.
    pub(super) max_age: Option<Duration>,
}

/// The connections of one worker to one endpoint.
pub(super) struct Lane {
    pub(super) target: Arc<Target>,
    standing: Arc<Standing>,
    breaker: Arc<Breaker>,
    /// Whether anybody waits, to be read without the lock.
    waiting: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    waiters: VecDeque<Waiter>,
    dialing: bool,
    pause: Option<Pause>,
}

type Handed = Result<Slot, Arc<Fault>>;

/// What is to be done next for those who wait.
enum Step {
    Serve(Waiter, Handed),
    Dial(Permit),
    Rest,
}

struct Waiter {
    sender: oneshot::Sender<Handed>,
    /// A connection that refused the call; taken all the same if no other is on its way.
    avoid: Option<Arc<Load>>,
    /// Whether a connection may be made for it that is one too many.
    always: bool,
}

impl Lane {
    /// A lane without connections.
    pub(super) fn new(
        target: Arc<Target>,
        standing: Arc<Standing>,
        breaker: Arc<Breaker>,
    ) -> Arc<Self> {
        let (waiting, state) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { target, standing, breaker, waiting, state })
    }

    /// A place that is free now. `avoid` is a connection that refused the call before.
    pub(super) fn try_acquire(self: &Arc<Self>, avoid: Option<&Arc<Load>>) -> Option<Slot> {
        let connection = self.lock().take_place(avoid)?;
        Some(self.slot(connection))
    }

    /// A place, if need be after a dial or after others have finished. `always` is for a caller
    /// whom no connection leads anywhere: one may be made although there are as many as may be.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        avoid: Option<&Arc<Load>>,
        always: bool,
    ) -> Result<Slot, Arc<Fault>> {
        let (sender, receiver) = oneshot::channel();
        let dial = {
            let mut state = self.lock();
            state.connections.retain(|connection| connection.is_open());
            state.waiters.push_back(Waiter { sender, avoid: avoid.cloned(), always });
            self.waiting.store(true, SeqCst);
            if avoid.is_some() { self.begin_dial(&mut state, always) } else { None }
        };
        if let Some(permit) = dial {
            self.dial(permit);
        }
        self.settle();
        receiver.await.unwrap_or_else(|_| Err(Arc::new(Fault::abandoned())))
    }

    /// Dials, if that may be done, on behalf of the calls to come: there is no free place.
    pub(super) fn prepare(self: &Arc<Self>, always: bool) {
        let dial = self.begin_dial(&mut self.lock(), always);
        if let Some(permit) = dial {
            self.dial(permit);
        }
    }

    /// Whether the last dial failed and no connection is there. Then another is dialled, as soon
    /// as the pause is over, while the caller looks elsewhere.
    pub(super) fn is_suspect(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        let suspect = state.connections.is_empty() && state.pause.is_some();
        let dial = if suspect { self.begin_dial(&mut state, false) } else { None };
        drop(state);
        if let Some(permit) = dial {
            self.dial(permit);
        }
        suspect
    }

    /// Whether there is no connection, and none on its way.
    pub(super) fn is_bare(&self) -> bool {
        let state = self.lock();
        state.connections.is_empty() && !state.dialing
    }

    /// How many connections stand in the lane.
    pub(super) fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Whether a call waits for a place.
    pub(super) fn has_waiters(&self) -> bool {
        self.waiting.load(SeqCst)
    }

    /// Takes a connection out that ended or takes no more calls.
    pub(super) fn remove(self: &Arc<Self>, load: &Arc<Load>) {
        self.lock().connections.retain(|connection| !Arc::ptr_eq(&connection.load, load));
        self.settle();
    }

    /// Looks at all connections again on behalf of those who wait.
    pub(super) fn review(self: &Arc<Self>, limit_changed: bool) {
        let lost = {
            let mut state = self.lock();
            let before = state.connections.len();
            state.connections.retain(|connection| connection.is_open());
            state.connections.len() < before
        };
        if lost || limit_changed {
            self.settle();
        }
    }

    /// Serves those who wait, as far as it can be done: with places, with a dial, with a refusal.
    fn settle(self: &Arc<Self>) {
        loop {
            match self.next_step() {
                Step::Serve(waiter, handed) => {
                    if let Err(Ok(slot)) = waiter.sender.send(handed) {
                        slot.give_back_quietly();
                    }
                }
                Step::Dial(permit) => return self.dial(permit),
                Step::Rest => return,
            }
        }
    }

    fn next_step(self: &Arc<Self>) -> Step {
        let mut state = self.lock();
        while state.waiters.front().is_some_and(|waiter| waiter.sender.is_closed()) {
            state.waiters.pop_front();
        }
        let Some(first) = state.waiters.pop_front() else {
            self.waiting.store(false, SeqCst);
            return Step::Rest;
        };
        let avoid = first.avoid.as_ref().filter(|_| state.dialing);
        if let Some(connection) = state.take_place(avoid) {
            return Step::Serve(first, Ok(self.slot(connection)));
        }
        match &state.pause {
            Some(pause) if state.connections.is_empty() && !state.dialing && pause.lasts() => {
                let fault = pause.fault.clone();
                return Step::Serve(first, Err(fault));
            }
            _ => {}
        }
        if let Some(permit) = self.begin_dial(&mut state, first.always) {
            state.waiters.push_front(first);
            return Step::Dial(permit);
        }
        if state.connections.is_empty() && !state.dialing {
            // Only the breaker can have refused it.
            return Step::Serve(first, Err(Arc::new(Fault::too_many())));
        }
        state.waiters.push_front(first);
        Step::Rest
    }

    /// Starts the dial that was begun under the lock, outside of it: a runtime that is shutting
    /// down drops the task on the spot, and the task then tells the lane.
    fn dial(self: &Arc<Self>, permit: Permit) {
        let dial = Dial::of(self.clone(), permit);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(dial.run());
        }
    }

    /// Notes that a dial is under way, if one may be and none is.
    fn begin_dial(&self, state: &mut State, always: bool) -> Option<Permit> {
        if !state.may_dial(self.target.connections) {
            return None;
        }
        let permit = match always {
            true => self.breaker.admit_always(Kind::Connections),
            false => self.breaker.try_admit(Kind::Connections)?,
        };
        state.dialing = true;
        Some(permit)
    }

    fn dialed(self: &Arc<Self>, result: Result<Arc<Connection>, Fault>) {
        {
            let mut state = self.lock();
            state.dialing = false;
            match result {
                Ok(connection) => {
                    state.pause = None;
                    state.connections.push(connection);
                }
                Err(fault) => {
                    tracing::warn!(
                        endpoint = %self.target.name,
                        reason = fault.reason,
                        detail = fault.detail,
                        "upstream connection failed"
                    );
                    self.standing.report_connect_failure();
                    state.pause = Some(Pause::after(fault, state.pause.as_ref()));
                }
            }
        }
        self.settle();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call in on the first connection with room.
    fn take_place(&self, avoid: Option<&Arc<Load>>) -> Option<Arc<Connection>> {
        let connection = self.connections.iter().find(|connection| {
            let load = &connection.load;
            load.active.load(SeqCst) < load.limit.load(SeqCst)
                && avoid.is_none_or(|avoid| !Arc::ptr_eq(avoid, load))
        })?;
        connection.load.active.fetch_add(1, SeqCst);
        Some(connection.clone())
    }

    /// Whether a dial may begin, as far as the lane knows.
    fn may_dial(&self, most: usize) -> bool {
        !self.dialing
            && self.connections.len() < most
            && !self.pause.as_ref().is_some_and(Pause::lasts)
    }
}
