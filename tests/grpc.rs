//! gRPC through the gateway, as its clients see it: the program as a process, over real sockets.

mod bad_input;
mod calls;
mod compression;
mod metadata;
mod pass_through;
mod upstream_trouble;
