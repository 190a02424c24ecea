//! gRPC-Web: gRPC for browsers, over HTTP/1.1 and HTTP/2, in bytes or as base64 text.
//!
//! ```text
//! POST /pkg.Service/Method      content-type: application/grpc-web[-text][+proto|+json]
//! frames …                 ─►   the same frames at the backend
//!                          ◄─   frames …, and last a frame that holds the trailers
//! ```
//!
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.) A call that fails before its
//! first message is told in the head. A caller whose HTTP has no way to listen while it speaks can
//! stream its messages all the same, and hears the answer when it has said all.

mod base64;
mod content;
mod door;
mod form;
mod text;

/// gRPC-Web's line in the table of protocols.
pub const ENTRY: super::Entry = super::Entry {
    name: "grpc_web",
    summary: "gRPC-Web over HTTP/1.1 and HTTP/2, binary and text, messages passed through as \
              they are",
    compile: door::compile,
};
