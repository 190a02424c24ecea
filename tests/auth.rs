//! Callers before a gateway as users run it: tokens of an issuer that is asked over HTTP, keys in a
//! file, and what the backend and the access log hear of them.

mod certificates;
mod issuer;
mod provider;
mod tokens;
