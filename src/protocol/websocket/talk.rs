//! A session at work: both directions at once, in one task.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::upgrade::OnUpgrade;

use super::{
    clock::{Alarm, Clock},
    close::{End, Fault},
    door::Terms,
    inbox::Giver,
    line::{Heard, Line},
    request::Takes,
    tongue,
};
use crate::{
    exchange::Messages,
    protocol::{
        caller::Stay,
        codec::Codec,
        failure,
        session::{Ending, Outcome, Talk},
    },
};

/// How many turns both directions get before other tasks do.
const TURNS: usize = 8;

/// How many messages go out in a turn before the caller is heard again.
const MESSAGES: usize = 64;

/// A session whose handshake has been answered.
pub(super) struct Opened {
    pub(super) upgrade: OnUpgrade,
    pub(super) terms: Arc<Terms>,
    pub(super) codec: Codec,
    pub(super) takes: Takes,
    pub(super) inbox: Giver,
}

impl Talk for Opened {
    fn hold<'a>(self: Box<Self>, call: Outcome<'a>, stay: Stay) -> BoxFuture<'a, Ending> {
        Box::pin(async move {
            let Self { upgrade, terms, codec, takes, inbox } = *self;
            let Ok(upgraded) = upgrade.await else {
                let refusal = End::Left.refusal();
                return Ending { refusal, ..Ending::default() };
            };
            let line = Line::open(upgraded, terms.shape.limits.request_message).await;
            let mut conversation = Conversation {
                line,
                clock: Clock::new(&terms.settings),
                terms,
                codec,
                inbox,
                wants: Wants::of(takes),
                reply: Reply::Awaited(call),
                leave: stay.leave,
                deaf: false,
                ending: Ending::default(),
            };
            let end = poll_fn(|cx| conversation.poll(cx)).await;
            let ending = conversation.part(end).await;
            drop(stay.hold);
            ending
        })
    }
}

/// What is still wanted of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// Messages, until the half-close.
    Messages,
    /// One message, or the half-close.
    Message,
    /// Nothing: it has half-closed.
    Closed,
    /// Nothing: its one message has come.
    Complete,
    /// Nothing: path and query said all.
    Never,
}

impl Wants {
    fn of(takes: Takes) -> Self {
        match takes {
            Takes::Nothing => Self::Never,
            Takes::One => Self::Message,
            Takes::Many => Self::Messages,
        }
    }
}

/// What the call has come to.
enum Reply<'a> {
    Awaited(Outcome<'a>),
    Coming(Messages),
}

/// Both directions of a session.
struct Conversation<'a> {
    line: Line,
    clock: Clock,
    terms: Arc<Terms>,
    codec: Codec,
    inbox: Giver,
    wants: Wants,
    reply: Reply<'a>,
    leave: BoxFuture<'static, ()>,
    /// Whether the caller isn't heard, since the backend takes no more for now.
    deaf: bool,
    ending: Ending,
}

impl Conversation<'_> {
    /// Carries messages until the session's end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.leave.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Closed(Fault::Shutdown));
        }
        for _ in 0..TURNS {
            if let Poll::Ready(end) = self.poll_hear(cx) {
                return Poll::Ready(end);
            }
            match self.poll_say(cx) {
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                Poll::Ready(None) => {}
                Poll::Pending => return self.poll_clock(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hears the caller, as long as there is room for what it says.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let full = self.inbox.poll_room(cx).is_pending();
            if self.deaf && !full {
                // It may have answered long ago.
                self.clock.note_sign();
            }
            self.deaf = full;
            if full {
                return self.line.poll_gone(cx).map(|()| End::Left);
            }
            let heard = ready!(self.line.poll_hear(cx));
            self.clock.note_sign();
            let taken = match heard {
                Heard::Sign => Ok(()),
                Heard::Text(text) => self.take_text(text),
                Heard::Binary(bytes) => self.take_binary(bytes),
                Heard::End(end) => Err(end),
            };
            if let Err(end) = taken {
                return Poll::Ready(end);
            }
        }
    }

    fn take_text(&mut self, text: Bytes) -> Result<(), End> {
        if text.is_empty() {
            self.clock.note_message();
            self.half_close();
            return Ok(());
        }
        match self.codec {
            Codec::Json => self.take(text),
            Codec::Proto => {
                Err(End::Closed(Fault::Kind("in transom.proto a message is a binary frame")))
            }
        }
    }

    fn take_binary(&mut self, bytes: Bytes) -> Result<(), End> {
        match self.codec {
            Codec::Proto => self.take(bytes),
            Codec::Json => {
                Err(End::Closed(Fault::Kind("in transom.json a message is a text frame")))
            }
        }
    }

    fn half_close(&mut self) {
        if matches!(self.wants, Wants::Messages | Wants::Message) {
            self.wants = Wants::Closed;
            self.inbox.end();
        }
    }

    fn take(&mut self, message: Bytes) -> Result<(), End> {
        self.clock.note_message();
        self.ending.received += message.len() as u64;
        match self.wants {
            Wants::Messages => self.inbox.give(message),
            Wants::Message => {
                self.wants = Wants::Complete;
                self.inbox.give(message);
                self.inbox.end();
            }
            Wants::Never if tongue::is_empty(self.codec, &message) => {}
            Wants::Never => {
                return Err(End::unexpected(
                    "this route takes no message; its fields come from path and query",
                ));
            }
            Wants::Complete => {
                return Err(End::unexpected("this method takes one message; a second one came"));
            }
            Wants::Closed => {
                return Err(End::unexpected("a message came after the half-close"));
            }
        }
        Ok(())
    }

    /// Says what the backend says, as fast as the caller reads: `None` if there may be more at once.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        for _ in 0..MESSAGES {
            if let Err(end) = ready!(self.poll_room(cx)) {
                return Poll::Ready(Some(end));
            }
            let message = match self.poll_message(cx) {
                Poll::Ready(Ok(Some(message))) => message,
                Poll::Ready(Ok(None)) => return Poll::Ready(Some(End::Done)),
                Poll::Ready(Err(end)) => return Poll::Ready(Some(end)),
                Poll::Pending => {
                    return match ready!(self.line.poll_flush(cx)) {
                        Ok(()) => Poll::Pending,
                        Err(end) => Poll::Ready(Some(end)),
                    };
                }
            };
            self.clock.note_message();
            self.ending.sent += message.len() as u64;
            if let Err(end) = self.line.send(tongue::kind(self.codec), message) {
                return Poll::Ready(Some(end));
            }
        }
        Poll::Ready(None)
    }

    /// Waits until the caller has read enough; that it reads is a sign of life.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let was_blocked = self.line.is_blocked();
        let room = ready!(self.line.poll_room(cx));
        if was_blocked {
            self.clock.note_sign();
        }
        Poll::Ready(room)
    }

    /// The next message as it goes to the caller; `None` after the last one of a call that went
    /// well.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, End>> {
        loop {
            match &mut self.reply {
                Reply::Awaited(call) => {
                    let reply = ready!(call.as_mut().poll(cx)).map_err(End::Failed)?;
                    self.reply = Reply::Coming(reply.messages);
                }
                Reply::Coming(messages) => {
                    let message = ready!(messages.poll_message(cx)).transpose();
                    let message = message.and_then(|message| {
                        message.map(|one| self.terms.shape.write(self.codec, one)).transpose()
                    });
                    return Poll::Ready(message.map_err(End::Failed));
                }
            }
        }
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let hears = !self.deaf && !self.line.is_blocked();
        match ready!(self.clock.poll_alarm(cx, hears)) {
            Alarm::Idle => Poll::Ready(End::Closed(Fault::Idle)),
            Alarm::Silent => Poll::Ready(End::Left),
            Alarm::Ping => match self.line.ping() {
                Ok(()) => {
                    let _ = self.line.poll_flush(cx);
                    Poll::Pending
                }
                Err(end) => Poll::Ready(end),
            },
        }
    }

    /// Cancels the call if it still runs, and takes leave of the caller.
    async fn part(self, end: End) -> Ending {
        let Self { line, reply, inbox, terms, mut ending, .. } = self;
        drop((reply, inbox));
        ending.refusal = end.refusal();
        let status = match &end {
            End::Failed(error) => Some(failure::status_json(error, &terms.shape.plans).into()),
            _ => None,
        };
        line.part(status, end.frame()).await;
        ending
    }
}
