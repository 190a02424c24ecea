//! The state of a connection: its streams, what is to leave, and how it stands with the peer.
//!
//! What arrives is in `arriving`, what is sent in `sending`; here is what begins and ends.

mod arriving;
mod sending;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use http::HeaderMap;

use super::{
    CONNECTION_WINDOW,
    fault::{Broken, ErrorCode, Lost},
    frame::{self, kind},
    hpack::Encoder,
    outbox::Outbox,
    settings::{self, Settings},
    stream::{Phase, Stream},
    window::{Inward, Outward, USUAL},
};

/// The last stream that a connection can have (RFC 9113 §5.1.1).
const LAST: u32 = (1 << 31) - 1;

/// What our PINGs hold.
const PING: [u8; 8] = *b"transom?";

/// What a connection and all its calls share.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::new())))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in between would be a fault of ours; the connection's other calls go on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    /// Streams that somebody holds, by id.
    streams: HashMap<u32, Stream, FixedState>,
    next: u32,
    pub(super) outbox: Outbox,
    encoder: Encoder,
    settings: Settings,
    /// Whether the peer has sent its settings.
    pub(super) is_greeted: bool,
    inward: Inward,
    outward: Outward,
    /// Streams that have something to send and may, in turn.
    line: VecDeque<u32>,
    /// Streams whose writer waits for room.
    writers: Vec<u32>,
    /// The peer takes no more calls, and why.
    going_away: Option<ErrorCode>,
    /// We make no more calls.
    is_left: bool,
    /// How the connection ended.
    over: Option<Arc<str>>,
    /// Frames that answer the peer's and have not left.
    pub(super) answers: usize,
    /// A PING of ours that has no answer.
    pub(super) awaits_pong: bool,
    driver: Option<Waker>,
    /// Whether the driver knows that there is something to do.
    is_notified: bool,
}

impl State {
    fn new() -> Self {
        let mut outbox = Outbox::default();
        settings::write_start(outbox.buffer());
        Self {
            streams: HashMap::default(),
            next: 1,
            outbox,
            encoder: Encoder::new(),
            settings: Settings::default(),
            is_greeted: false,
            inward: Inward::new(CONNECTION_WINDOW, CONNECTION_WINDOW / 16),
            outward: Outward::new(USUAL),
            line: VecDeque::new(),
            writers: Vec::new(),
            going_away: None,
            is_left: false,
            over: None,
            answers: 0,
            awaits_pong: false,
            driver: None,
            is_notified: false,
        }
    }

    /// The driver is at work: what happens before its end needs no wake-up.
    pub(super) fn attend(&mut self, waker: &Waker) {
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(waker)) {
            self.driver = Some(waker.clone());
        }
        self.is_notified = false;
    }

    /// Tells the driver that there is something to write.
    fn notify(&mut self) {
        if !std::mem::replace(&mut self.is_notified, true)
            && let Some(driver) = &self.driver
        {
            driver.wake_by_ref();
        }
    }

    /// Whether another call may be made.
    pub(super) fn is_open(&self) -> bool {
        self.over.is_none() && self.going_away.is_none() && !self.is_left && self.next <= LAST
    }

    /// Whether nothing happens on the connection any more, and nothing will.
    pub(super) fn is_done(&self) -> bool {
        self.streams.is_empty() && (self.is_left || self.going_away.is_some() || self.next > LAST)
    }

    /// Whether the connection has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// How many calls there may be at a time, as far as the peer minds.
    pub(super) fn max_streams(&self) -> usize {
        self.settings.max_streams.map_or(usize::MAX, |limit| limit as usize)
    }

    /// Makes no more calls; the connection ends when the last one has.
    pub(super) fn leave(&mut self) {
        self.is_left = true;
        self.notify();
    }

    /// Asks the peer whether it is there.
    pub(super) fn ping(&mut self) {
        self.awaits_pong = true;
        frame::write(self.outbox.buffer(), kind::PING, 0, 0, &PING);
        self.notify();
    }

    /// Says goodbye.
    pub(super) fn say_goodbye(&mut self, code: ErrorCode, why: &str) {
        frame::write_goaway(self.outbox.buffer(), code, why);
    }

    /// A stream, if it is there.
    pub(super) fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.get_mut(&id)
    }

    /// Ends a stream of ours before its time; what is left of it comes as lost.
    pub(super) fn cancel(&mut self, id: u32, wakes: &mut Vec<Waker>) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.is_live()) else {
            return;
        };
        stream.lose(Lost::Cancelled, wakes);
        frame::write_reset(self.outbox.buffer(), id, ErrorCode::CANCEL);
        self.notify();
    }

    /// Forgets a stream, whose reader took so much and leaves so much; ends it if it lives.
    pub(super) fn forget(&mut self, id: u32, taken: usize) {
        let Some(stream) = self.streams.remove(&id) else { return };
        self.give_back(taken + stream.pieces.len());
        if stream.is_live() && self.over.is_none() {
            frame::write_reset(self.outbox.buffer(), id, ErrorCode::CANCEL);
            self.notify();
        }
        if self.is_done() {
            self.notify();
        }
    }

    /// A reader took so much of a stream.
    pub(super) fn take_note(&mut self, id: u32, taken: usize) {
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some(increment) = stream.inward.give_back(taken)
            && stream.phase != Phase::Nothing
        {
            frame::write_window_update(self.outbox.buffer(), id, increment);
            self.notify();
        }
        self.give_back(taken);
    }

    /// Gives what came for whatever stream back to the connection's window.
    fn give_back(&mut self, count: usize) {
        if let Some(increment) = self.inward.give_back(count) {
            frame::write_window_update(self.outbox.buffer(), 0, increment);
            self.notify();
        }
    }

    /// A rule was broken that costs the peer the connection.
    pub(super) fn break_off(&mut self, broken: Broken, wakes: &mut Vec<Waker>) {
        self.end(&Lost::Broken(broken.code, broken.what), wakes);
        self.say_goodbye(broken.code, broken.what);
    }

    /// The connection ended; so do all its calls.
    pub(super) fn end(&mut self, lost: &Lost, wakes: &mut Vec<Waker>) {
        let how: Arc<str> = lost.to_string().into();
        let left = self.outbox.left();
        for stream in self.streams.values_mut() {
            let unsent = stream.begins >= left;
            stream.lose(if unsent { Lost::Unsent(how.clone()) } else { lost.clone() }, wakes);
        }
        self.over = Some(how);
    }
}

/// The head of a request. All are POST.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Whether `:scheme` is `https`.
    pub is_secure: bool,
    /// `:authority`: host and port.
    pub authority: &'a str,
    /// `:path`.
    pub path: &'a str,
    /// All other fields. Sensitive values are kept out of compression tables.
    pub headers: &'a HeaderMap,
}
