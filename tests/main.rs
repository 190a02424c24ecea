//! Every integration test, in one binary.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod admin;
mod auth;
mod clients;
mod compression;
mod connect;
mod cors;
mod detours;
mod edges;
mod examples;
mod external;
mod fuzz_corpus;
mod grpc;
mod grpc_web;
mod limits;
mod listener;
mod matrix;
mod readme;
mod reload;
mod resilience;
mod rest;
mod secrets;
mod shared;
mod support;
mod tidy;
mod validate;
mod websocket;
