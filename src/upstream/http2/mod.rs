//! An HTTP/2 client (RFC 9113) made for gRPC calls and nothing else.
//!
//! ```text
//!            open, send                            frames joined into one write
//! a call  ──────────────►  State ──► Outbox ─────────────────────────────────►  socket
//!         ◄──────────────  (a lock) ◄── Receiver ◄────────────────────────────
//!          all that is ready           whole reads, parsed in one go
//!                            Link: the one task that reads and writes
//! ```
//!
//! A connection belongs to one worker thread, and so do almost all calls on it. So its state stands
//! behind one lock that nobody else wants, and one task has the socket. What calls say in a turn of
//! that thread leaves in one write at its end; what a read brings is parsed at once, neighbouring
//! DATA of a stream is joined, and each call is woken once. A general library pays for sharing, for
//! requests of any form, and for an event a frame.
//!
//! Memory is bounded by the windows of §6.9, which open again only as a call's reader takes what
//! came, and by limits on everything that has no window. Breaking a rule costs a peer the stream, or
//! the connection where the rule says so.

mod block;
mod client;
mod fault;
mod frame;
mod hpack;
mod link;
mod outbox;
mod pieces;
mod receive;
mod settings;
mod state;
mod stream;
mod window;

pub use client::{
    Client, Event, FieldList, Opened, ReplyHead, ReplySide, RequestHead, RequestSide,
};
pub use fault::{ErrorCode, Lost};
pub use link::{End, Link};

#[cfg(test)]
mod tests;

/// How much of one reply may be under way or unread, in bytes.
const STREAM_WINDOW: u32 = 512 << 10;

/// Above what the streams of a connection can hold unread together, so that slow readers stall
/// their own calls and no others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// Larger frames than the standard's 16 KiB mean fewer of them.
const MAX_FRAME: usize = 256 << 10;

/// Response heads and trailers, error details included.
const MAX_HEADERS: usize = 64 << 10;
