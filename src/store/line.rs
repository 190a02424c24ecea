//! A worker's connection to the store, and the task that keeps it.
//!
//! ```text
//! new ── first call ──► connecting ──► up ──► lost, or an answer is late ──► away
//!                           └─────────────────────────► away ◄┘                │
//!                                        up ◄── PING answered, or connected anew
//! ```
//!
//! A late answer may be a slow one or a store that is gone; calls can't wait to find out. So with the
//! first late answer the line is away, at once for everybody, until a PING has come back on the same
//! connection or another connection is made.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{Cmd, Value, aio::MultiplexedConnection, cmd};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, interval_at, sleep, timeout},
};

use super::{dial::Target, fault::Fault};
use crate::meter::{Gauge, Held, Meter, STORE_CONNECTIONS};

/// How many calls of a worker may wait for answers at once.
pub(super) const WAITING: usize = 4096;

/// The shortest and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often a connection is tried that nobody complains of, so that one which has silently gone is
/// found before a call needs it.
const IDLE: Duration = Duration::from_secs(15);

/// A connection that is there, or isn't.
pub(super) struct Line {
    target: Arc<Target>,
    state: watch::Sender<State>,
    begun: AtomicBool,
    waiting: AtomicUsize,
    signs: Arc<Signs>,
    /// Whether it is up, for the metrics.
    up: Arc<Gauge>,
}

/// What the keeper hears.
#[derive(Default)]
struct Signs {
    wake: Notify,
    /// Whether the connection is to be given up, whatever a PING says.
    leave: AtomicBool,
}

enum State {
    New,
    Up {
        connection: MultiplexedConnection,
        /// It is counted as long as it is up.
        _counted: Held,
    },
    Away,
}

impl Line {
    /// A line that connects with its first call.
    pub(super) fn new(target: Arc<Target>, meter: &Meter) -> Arc<Self> {
        let up = meter.gauge(&STORE_CONNECTIONS, &[target.shown()]);
        Arc::new(Self {
            target,
            state: watch::Sender::new(State::New),
            begun: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            signs: Arc::default(),
            up,
        })
    }

    /// Sends a command and waits for its answer: for `patience`, and the first calls of all besides
    /// that for the connection.
    pub(super) async fn ask(
        self: &Arc<Self>,
        command: &Cmd,
        patience: Duration,
    ) -> Result<Value, Fault> {
        let _place = Waiting::enter(&self.waiting)?;
        let mut connection = self.connection().await?;
        match timeout(patience, connection.send_packed_command(command)).await {
            Ok(answer) => {
                let answer = answer.and_then(Value::extract_error);
                answer.map_err(|error| self.complain(Fault::of(&error)))
            }
            Err(_) => Err(self.complain(Fault::Late)),
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<MultiplexedConnection, Fault> {
        if matches!(*self.state.borrow(), State::New) {
            self.begin();
            let mut state = self.state.subscribe();
            let settled = state.wait_for(|state| !matches!(state, State::New));
            // The keeper says within that time how it went.
            let _ = timeout(self.target.connect_timeout(), settled).await;
        }
        match &*self.state.borrow() {
            State::Up { connection, .. } => Ok(connection.clone()),
            State::New | State::Away => Err(Fault::Away),
        }
    }

    fn begin(self: &Arc<Self>) {
        if !self.begun.swap(true, Ordering::AcqRel) {
            tokio::spawn(keep(Arc::downgrade(self), self.target.clone(), self.signs.clone()));
        }
    }

    /// Tells the keeper of a fault that the connection may be to blame for.
    fn complain(&self, fault: Fault) -> Fault {
        let leave = fault.is_of_place();
        if leave {
            self.signs.leave.store(true, Ordering::Release);
        }
        if leave || matches!(fault, Fault::Away | Fault::Late) {
            // Nobody else is to wait in vain meanwhile.
            self.set_away();
            self.signs.wake.notify_one();
        }
        fault
    }

    fn set_up(&self, connection: MultiplexedConnection) {
        self.state.send_replace(State::Up { connection, _counted: self.up.hold() });
    }

    fn set_away(&self) {
        self.state.send_replace(State::Away);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.signs.wake.notify_one();
    }
}

/// A call's place among those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, Fault> {
        let place = Self(count);
        match count.fetch_add(1, Ordering::Relaxed) < WAITING {
            true => Ok(place),
            false => Err(Fault::Busy),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps a line until nobody holds it.
async fn keep(line: Weak<Line>, target: Arc<Target>, signs: Arc<Signs>) {
    let store = target.shown();
    let (mut failures, mut was_told) = (0, false);
    loop {
        let outcome = target.connect().await;
        let Some(held) = line.upgrade() else { return };
        match outcome {
            Ok((connection, driver)) => {
                tracing::info!(store, "connected to the store");
                (failures, was_told) = (0, false);
                signs.leave.store(false, Ordering::Release);
                held.set_up(connection.clone());
                drop(held);
                let lost =
                    attend(&line, connection, driver, &signs, target.connect_timeout()).await;
                let Some(held) = line.upgrade() else { return };
                held.set_away();
                tracing::warn!(store, problem = lost, "the connection to the store is lost");
            }
            Err(problem) => {
                held.set_away();
                if !was_told {
                    tracing::warn!(store, problem, "the store can't be reached; trying on");
                }
                was_told = true;
            }
        }
        sleep(pause(failures)).await;
        failures = failures.saturating_add(1);
    }
}

/// Runs a connection until it is lost; says why it is.
async fn attend(
    line: &Weak<Line>,
    mut connection: MultiplexedConnection,
    mut driver: BoxFuture<'static, ()>,
    signs: &Signs,
    patience: Duration,
) -> &'static str {
    let mut idle = interval_at(Instant::now() + IDLE, IDLE);
    loop {
        let called = tokio::select! {
            () = &mut driver => return "it was closed",
            () = signs.wake.notified() => true,
            _ = idle.tick() => false,
        };
        if line.strong_count() == 0 {
            return "nobody needs it";
        }
        if called && signs.leave.swap(false, Ordering::AcqRel) {
            return "another store may do what this one won't";
        }
        let ping = cmd("PING");
        let answer = tokio::select! {
            () = &mut driver => return "it was closed",
            answer = timeout(patience, connection.send_packed_command(&ping)) => answer,
        };
        match answer {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return "it broke",
            Err(_) => return "it does not answer",
        }
        if let Some(line) = line.upgrade().filter(|_| called) {
            line.set_up(connection.clone());
        }
    }
}

/// How long to wait after so many failures: twice as long each time, and never as long as others do.
fn pause(failures: u32) -> Duration {
    let (shortest, longest) = PAUSES;
    let pause = shortest.saturating_mul(1 << failures.min(10)).min(longest);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
