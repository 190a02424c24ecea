//! When the next call is due: at once, or at a fixed rate that doesn't wait for slow answers, so
//! that what a slow gateway holds up counts as its latency.
//!
//! The rate comes from a thread that sleeps, since the runtime's timers have milliseconds only.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Whose turn it is.
#[derive(Clone)]
pub(crate) enum Turns {
    /// Whoever asks.
    AtOnce,
    /// Whoever waits longest, at fixed times.
    Due(Rc<Schedule>),
}

/// Times, one a period.
pub(crate) struct Schedule {
    start: Instant,
    period: Duration,
    /// How many times have come that nobody took.
    come: Arc<Semaphore>,
    /// How many were taken.
    taken: Cell<u32>,
}

impl Turns {
    /// So many turns a second.
    pub(crate) fn at(rate: Option<f64>) -> Self {
        let Some(rate) = rate else { return Self::AtOnce };
        let (start, period) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
        let come = Arc::new(Semaphore::new(0));
        let ticks = come.clone();
        // Ends with the process.
        thread::spawn(move || {
            for number in 0.. {
                let due = start + period * number;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                ticks.add_permits(1);
            }
        });
        Self::Due(Rc::new(Schedule { start, period, come, taken: Cell::new(0) }))
    }

    /// Waits for the next turn; gives the time at which it was due.
    pub(crate) async fn next(&self) -> Instant {
        let Self::Due(schedule) = self else { return Instant::now() };
        schedule.come.acquire().await.unwrap().forget();
        let number = schedule.taken.get();
        schedule.taken.set(number + 1);
        schedule.start + schedule.period * number
    }
}
