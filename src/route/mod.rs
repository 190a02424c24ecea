//! Which method a request means: path templates, the trie that holds them, and queries.
//!
//! Pure values without I/O. A [`Template`] is parsed once, a [`RouterBuilder`] gathers bindings and
//! becomes an immutable [`Router`], and serving only reads it:
//!
//! ```
//! use http::Method;
//! use transom::{
//!     route::{Captures, Found, RouterBuilder, Template},
//!     schema::HttpMethod,
//! };
//!
//! let template = Template::parse("/v1/{name=shelves/*/books/*}:move")?;
//! let mut builder = RouterBuilder::new();
//! builder.insert(&HttpMethod::One(Method::POST), &template, 7);
//! let router = builder.build().expect("one route does not conflict");
//!
//! let mut captures = Captures::new();
//! let path = "/v1/shelves/1/books/caf%C3%A9:move";
//! assert_eq!(router.find(&Method::POST, path, &mut captures), Found::Route(7));
//! assert_eq!(captures.as_slice()[0].decode()?, "shelves/1/books/café");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod allowed;
mod capture;
mod edges;
mod parser;
mod path;
mod percent;
mod query;
mod router;
mod template;
mod trie;

#[cfg(test)]
mod properties;

pub use allowed::Allowed;
pub use capture::{Capture, Captures};
pub use percent::{BadEncoding, EncodingFault, check_path};
pub use query::{Pairs, QueryError, pairs};
pub use router::{Conflict, Found, Router, RouterBuilder};
pub use template::{Segment, Template, TemplateError, Variable};
