//! A request's body with its content codings undone, piece by piece and within bounds.
//!
//! ```text
//! content-encoding: gzip, br      what arrives ─ br ─► ─ gzip ─► what the method reads
//! ```
//!
//! A few bytes can claim to be gigabytes. A body that is one message unpacks to no more than a
//! message may have. A stream may be of any length, so it is bound to what has arrived for it: beyond
//! one message's worth no more than `RATIO` times as much, all in all and in each step. So memory
//! stays bounded whatever is sent, and a caller can't make a backend read what it didn't send.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;

use crate::{
    coding::{Coding, Unpacker},
    error::{Code, Error},
    protocol::{Upload, whole::over_limit},
};

/// How much more a stream may be than what came of it; gzip's own most.
const RATIO: usize = 1032;

/// How many packed bytes are unpacked at once.
const STEP: usize = 4 << 10;

/// How many unpacked bytes are given out at once.
const PIECE: usize = 64 << 10;

/// How many bytes are unpacked before others have their turn.
const TURN: usize = 1 << 20;

/// A request's body, unpacked.
pub struct Unpacked {
    upload: Upload,
    /// In the order in which they are undone; mostly there is none.
    layers: Vec<Layer>,
    /// Bytes unpacked since the last turn.
    worked: usize,
}

/// One coding that is undone.
struct Layer {
    coding: Coding,
    /// Gone at the end.
    unpacker: Option<Unpacker>,
    input: Bytes,
    output: Bytes,
    bound: Bound,
    /// Bytes that came in.
    taken: usize,
    /// Bytes that came out.
    given: usize,
}

/// How much may come out.
#[derive(Clone, Copy)]
pub enum Bound {
    /// One message of at most so many bytes.
    Message(usize),
    /// Messages of at most so many bytes each.
    Stream(usize),
}

impl Unpacked {
    /// Undoes codings, which are named in the order in which they were applied.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (413) for one message that says to be larger than its bound, and for a
    /// lack of memory, which the libraries report.
    pub fn new(upload: Upload, codings: &[Coding], bound: Bound) -> Result<Self, Error> {
        let layer = |(place, coding): (usize, &Coding)| {
            let (Bound::Message(limit) | Bound::Stream(limit)) = bound;
            // What comes out of all layers but the last is packed still.
            let bound = if place == 0 { bound } else { Bound::Stream(limit) };
            Layer::new(*coding, bound)
        };
        let layers = codings.iter().enumerate().map(layer).rev().collect::<Result<_, _>>()?;
        let unpacked = Self { upload, layers, worked: 0 };
        match bound {
            Bound::Message(limit) if unpacked.expected() > limit as u64 => Err(over_limit(limit)),
            _ => Ok(unpacked),
        }
    }

    /// Whether there is nothing.
    pub fn is_end_stream(&self) -> bool {
        self.upload.is_end_stream()
    }

    /// How many bytes will come at least, as far as the caller has told.
    pub fn expected(&self) -> u64 {
        if self.layers.is_empty() { self.upload.size_hint().lower() } else { 0 }
    }

    /// The next piece.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.layers.is_empty() {
            return self.upload.poll_data(cx);
        }
        if self.worked >= TURN {
            self.worked = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(pull(&mut self.layers, &mut self.upload, cx));
        if let Some(Ok(piece)) = &piece {
            self.worked += piece.len();
        }
        Poll::Ready(piece)
    }
}

/// The next piece that the last of the layers gives.
fn pull(
    layers: &mut [Layer],
    upload: &mut Upload,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Error>>> {
    let Some((layer, below)) = layers.split_last_mut() else { return upload.poll_data(cx) };
    loop {
        if !layer.output.is_empty() {
            let length = layer.output.len().min(PIECE);
            return Poll::Ready(Some(Ok(layer.output.split_to(length))));
        }
        let outcome = if layer.unpacker.is_none() {
            return Poll::Ready(None);
        } else if !layer.input.is_empty() {
            layer.step()
        } else {
            match ready!(pull(below, upload, cx)) {
                Some(Ok(data)) => {
                    layer.input = data;
                    Ok(())
                }
                Some(Err(error)) => Err(error),
                None => layer.finish(),
            }
        };
        if let Err(error) = outcome {
            layer.unpacker = None;
            return Poll::Ready(Some(Err(error)));
        }
    }
}

impl Layer {
    fn new(coding: Coding, bound: Bound) -> Result<Self, Error> {
        let unpacker = Some(Unpacker::new(coding, 0)?);
        let (input, output) = (Bytes::new(), Bytes::new());
        Ok(Self { coding, unpacker, input, output, bound, taken: 0, given: 0 })
    }

    /// Unpacks some of the input.
    fn step(&mut self) -> Result<(), Error> {
        let piece = self.input.split_to(self.input.len().min(STEP));
        self.taken = self.taken.saturating_add(piece.len());
        let room = self.room();
        let Some(unpacker) = &mut self.unpacker else { return Ok(()) };
        unpacker.allow(room);
        let output = unpacker.push(&piece).map_err(|error| self.explain(error))?;
        self.give(output);
        Ok(())
    }

    /// Gives the rest, and checks that it is the end.
    fn finish(&mut self) -> Result<(), Error> {
        let room = self.room();
        let Some(mut unpacker) = self.unpacker.take() else { return Ok(()) };
        unpacker.allow(room);
        let output = unpacker.finish().map_err(|error| self.explain(error))?;
        self.give(output);
        Ok(())
    }

    fn give(&mut self, output: Bytes) {
        self.given = self.given.saturating_add(output.len());
        self.output = output;
    }

    /// How many bytes may come out of the next step.
    fn room(&self) -> usize {
        match self.bound {
            Bound::Message(limit) => limit - self.given.min(limit),
            Bound::Stream(limit) => {
                let all = self.taken.saturating_mul(RATIO).saturating_add(limit);
                let step = (STEP * RATIO).saturating_add(limit);
                all.saturating_sub(self.given).min(step)
            }
        }
    }

    fn explain(&self, error: Error) -> Error {
        let name = self.coding.name();
        match (error.code(), self.bound) {
            (Code::ResourceExhausted, Bound::Message(limit)) => over_limit(limit),
            (Code::ResourceExhausted, Bound::Stream(_)) => Error::too_large(format!(
                "the request's {name} data unpack to more than {RATIO} times their size; send \
                 them less compressed"
            )),
            (Code::InvalidArgument, _) => Error::invalid(
                "damaged_coding",
                format!("the request's body is no whole and valid {name} data, as `content-encoding` says"),
            )
            .with_source(error),
            _ => error,
        }
    }
}
