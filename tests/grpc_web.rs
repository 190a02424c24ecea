//! gRPC-Web through the gateway, over both versions of HTTP, in bytes and in text.

mod calls;
