//! REST in front of gRPC, as the outside sees it: the program as a process, over real sockets.

mod command_line;
mod drain;
mod errors;
mod http1;
mod http2;
mod json;
mod limits;
mod memory;
mod metadata;
mod python;
mod routing;
mod streams;
mod upstream_trouble;
