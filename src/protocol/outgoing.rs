//! The messages of a reply on their way to a caller that takes them in frames.
//!
//! Messages that are ready together leave in one write, and the next one is only asked for when
//! the caller has taken what went before. A large message leaves as it is, behind its prefix; a
//! small one is cheaper to copy than to send by itself.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::codec::Json;
use crate::{
    error::{Code, Error},
    exchange::{Messages, Metadata, Packed},
    frame::{COMPRESSED, MESSAGE, prefix},
};

/// How many bytes of messages that are ready make one write.
const BATCH: usize = 32 << 10;

/// A message of so many bytes is not copied. It fills a frame of HTTP/2 by itself.
const LARGE: usize = 16 << 10;

/// The most octets that a prefix takes.
const PREFIX: usize = 5;

/// A reply's messages, which become bytes.
pub struct Outgoing {
    messages: Messages,
    /// Where the caller reads JSON.
    json: Option<Arc<Json>>,
    /// What the write before took, in bytes, and some more.
    usual: usize,
}

/// What follows the bytes that were gathered.
#[derive(Debug)]
pub enum Gathered {
    /// More of them, once these have left.
    More,
    /// The payload whose prefix is the last of these bytes; then more.
    Large(Bytes),
    /// Nothing: the call is over, with these trailers or with an error.
    End(Result<Metadata, Error>),
}

impl Outgoing {
    /// The messages of a reply.
    pub fn new(messages: Messages, json: Option<Arc<Json>>) -> Self {
        Self { messages, json, usual: 0 }
    }

    /// Appends what is ready to `out`, and waits where nothing is.
    pub fn poll_gather(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Gathered> {
        while out.len() < BATCH {
            let gathered = match self.poll_next(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message))) => self.append(message, out),
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => {
                    return Poll::Ready(Gathered::End(Ok(self.messages.take_trailers())));
                }
            };
            match gathered {
                Ok(None) => {}
                Ok(Some(payload)) => return Poll::Ready(Gathered::Large(payload)),
                Err(error) => {
                    // What is left of the call ends here, whatever the caller does with its answer.
                    self.messages = Messages::none();
                    return Poll::Ready(Gathered::End(Err(error)));
                }
            }
        }
        self.usual = out.len() + out.len() / 8;
        Poll::Ready(Gathered::More)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Packed, Error>>> {
        match self.json {
            None => self.messages.poll_packed(cx),
            Some(_) => self.messages.poll_message(cx).map_ok(Packed::plain),
        }
    }

    /// Appends a message in its frame; gives the payload back if it is to follow by itself.
    fn append(&self, message: Packed, out: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
        if let Some(json) = &self.json {
            append_json(json, &message.bytes, out)?;
            return Ok(None);
        }
        if out.capacity() == 0 {
            // Where many messages are ready, one allocation holds them all.
            let own = if message.bytes.len() < LARGE { message.bytes.len() } else { 0 };
            out.reserve(self.usual.max(own + PREFIX));
        }
        out.extend_from_slice(&prefix_of(&message)?);
        if message.bytes.len() >= LARGE {
            return Ok(Some(message.bytes));
        }
        out.extend_from_slice(&message.bytes);
        Ok(None)
    }
}

/// The frame of a message that is at hand, is the only one, and is small enough to be copied.
///
/// # Errors
/// The message does not fit its schema, and is to become JSON.
pub fn frame_at_hand(messages: &Messages, json: Option<&Json>) -> Result<Option<Vec<u8>>, Error> {
    // A packed one that is to become JSON is unpacked on the way of streams.
    let fits = |one: &&Packed| one.bytes.len() < LARGE && (json.is_none() || one.coding.is_none());
    let Some(message) = messages.as_packed_one().filter(fits) else { return Ok(None) };
    let mut out = Vec::with_capacity(message.bytes.len() + PREFIX);
    match json {
        None => {
            out.extend_from_slice(&prefix_of(message)?);
            out.extend_from_slice(&message.bytes);
        }
        Some(json) => append_json(json, &message.bytes, &mut out)?,
    }
    Ok(Some(out))
}

fn append_json(json: &Json, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let begin = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    let written = json.append(message, out).and_then(|()| {
        let length = out.len() - begin - PREFIX;
        prefix(MESSAGE, length).ok_or_else(too_large)
    });
    match written {
        Ok(prefix) => out[begin..begin + PREFIX].copy_from_slice(&prefix),
        Err(error) => {
            out.truncate(begin);
            return Err(error);
        }
    }
    Ok(())
}

fn prefix_of(message: &Packed) -> Result<[u8; PREFIX], Error> {
    let flag = if message.coding.is_some() { COMPRESSED } else { MESSAGE };
    prefix(flag, message.bytes.len()).ok_or_else(too_large)
}

fn too_large() -> Error {
    let message = "the reply's message is larger than the 4 GiB that a frame can hold";
    Error::new(Code::ResourceExhausted, "message_too_large", message)
}

#[cfg(test)]
mod tests;
