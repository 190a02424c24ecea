//! One stream, as its connection knows it: how far both directions are, and what waits in each.

use std::{collections::VecDeque, task::Waker};

use http::{HeaderName, HeaderValue, StatusCode};

use super::{
    STREAM_WINDOW,
    fault::Lost,
    pieces::Pieces,
    window::{Inward, Outward},
};
use crate::frame::Framed;

/// Header fields in the order in which they came.
pub type FieldList = Vec<(HeaderName, HeaderValue)>;

/// The head of a reply.
#[derive(Debug)]
pub struct ReplyHead {
    /// `:status`.
    pub status: StatusCode,
    /// The other fields.
    pub fields: FieldList,
    /// Whether the reply ended with it.
    pub is_end: bool,
}

/// What of a reply comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Head,
    Body,
    Nothing,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) phase: Phase,
    pub(super) head: Option<ReplyHead>,
    pub(super) pieces: Pieces,
    pub(super) trailers: Option<FieldList>,
    /// Why there is no more, if that was not the reply's end.
    pub(super) lost: Option<Lost>,
    pub(super) inward: Inward,
    /// Who waits for any of these.
    pub(super) reader: Option<Waker>,

    pub(super) outward: Outward,
    /// What the windows or the socket had no room for.
    pub(super) queue: VecDeque<Framed>,
    /// Whether the request ends behind the queue.
    pub(super) is_finished: bool,
    /// Whether END_STREAM has been written.
    pub(super) is_sent: bool,
    /// Whether the stream is in line for the next room.
    pub(super) is_in_line: bool,
    /// Who waits for room.
    pub(super) writer: Option<Waker>,
    /// How many bytes the connection had been given to send before the call's first.
    pub(super) begins: u64,
}

impl Stream {
    pub(super) fn new(outward: Outward, begins: u64) -> Self {
        Self {
            phase: Phase::Head,
            head: None,
            pieces: Pieces::default(),
            trailers: None,
            lost: None,
            inward: Inward::new(STREAM_WINDOW, STREAM_WINDOW / 2),
            reader: None,
            outward,
            queue: VecDeque::new(),
            is_finished: false,
            is_sent: false,
            is_in_line: false,
            writer: None,
            begins,
        }
    }

    /// Whether anything may still come or leave, so that the peer has to be told to stop.
    pub(super) fn is_live(&self) -> bool {
        self.lost.is_none() && !(self.phase == Phase::Nothing && self.is_sent)
    }

    /// Ends the stream before its time, unless it has ended.
    pub(super) fn lose(&mut self, lost: Lost, wakes: &mut Vec<Waker>) {
        self.queue.clear();
        if self.lost.is_none() && self.phase != Phase::Nothing {
            self.lost = Some(lost);
        }
        self.phase = Phase::Nothing;
        self.is_finished = true;
        self.is_sent = true;
        self.wake_reader(wakes);
        wakes.extend(self.writer.take());
    }

    pub(super) fn wake_reader(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.reader.take());
    }
}
