//! Gateways that share something: limits and keys in a Redis that is killed in the middle, and a rate
//! limit service.

mod redis;
mod service;

/// What is called.
const BOOK: &str = "/v1/shelves/fiction/books/letters";
