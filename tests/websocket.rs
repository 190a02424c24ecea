//! WebSocket in front of gRPC, as the outside sees it: the program as a process, over real sockets.

mod autobahn;
mod calls;
pub(crate) mod client;
mod drain;
mod ends;
mod handshake;
mod life;
mod pressure;
mod raw;
