//! Every integration test, in one binary.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod admin;
mod auth;
mod clients;
mod compression;
mod connect;
mod cors;
mod examples;
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
mod shared;
mod support;
mod tidy;
mod websocket;
