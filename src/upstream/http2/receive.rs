//! What a read brought, taken apart into frames (RFC 9113 §4, §5.5, §6).
//!
//! All that is in the buffer is taken in one go. DATA is passed on as it comes, whole frames or not;
//! and DATA frames of one stream that stand one behind another are moved together first, so that
//! a stream of small messages costs one look at its stream, and its reader one piece:
//!
//! ```text
//! read:    │ DATA 1 │ message │ DATA 1 │ message │ DATA 1 │ mess…
//! joined:           │ message message mess…
//! ```

use std::task::Waker;

use bytes::{Buf, BytesMut};

use super::{
    MAX_FRAME, MAX_HEADERS,
    block::{self, Block},
    fault::Broken,
    frame::{FrameHead, HEAD, flag, kind},
    hpack::Decoder,
    state::State,
};

/// Reads the frames of one connection.
#[derive(Debug)]
pub(super) struct Receiver {
    decoder: Decoder,
    block: Option<Block>,
    at: At,
}

/// Where in the stream of octets the next one stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Before a frame.
    Frame,
    /// In a DATA frame.
    Data(Data),
    /// Before octets that nobody wants.
    Skip(usize),
}

/// What is left of a DATA frame.
#[derive(Clone, Copy, Debug)]
struct Data {
    stream: u32,
    left: usize,
    padding: usize,
    is_end: bool,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self { decoder: Decoder::new(MAX_HEADERS), block: None, at: At::Frame }
    }

    /// Takes all that can be taken; what is left is the beginning of a frame.
    ///
    /// # Errors
    /// The peer broke a rule that costs it the connection. The receiver is of no use then.
    pub(super) fn take(
        &mut self,
        buffer: &mut BytesMut,
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        loop {
            let goes_on = match self.at {
                At::Frame => self.take_frame(buffer, state, wakes)?,
                At::Data(data) => self.take_data(data, buffer, state, wakes),
                At::Skip(count) => {
                    let skipped = count.min(buffer.len());
                    buffer.advance(skipped);
                    self.at = if skipped == count { At::Frame } else { At::Skip(count - skipped) };
                    skipped == count
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Takes a frame, or the beginning of one with DATA; `false` if more has to be read.
    fn take_frame(
        &mut self,
        buffer: &mut BytesMut,
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<bool, Broken> {
        let Some(head) = FrameHead::read(buffer) else { return Ok(false) };
        if head.length > MAX_FRAME {
            return Err(Broken::size("a frame larger than allowed"));
        }
        if !state.is_greeted && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Broken::protocol("something else before its SETTINGS"));
        }
        if let Some(block) = &self.block {
            block.expects(head)?;
        }
        match head.kind {
            kind::DATA if head.has(flag::PADDED) => {
                return self.begin_padded(head, buffer, state, wakes);
            }
            kind::DATA => {
                self.take_run(head, buffer, state, wakes)?;
                return Ok(true);
            }
            kind::HEADERS..=kind::CONTINUATION => {}
            _ => {
                // §5.5: what nobody knows is ignored.
                buffer.advance(HEAD);
                self.at = At::Skip(head.length);
                return Ok(true);
            }
        }
        let whole = HEAD + head.length;
        if buffer.len() < whole {
            buffer.reserve(whole - buffer.len());
            return Ok(false);
        }
        self.take_whole(head, &buffer[HEAD..whole], state, wakes)?;
        buffer.advance(whole);
        Ok(true)
    }

    /// Takes a frame that is here as a whole.
    fn take_whole(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let id = head.stream;
        match head.kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY if id != 0 => {
                Err(Broken::protocol("a frame on a stream that belongs to the connection"))
            }
            kind::SETTINGS => state.take_settings(head.flags, payload),
            kind::PING => state.take_ping(head.flags, payload),
            kind::GOAWAY => state.take_goaway(payload, wakes),
            kind::WINDOW_UPDATE => state.take_window_update(id, payload, wakes),
            _ if id == 0 => Err(Broken::protocol("a frame on no stream that belongs to one")),
            kind::HEADERS => {
                let fragment = block::fragment(head, payload)?;
                if !head.has(flag::END_HEADERS) {
                    self.block = Some(Block::begin(head, fragment));
                    return Ok(());
                }
                let fields = self.decoder.decode(fragment)?;
                state.take_fields(id, fields, head.has(flag::END_STREAM), wakes)
            }
            kind::CONTINUATION => self.go_on(head, payload, state, wakes),
            kind::RST_STREAM => state.take_reset(id, payload, wakes),
            kind::PRIORITY => state.take_priority(id, payload, wakes),
            kind::PUSH_PROMISE => {
                Err(Broken::protocol("a PUSH_PROMISE, though it was told not to"))
            }
            // DATA and what nobody knows have ways of their own.
            _ => Ok(()),
        }
    }

    /// CONTINUATION (§6.10).
    fn go_on(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        const ALONE: Broken = Broken::protocol("a CONTINUATION of nothing");
        let block = self.block.as_mut().ok_or(ALONE)?;
        block.go_on(payload)?;
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(block) = self.block.take() else { return Err(ALONE) };
        let fields = self.decoder.decode(&block.octets)?;
        state.take_fields(block.stream, fields, block.ends, wakes)
    }

    /// DATA without padding, and those right behind it on the same stream.
    fn take_run(
        &mut self,
        head: FrameHead,
        buffer: &mut BytesMut,
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let run = join(head, buffer);
        state.begin_data(head.stream, run.charged, 0, wakes)?;
        buffer.advance(HEAD);
        state.take_data(head.stream, buffer, run.joined, wakes);
        buffer.advance(run.gap);
        let Run { left, is_end, .. } = run;
        self.at = At::Data(Data { stream: head.stream, left, padding: 0, is_end });
        Ok(())
    }

    /// DATA with padding, whose first octet tells how much (§6.1).
    fn begin_padded(
        &mut self,
        head: FrameHead,
        buffer: &mut BytesMut,
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> Result<bool, Broken> {
        const WRONG: Broken = Broken::protocol("DATA with more padding than there is room for");
        let room = head.length.checked_sub(1).ok_or(WRONG)?;
        let Some(padding) = buffer.get(HEAD).map(|octet| usize::from(*octet)) else {
            return Ok(false);
        };
        let left = room.checked_sub(padding).ok_or(WRONG)?;
        state.begin_data(head.stream, head.length, padding + 1, wakes)?;
        buffer.advance(HEAD + 1);
        let is_end = head.has(flag::END_STREAM);
        self.at = At::Data(Data { stream: head.stream, left, padding, is_end });
        Ok(true)
    }

    /// Goes on with a DATA frame; `false` if more has to be read.
    fn take_data(
        &mut self,
        data: Data,
        buffer: &mut BytesMut,
        state: &mut State,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        let count = data.left.min(buffer.len());
        if count > 0 {
            state.take_data(data.stream, buffer, count, wakes);
        }
        let left = data.left - count;
        if left > 0 {
            self.at = At::Data(Data { left, ..data });
            return false;
        }
        if data.is_end {
            state.end_data(data.stream, wakes);
        }
        self.at = At::Skip(data.padding);
        true
    }
}

/// DATA frames of one stream whose payloads have been moved together, behind the first one's head.
struct Run {
    /// How long they are together, as far as they are here.
    joined: usize,
    /// How many octets behind them are of no use any more.
    gap: usize,
    /// What they count towards the windows.
    charged: usize,
    /// What is not here yet of the last one.
    left: usize,
    is_end: bool,
}

fn join(head: FrameHead, octets: &mut [u8]) -> Run {
    let mut filled = octets.len().min(HEAD + head.length);
    let mut read = filled;
    let mut left = HEAD + head.length - filled;
    let (mut charged, mut is_end) = (head.length, head.has(flag::END_STREAM));
    while left == 0
        && !is_end
        && let Some(next) = FrameHead::read(&octets[read..])
        && (next.kind, next.stream) == (kind::DATA, head.stream)
        && !next.has(flag::PADDED)
        && next.length <= MAX_FRAME
    {
        let begin = read + HEAD;
        read = octets.len().min(begin + next.length);
        octets.copy_within(begin..read, filled);
        filled += read - begin;
        left = begin + next.length - read;
        charged += next.length;
        is_end = next.has(flag::END_STREAM);
    }
    Run { joined: filled - HEAD, gap: read - filled, charged, left, is_end }
}
