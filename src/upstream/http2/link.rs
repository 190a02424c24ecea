//! The one task that reads and writes a connection's socket.
//!
//! A turn reads what is there, then writes what is to leave: so what calls said since the last turn
//! and what answers the peer leaves in one write. A turn is bounded, and a peer that always has more
//! to say lets others have theirs.

use std::{
    fmt, io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    fault::{Broken, ErrorCode, Lost},
    receive::Receiver,
    state::{Shared, State},
};

/// How much is read at once.
const READ: usize = 64 << 10;

/// Less room than this is not worth a system call.
const ROOM: usize = 16 << 10;

/// How many reads a turn has.
const READS: usize = 4;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides had nothing more to say.
    Closed,
    /// The socket ended or failed: how.
    Lost(Arc<str>),
    /// The peer broke a rule: the code it was told, and what it sent.
    Broken(ErrorCode, &'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Closed => f.write_str("closed"),
            End::Lost(how) => f.write_str(how),
            End::Broken(code, what) => write!(f, "{code}: the peer sent {what}"),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Lost(error.to_string().into())
    }
}

/// The side of a connection that its task drives.
pub struct Link<S> {
    socket: S,
    shared: Arc<Shared>,
    receiver: Receiver,
    buffer: BytesMut,
    /// Whom to wake at the end of a step; empty in between.
    wakes: Vec<Waker>,
    is_greeted: bool,
    is_open: bool,
    max_streams: usize,
    /// Goodbye has been said.
    is_leaving: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(super) fn new(socket: S, shared: Arc<Shared>) -> Self {
        Self {
            socket,
            shared,
            receiver: Receiver::new(),
            buffer: BytesMut::new(),
            wakes: Vec::new(),
            is_greeted: false,
            is_open: true,
            max_streams: usize::MAX,
            is_leaving: false,
        }
    }

    /// Whether the peer has spoken HTTP/2, as of the last turn.
    pub fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// Whether another call may be made, as of the last turn.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// How many calls the peer allows at a time, as of the last turn.
    pub fn max_streams(&self) -> usize {
        self.max_streams
    }

    /// Sends a PING, in the next turn.
    pub fn ping(&self) {
        self.shared.lock().ping();
    }

    /// Whether the last PING has no answer yet.
    pub fn awaits_pong(&self) -> bool {
        self.shared.lock().awaits_pong
    }

    /// A turn; ready when the connection is over, and all of its calls are.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let turn = match self.is_leaving {
            true => self.poll_leave(cx),
            false => self.poll_turn(cx),
        };
        let end = match ready!(turn) {
            Ok(()) => End::Closed,
            Err(end) => end,
        };
        self.give_up(&end, cx);
        Poll::Ready(end)
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.shared.lock().attend(cx.waker());
        self.read(cx)?;
        let mut state = self.shared.lock();
        let written = state.poll_write(&mut self.socket, cx);
        state.wake_writers(&mut self.wakes);
        self.is_greeted = state.is_greeted;
        self.is_open = state.is_open();
        self.max_streams = state.max_streams();
        let is_done = state.is_done();
        drop(state);
        self.wake();
        if let Poll::Ready(Err(error)) = written {
            // What the peer said before it stopped listening still counts: a GOAWAY, the last replies.
            self.read(cx)?;
            return Poll::Ready(Err(error.into()));
        }
        if !is_done {
            return Poll::Pending;
        }
        self.is_leaving = true;
        self.shared.lock().say_goodbye(ErrorCode::NO_ERROR, "");
        self.poll_leave(cx)
    }

    /// Reads and takes what is there, up to a turn's bound.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..READS {
            if self.buffer.capacity() - self.buffer.len() < ROOM {
                self.buffer.reserve(READ);
            }
            let read = pin!(self.socket.read_buf(&mut self.buffer)).poll(cx);
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                Poll::Ready(Ok(_)) => self.take()?,
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn take(&mut self) -> Result<(), End> {
        let taken = {
            let state: &mut State = &mut self.shared.lock();
            self.receiver.take(&mut self.buffer, state, &mut self.wakes)
        };
        self.wake();
        taken.map_err(|Broken { code, what }| End::Broken(code, what))
    }

    fn wake(&mut self) {
        self.wakes.drain(..).for_each(Waker::wake);
    }

    /// Writes what is left, and closes.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        ready!(self.shared.lock().poll_write(&mut self.socket, cx))?;
        let closed = ready!(pin!(self.socket.shutdown()).poll(cx));
        Poll::Ready(closed.map_err(End::from))
    }

    /// Tells all calls that there is no connection any more, and the peer why if it is to blame.
    fn give_up(&mut self, end: &End, cx: &mut Context<'_>) {
        let mut state = self.shared.lock();
        match end {
            End::Closed => state.end(&Lost::Gone("closed".into()), &mut self.wakes),
            End::Lost(how) => state.end(&Lost::Gone(how.clone()), &mut self.wakes),
            End::Broken(code, what) => {
                state.break_off(Broken::new(*code, what), &mut self.wakes);
                let _ = state.poll_write(&mut self.socket, cx);
            }
        }
        drop(state);
        self.wake();
    }
}

/// A task that is dropped, because its runtime goes down, leaves nobody waiting.
impl<S> Drop for Link<S> {
    fn drop(&mut self) {
        let mut wakes = std::mem::take(&mut self.wakes);
        let mut state = self.shared.lock();
        if !state.is_over() {
            state.end(&Lost::Gone("the connection was dropped".into()), &mut wakes);
        }
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
    }
}
