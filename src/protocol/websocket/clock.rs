//! When a session is pinged, given up, or closed because nobody says anything.
//!
//! ```text
//! silence of the caller    ── ping ──► a ping    ── ping ──► gone, unless it has answered
//! silence of both sides    ── idle ──► closed
//! ```
//!
//! A caller that we don't read, because the backend takes nothing, can't be heard; one that doesn't
//! read us hasn't got the ping. Neither is gone for that, but both are pinged all the same, since a
//! write tells of a connection that is no more.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::Settings;

/// How far away "never" is.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a clock tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The caller is to be pinged.
    Ping,
    /// The caller has not answered: it is gone.
    Silent,
    /// Nobody has said anything for too long.
    Idle,
}

/// A session's clock.
pub(super) struct Clock {
    ping: Option<Duration>,
    idle: Option<Duration>,
    /// The last sign of life from the caller.
    heard: Instant,
    /// The last message in either direction.
    moved: Instant,
    /// When the ping went out that is not answered yet.
    asked: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let (ping, idle) = (settings.ping.0, settings.idle.0);
        let timer = Box::pin(sleep_until(now));
        Self { ping, idle, heard: now, moved: now, asked: None, timer }
    }

    /// The caller has given a sign of life.
    pub(super) fn note_sign(&mut self) {
        self.heard = Instant::now();
        self.asked = None;
    }

    /// A message has come or gone.
    pub(super) fn note_message(&mut self) {
        self.moved = Instant::now();
    }

    /// Waits for the next alarm. `hears` says whether the caller could make itself heard.
    pub(super) fn poll_alarm(&mut self, cx: &mut Context<'_>, hears: bool) -> Poll<Alarm> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let alarm = self.look(now, hears);
            let next = self.next(now);
            self.timer.as_mut().reset(next);
            if let Some(alarm) = alarm {
                // The timer has to be polled again, or it wakes nobody.
                cx.waker().wake_by_ref();
                return Poll::Ready(alarm);
            }
        }
    }

    fn look(&mut self, now: Instant, hears: bool) -> Option<Alarm> {
        if self.idle.is_some_and(|idle| now >= self.moved + idle) {
            return Some(Alarm::Idle);
        }
        let ping = self.ping?;
        match self.asked {
            Some(asked) if now >= asked + ping && hears => Some(Alarm::Silent),
            Some(asked) if now < asked + ping => None,
            None if now < self.heard + ping => None,
            _ => {
                self.asked = Some(now);
                Some(Alarm::Ping)
            }
        }
    }

    fn next(&self, now: Instant) -> Instant {
        let ping = self.ping.map(|ping| self.asked.unwrap_or(self.heard) + ping);
        let idle = self.idle.map(|idle| self.moved + idle);
        ping.into_iter().chain(idle).min().unwrap_or(now + NEVER)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::{super::settings::Limit, *};

    const PING: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(300);

    fn clock(ping: Option<Duration>, idle: Option<Duration>) -> Clock {
        Clock::new(&Settings { ping: Limit(ping), idle: Limit(idle), ..Settings::default() })
    }

    async fn next(clock: &mut Clock, hears: bool) -> (Alarm, Duration) {
        let begin = Instant::now();
        let alarm = poll_fn(|cx| clock.poll_alarm(cx, hears)).await;
        // The timer's ticks are milliseconds.
        (alarm, Duration::from_secs(begin.elapsed().as_secs()))
    }

    #[tokio::test(start_paused = true)]
    async fn silent_caller_is_pinged_and_then_gone() {
        let mut clock = clock(Some(PING), Some(IDLE));
        assert_eq!(next(&mut clock, true).await, (Alarm::Ping, PING));
        assert_eq!(next(&mut clock, true).await, (Alarm::Silent, PING));
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_answers_pings_stays_until_the_idle_limit() {
        let mut clock = clock(Some(PING), Some(IDLE));
        for _ in 0..9 {
            assert_eq!(next(&mut clock, true).await, (Alarm::Ping, PING));
            clock.note_sign();
        }
        assert_eq!(next(&mut clock, true).await, (Alarm::Idle, PING));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_put_the_idle_limit_off() {
        let mut clock = clock(None, Some(IDLE));
        tokio::time::advance(IDLE / 2).await;
        clock.note_message();
        assert_eq!(next(&mut clock, true).await, (Alarm::Idle, IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_can_not_be_heard_is_pinged_and_never_gone() {
        let mut clock = clock(Some(PING), None);
        for _ in 0..5 {
            assert_eq!(next(&mut clock, false).await, (Alarm::Ping, PING));
        }
        clock.note_sign();
        assert_eq!(next(&mut clock, true).await, (Alarm::Ping, PING));
    }

    #[tokio::test(start_paused = true)]
    async fn clock_without_limits_never_rings() {
        let mut clock = clock(None, None);
        let rung = tokio::time::timeout(NEVER / 2, next(&mut clock, true)).await;
        assert!(rung.is_err());
    }
}
