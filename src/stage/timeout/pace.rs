//! Keeps the pace of a call: until its answer begins, and from message to message.
//!
//! A stream is idle when nothing has moved in either direction: a subscription whose caller only
//! listens, or an upload whose backend only takes, is none.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::StatusCode;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::{
    error::{Code, Error, Origin},
    exchange::{Companion, Exchange, Messages, Reply},
    stage::Next,
};

/// How long the parts of a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    first: Option<Duration>,
    idle: Option<Duration>,
}

impl Pace {
    /// The pace, if there is one to keep.
    pub(super) fn of(first: Option<Duration>, idle: Option<Duration>) -> Option<Self> {
        (first.is_some() || idle.is_some()).then_some(Self { first, idle })
    }

    /// Runs the rest of the way at this pace.
    pub(super) async fn keep(self, mut exchange: Exchange, next: Next<'_>) -> Result<Reply, Error> {
        let moved = Moved(Arc::new(Mutex::new(Instant::now())));
        if let Some(idle) = self.idle {
            exchange.messages = moved.watch(exchange.messages, idle, caller_idle);
        }
        let call = next.call(exchange);
        let mut reply = match self.first {
            Some(first) => timeout(first, call).await.map_err(|_| not_begun(first))??,
            None => call.await?,
        };
        if let Some(idle) = self.idle {
            reply.messages = moved.watch(reply.messages, idle, stream_idle);
        }
        Ok(reply)
    }
}

fn not_begun(first: Duration) -> Error {
    let message = format!("the backend's answer did not begin within {first:?}");
    Error::new(Code::DeadlineExceeded, "first_timeout", message).with_origin(Origin::Upstream)
}

fn caller_idle(idle: Duration) -> Error {
    let message = format!("no message of the call came within {idle:?}");
    Error::new(Code::DeadlineExceeded, "request_idle", message)
        .with_origin(Origin::Downstream)
        .with_http(StatusCode::REQUEST_TIMEOUT)
}

fn stream_idle(idle: Duration) -> Error {
    let message = format!("no message came or went for {idle:?}");
    Error::new(Code::DeadlineExceeded, "stream_idle", message)
}

/// When a message of a call went by last.
#[derive(Clone)]
struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that end in `late` when nothing moves for so long. What is at hand takes no time.
    fn watch(&self, inner: Messages, idle: Duration, late: fn(Duration) -> Error) -> Messages {
        if inner.is_at_hand() {
            return inner;
        }
        self.note();
        inner.beside(Silence { idle, late, moved: self.clone(), timer: sleep(idle) })
    }
}

pin_project! {
    /// Ends messages that fall silent.
    struct Silence {
        idle: Duration,
        late: fn(Duration) -> Error,
        moved: Moved,
        #[pin]
        timer: Sleep,
    }
}

impl Companion for Silence {
    /// The timer is only set again when it has run out: messages may come by the thousand.
    fn poll_meanwhile(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let mut this = self.project();
        while this.timer.as_mut().poll(cx).is_ready() {
            let until = this.moved.last() + *this.idle;
            if until <= Instant::now() {
                return Poll::Ready((this.late)(*this.idle));
            }
            this.timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    fn note(self: Pin<&mut Self>) {
        self.moved.note();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::json;

    use crate::{
        error::Code,
        exchange::{Messages, Metadata, Reply},
        stage::testing::{Slow, Ticks, answers, build, chain, exchange, method},
    };
    use std::{sync::Arc, time::Duration};

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_does_not_begin_in_time_ends_the_call() {
        let settings = json!({ "whole": "none", "first": "2s" });
        for (after, ends) in [(1, false), (3, true)] {
            let stage = build("timeout", Some(settings.clone()), &method(true)).unwrap().unwrap();
            let finished = Arc::new(AtomicBool::new(false));
            let backend = Slow { after: seconds(after), finished: finished.clone() };
            let outcome = chain(stage, backend).call(exchange(Metadata::new(), None)).await;
            assert_eq!(outcome.is_err(), ends);
            assert_eq!(finished.load(Ordering::SeqCst), !ends);
            if let Err(error) = outcome {
                let (code, reason) = (error.code(), error.reason());
                assert_eq!((code, reason), (Code::DeadlineExceeded, "first_timeout"));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stream_that_falls_silent_ends_and_one_that_goes_on_does_not() {
        for (period, goes_on) in [(9, true), (11, false)] {
            let settings = Some(json!({ "idle": "10s" }));
            let stage = build("timeout", settings, &method(true)).unwrap().unwrap();
            let dropped = Arc::new(AtomicBool::new(false));
            let gone = dropped.clone();
            let backend = answers(move |_| {
                let ticks = Ticks::new(seconds(period), Some(5), gone.clone());
                Ok(Reply { metadata: Metadata::new(), messages: Messages::stream(ticks) })
            });
            let chain = chain(stage, backend);
            let mut reply = chain.call(exchange(Metadata::new(), None)).await.unwrap();
            match goes_on {
                true => {
                    for _ in 0..5 {
                        assert_eq!(reply.messages.next().await.unwrap().unwrap(), "tick");
                    }
                    assert!(reply.messages.next().await.is_none());
                    assert_eq!(reply.messages.take_trailers()["ticked"], "yes");
                }
                false => {
                    let error = reply.messages.next().await.unwrap().unwrap_err();
                    assert_eq!(error.reason(), "stream_idle");
                    assert!(dropped.load(Ordering::SeqCst), "the backend's stream is given up");
                    assert!(reply.messages.next().await.is_none());
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_falls_silent_ends_its_call_with_408() {
        let settings = Some(json!({ "whole": "none", "idle": "10s" }));
        let stage = build("timeout", settings, &method(true)).unwrap().unwrap();
        let mut call = exchange(Metadata::new(), None);
        let dropped = Arc::new(AtomicBool::new(false));
        call.messages = Messages::stream(Ticks::new(seconds(11), None, dropped));
        let (sender, receiver) = std::sync::mpsc::channel();
        let backend = answers(move |exchange| {
            sender.send(exchange.messages).unwrap();
            Ok(Reply { metadata: Metadata::new(), messages: Messages::none() })
        });
        chain(stage, backend).call(call).await.unwrap();
        let error = receiver.recv().unwrap().next().await.unwrap().unwrap_err();
        assert_eq!((error.reason(), error.http_status().as_u16()), ("request_idle", 408));
    }
}
