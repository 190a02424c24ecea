//! Connect: calls that any HTTP client can make, and streams in frames
//! (<https://connectrpc.com/docs/protocol>).
//!
//! ```text
//! POST /bookshelf.v1.Bookshelf/Ping            PingRequest { text: "hi" }
//! content-type: application/json
//! {"text":"hi"}
//!
//! 200 {"text":"hi"}                            PingResponse, trailers as `trailer-…` headers
//! 404 {"code":"not_found","message":"…"}       an error
//! ```
//!
//! A message is JSON, or protobuf that goes through as it is. A stream's answer is always 200; its
//! last frame tells how the call ended.

mod answer;
mod door;
mod failure;
mod fault;
mod form;
mod get;
mod stream;

/// Connect's line in the table of protocols.
pub const ENTRY: super::Entry = super::Entry {
    name: "connect",
    summary: "the Connect protocol: unary calls and streams, JSON and protobuf, GET for methods \
              without side effects",
    compile: door::compile,
};

#[cfg(test)]
mod tests;
