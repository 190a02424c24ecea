//! gRPC over HTTP/2: calls pass through, and their messages with them, as they are.
//!
//! ```text
//! POST /pkg.Service/Method      content-type: application/grpc    te: trailers
//! frames …                 ─►   the same frames at the backend, messages neither read nor unpacked
//!                          ◄─   frames …, then grpc-status among the trailers
//! ```
//!
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.) A refusal of the gateway's
//! own looks like a backend's: 200 with the status in the head. Only what is no gRPC is told in
//! HTTP's words too: another method than POST, HTTP/1.1, or a codec that nobody here speaks.

mod door;
mod form;

/// gRPC's line in the table of protocols.
pub const ENTRY: super::Entry = super::Entry {
    name: "grpc",
    summary: "gRPC over HTTP/2, all four kinds of methods, messages passed through as they are",
    compile: door::compile,
};
