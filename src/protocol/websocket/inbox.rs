//! What the caller has said and the backend has not taken yet: a few messages, and no more.
//!
//! The session's task reads the socket, and the upstream's task takes messages when the backend has
//! room. Between them lies this queue. While it is full the socket is not read, so that a fast
//! caller is held back by TCP, or by its stream's window.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

/// More is read only while less than this is kept, in bytes.
const ROOM: usize = 16 << 10;

/// What a message counts for besides its bytes, so that empty ones don't pile up.
const OVERHEAD: usize = 64;

/// A queue: the end that messages are put in, and the end that they are taken from.
pub(super) fn inbox() -> (Giver, Taker) {
    let shared = Arc::new(Mutex::new(Queue::default()));
    (Giver(shared.clone()), Taker(shared))
}

/// Puts messages in; dropping it, or [`Giver::end`], ends the queue.
pub(super) struct Giver(Arc<Mutex<Queue>>);

/// Takes messages out; dropping it says that no more are wanted.
pub(super) struct Taker(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    /// What the messages count for.
    size: usize,
    ended: bool,
    unwanted: bool,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the waker of whoever waits.
fn note(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

impl Giver {
    /// Waits until there is room; there always is where messages are not wanted.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queue = lock(&self.0);
        if queue.size < ROOM || queue.unwanted {
            return Poll::Ready(());
        }
        note(&mut queue.giver, cx);
        Poll::Pending
    }

    /// Puts a message in; drops it where it isn't wanted.
    pub(super) fn give(&self, message: Bytes) {
        let mut queue = lock(&self.0);
        if !queue.unwanted {
            queue.size += message.len() + OVERHEAD;
            queue.messages.push_back(message);
            wake(queue, |queue| &mut queue.taker);
        }
    }

    /// Says that no more messages come.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.0);
        queue.ended = true;
        wake(queue, |queue| &mut queue.taker);
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        self.end();
    }
}

impl Taker {
    /// The next message; `None` after the last.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut queue = lock(&self.0);
        if let Some(message) = queue.messages.pop_front() {
            queue.size -= message.len() + OVERHEAD;
            wake(queue, |queue| &mut queue.giver);
            return Poll::Ready(Some(message));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        note(&mut queue.taker, cx);
        Poll::Pending
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.unwanted = true;
        queue.messages.clear();
        queue.size = 0;
        wake(queue, |queue| &mut queue.giver);
    }
}

/// Wakes who waits, once the lock is free.
fn wake(mut queue: MutexGuard<'_, Queue>, place: impl FnOnce(&mut Queue) -> &mut Option<Waker>) {
    let waker = place(&mut queue).take();
    drop(queue);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn messages_come_out_in_order_and_then_the_end() {
        let (giver, taker) = inbox();
        giver.give("a".into());
        giver.give(Bytes::new());
        drop(giver);
        assert_eq!(poll_fn(|cx| taker.poll_take(cx)).await.unwrap(), "a");
        assert_eq!(poll_fn(|cx| taker.poll_take(cx)).await.unwrap(), "");
        assert_eq!(poll_fn(|cx| taker.poll_take(cx)).await, None);
    }

    #[tokio::test]
    async fn full_queue_has_room_once_a_message_is_taken() {
        let (giver, taker) = inbox();
        giver.give(vec![0; ROOM].into());
        let waits = tokio::spawn(async move {
            poll_fn(|cx| giver.poll_room(cx)).await;
            giver
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        assert!(poll_fn(|cx| taker.poll_take(cx)).await.is_some());
        drop(waits.await.unwrap());
        assert_eq!(poll_fn(|cx| taker.poll_take(cx)).await, None);
    }

    #[tokio::test]
    async fn empty_messages_fill_it_too() {
        let (giver, _taker) = inbox();
        let mut count = 0;
        while poll_fn(|cx| Poll::Ready(giver.poll_room(cx).is_ready())).await {
            giver.give(Bytes::new());
            count += 1;
        }
        assert_eq!(count, ROOM / OVERHEAD);
    }

    #[tokio::test]
    async fn unwanted_messages_are_dropped_and_hold_nobody_back() {
        let (giver, taker) = inbox();
        giver.give(vec![0; ROOM].into());
        drop(taker);
        poll_fn(|cx| giver.poll_room(cx)).await;
        giver.give(vec![0; ROOM].into());
        poll_fn(|cx| giver.poll_room(cx)).await;
    }
}
