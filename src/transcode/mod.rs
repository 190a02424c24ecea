//! JSON to protobuf wire bytes and back, by compiled plan: pure, no I/O, no async.
