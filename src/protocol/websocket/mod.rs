//! WebSocket: a conversation of messages with a method of any kind (RFC 6455, and RFC 8441 where
//! the connection speaks HTTP/2).
//!
//! ```text
//! GET /v1/shelves/science/books/tides:chat     Chat { book: "shelves/science/books/tides", … }
//! ─► text   {"text":"hello"}                   ─► ChatMessage, with what path and query set
//! ─► text   {"text":"again"}                   ─► ChatMessage
//! ◄─ text   {"text":"hello","number":1}        ◄─ ChatMessage
//! ─► text   (empty)                            ─► no more messages
//! ◄─ text   {"text":"again","number":2}        ◄─ ChatMessage
//! ◄─ close  1000                               ◄─ OK
//! ```
//!
//! # Which method
//! A WebSocket request names no HTTP method of its own: it is always GET (CONNECT over HTTP/2). So
//! the path alone decides: `/package.Service/Method` is that method; else the most specific
//! template that fits the path, and of its rules GET's, else the one that was declared first.
//!
//! # Messages
//! | subprotocol             | message                      | half-close from the caller |
//! |-------------------------|------------------------------|----------------------------|
//! | `transom.json`, or none | a text frame, one JSON value | an empty text frame        |
//! | `transom.proto`         | a binary frame               | an empty text frame        |
//!
//! A frame is the method's whole message, in both directions, whatever field the rule's `body` and
//! `response_body` name. What path and query set is laid over the first message, as REST lays it
//! over a body. When the call begins:
//! - A method that takes a stream begins at once, and each frame is a message.
//! - A method that takes a single message begins with the first frame, or with the half-close where
//!   path and query say all. The message is complete then, and no half-close is waited for.
//! - The same by a rule without `body` begins at once: path and query are its whole request. A frame
//!   with an empty message is let pass, for those who always send one.
//!
//! A message that is too many, or comes after the half-close, ends the call with INVALID_ARGUMENT.
//!
//! # Ends
//! | close code | when                                                                             |
//! |------------|----------------------------------------------------------------------------------|
//! | 1000       | the call ended with OK                                                           |
//! | 4000 + n   | the call ended with the gRPC code n; a text frame before it is its Status as JSON |
//! | 1001       | nobody has said anything for `websocket.idle`, or the gateway shuts down         |
//! | 1002       | the caller breaks RFC 6455: an unmasked frame, a reserved bit, a lost fragment   |
//! | 1003       | binary in `transom.json`, or text that is not empty in `transom.proto`           |
//! | 1007       | a text frame that is not UTF-8                                                   |
//! | 1009       | a message above `max_request_message`                                            |
//!
//! A caller who closes, or is gone, cancels the call. What is wrong with the handshake is a plain
//! HTTP answer; what the method's policies refuse is a Status and 4000 + n, for they run only once
//! the method is known and the socket is open. Response metadata and trailers have no place here.
//!
//! # Backpressure
//! The socket is read while little is kept for the backend (`inbox`), and the backend is read when
//! the socket has taken what was written (`line`). Who waits for one side still hears the other
//! leave. Pings go out when the caller has been silent, and a caller who could answer but doesn't is
//! gone; where one of both sides doesn't read, silence proves nothing, and only `websocket.idle`
//! counts.
//!
//! Origins: a browser says which page it acts for, and cookies come along. Unless `websocket.origins`
//! names it, that page has to be of the host that it calls.

mod ahead;
mod clock;
mod close;
mod door;
mod handshake;
mod inbox;
mod line;
mod origin;
mod request;
mod settings;
mod talk;
mod tongue;

pub use self::settings::{Keys, Settings};

/// WebSocket's line in the table of protocols.
pub const ENTRY: super::Entry = super::Entry {
    name: "websocket",
    summary: "A conversation with a method of any kind over HTTP/1.1's upgrade or HTTP/2's extended \
              CONNECT, in JSON or protobuf",
    compile: door::compile,
};
