//! REST: HTTP and JSON, mapped by google.api.http rules.
//!
//! ```text
//! GET /v1/shelves/7/books?page_size=2     ListBooks { parent: "shelves/7", page_size: 2 }
//! 200 {"books":[…]}                       ListBooksResponse
//! ```

mod binding;
mod compile;
mod compression;
mod door;
mod fault;
mod http_body;
mod negotiate;
mod raw_stream;
mod request;
mod response;
mod settings;
mod stream;
mod trailers;

pub use self::{compression::Compression, settings::Settings};

/// REST's line in the table of protocols.
pub const ENTRY: super::Entry = super::Entry {
    name: "rest",
    summary: "HTTP and JSON by google.api.http rules, with streams as JSON arrays, NDJSON, \
              json-seq and server-sent events",
    compile: door::compile,
};

#[cfg(test)]
mod tests;
