//! The request side of a call whose caller streams: messages go out while the reply comes in.
//!
//! It is a task of its own, because the two directions must not wait for each other: a caller
//! may stop reading before it has said all, and a backend may answer before it has heard all.
//! It ends with the call.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{sync::oneshot, task::JoinHandle};

use super::http2::RequestSide;
use crate::{
    error::Error,
    exchange::{Messages, Packed},
    frame::{COMPRESSED, Framed, MESSAGE},
};

/// A pump at work; dropping it stops it.
pub(super) struct Pump {
    task: JoinHandle<()>,
    failure: Option<oneshot::Receiver<Error>>,
}

impl Pump {
    /// Sends all messages, as fast as the backend takes them, and then ends the stream. Messages
    /// leave packed as they came only if `packed`.
    pub(super) fn start(messages: Messages, stream: RequestSide, packed: bool) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self { task: tokio::spawn(run(messages, stream, packed, sender)), failure: Some(receiver) }
    }

    /// The error that the request's messages ended with, if they did.
    pub(super) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Option<Error> {
        let outcome = Pin::new(self.failure.as_mut()?).poll(cx);
        match outcome {
            Poll::Pending => None,
            Poll::Ready(outcome) => {
                self.failure = None;
                outcome.ok()
            }
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    mut messages: Messages,
    mut stream: RequestSide,
    packed: bool,
    failure: oneshot::Sender<Error>,
) {
    // A stream that the backend ended or reset has no room any more; the reply tells why.
    while poll_fn(|cx| stream.poll_room(cx)).await {
        let next = match packed {
            true => messages.next_packed().await,
            false => messages.next().await.map(|message| message.map(Packed::plain)),
        };
        let frame = match next {
            None => {
                stream.finish();
                return;
            }
            Some(message) => message.and_then(frame),
        };
        match frame {
            Ok(frame) => stream.send(frame),
            Err(error) => {
                // The error is there before the stream, which ends with this, wakes the reply.
                let _ = failure.send(error);
                return;
            }
        }
    }
}

/// A message as it leaves.
///
/// # Errors
/// Four octets can't tell its length.
pub(super) fn frame(message: Packed) -> Result<Framed, Error> {
    let flag = if message.coding.is_some() { COMPRESSED } else { MESSAGE };
    Framed::flagged(flag, message.bytes).ok_or_else(too_large)
}

/// The error of a message whose length four octets can't tell.
fn too_large() -> Error {
    Error::too_large("a gRPC message can't be larger than 4 GiB")
}
