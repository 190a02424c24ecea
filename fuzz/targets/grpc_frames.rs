//! See `checks/grpc_frames.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::grpc_frames::check(input));
