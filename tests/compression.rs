//! Content codings both ways: answers packed for callers that accept it, and packed request bodies.

mod answers;
mod requests;
mod streams;

use transom::coding::{Coding, Unpacker};

use crate::support::{Response, Rig};

/// More than any body of these tests.
const LIMIT: usize = 64 << 20;

/// A gateway that packs answers of any size.
async fn rig() -> Rig {
    Rig::with_policy("compression: { codings: [zstd, br, gzip, deflate], min_size: 0 }").await
}

/// The body of a response, its coding undone.
fn unpacked(response: &Response, coding: Coding) -> String {
    assert_eq!(response.header("content-encoding"), coding.name(), "{:?}", response.headers);
    assert!(response.complete);
    String::from_utf8(coding.unpack(&response.body, LIMIT).unwrap().to_vec()).unwrap()
}

/// Something that is not packed well, and not badly.
fn prose(length: usize) -> String {
    let mut state = 7_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{} ", state >> 20)
    };
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&word());
    }
    text.truncate(length);
    text
}

/// Unpacks what comes, piece by piece, as text.
fn unpacker(coding: Coding) -> impl FnMut(&[u8]) -> String {
    let mut unpacker = Unpacker::new(coding, LIMIT).unwrap();
    move |packed| String::from_utf8(unpacker.push(packed).unwrap().to_vec()).unwrap()
}
