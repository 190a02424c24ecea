//! gRPC frames: wherever the stream is cut, the messages are those that a reader of the whole
//! stream finds.
//!
//! ```text
//!     input = limit cuts stream
//! ```

use transom::frame::{Fault, FrameReader};

use super::Cuts;

/// What a stream holds: its messages, and how it ends.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    messages: Vec<Vec<u8>>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    BetweenMessages,
    InsideMessage,
    Fault(Fault),
}

/// Checks one input.
pub fn check(input: &[u8]) {
    let Some((limit, rest)) = input.split_first() else { return };
    let Some((lengths, stream)) = super::split_cuts(rest) else { return };
    let limit = usize::from(*limit);
    let expected = read_whole(limit, stream);
    for cuts in [Cuts::None, Cuts::Each, Cuts::Lengths(lengths)] {
        assert_eq!(read_pieces(limit, cuts, stream), expected);
    }
}

/// The content of a stream that is here as a whole, by the specification alone.
fn read_whole(limit: usize, mut stream: &[u8]) -> Content {
    let mut messages = Vec::new();
    let end = loop {
        match stream {
            [] => break End::BetweenMessages,
            [flag @ 1..=u8::MAX, ..] => break End::Fault(Fault::Flag(*flag)),
            [0, a, b, c, d, rest @ ..] => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if length > limit {
                    break End::Fault(Fault::TooLarge { length, limit });
                }
                let Some((message, rest)) = rest.split_at_checked(length) else {
                    break End::InsideMessage;
                };
                messages.push(message.to_vec());
                stream = rest;
            }
            _ => break End::InsideMessage,
        }
    };
    Content { messages, end }
}

fn read_pieces(limit: usize, cuts: Cuts, stream: &[u8]) -> Content {
    let mut reader = FrameReader::new(limit);
    let mut messages = Vec::new();
    for piece in cuts.pieces(stream) {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => messages.push(frame.payload.to_vec()),
                Ok(None) => break,
                Err(fault) => return Content { messages, end: End::Fault(fault) },
            }
        }
    }
    let end = if reader.is_between_frames() { End::BetweenMessages } else { End::InsideMessage };
    Content { messages, end }
}
