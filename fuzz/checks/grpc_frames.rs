//! gRPC frames: wherever the stream is cut, the messages are those that a reader of the whole
//! stream finds.
//!
//! ```text
//!     input = limit cuts stream
//! ```

use transom::{error::Code, upstream::frame::FrameReader};

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
    Error(Code),
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
            [1..=u8::MAX, ..] => break End::Error(Code::Internal),
            [0, a, b, c, d, rest @ ..] => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if length > limit {
                    break End::Error(Code::ResourceExhausted);
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
            match reader.next_message() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return Content { messages, end: End::Error(error.code()) },
            }
        }
    }
    let end = if reader.is_between_messages() { End::BetweenMessages } else { End::InsideMessage };
    Content { messages, end }
}
