//! `transom demo`: a service and the gateway in front of it in one process, ready to curl.

pub mod bookshelf;
