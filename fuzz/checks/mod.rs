//! What the fuzz targets check: a function a target, which takes any bytes and panics where
//! something that must hold doesn't.
//!
//! They stand apart from the targets so that the tests, which need no fuzzer, run them too: over
//! `fuzz/corpus/`, whose files are inputs made by hand and inputs that fuzzing found.

pub mod descriptors;
pub mod elements;
pub mod grpc_frames;
pub mod http2_frames;
pub mod json_to_wire;
pub mod query;
mod schema;
pub mod template;
pub mod wire_to_json;

/// A target's check.
pub type Check = fn(&[u8]);

/// Every target: its name, which its corpus has too, and its check.
pub const CHECKS: [(&str, Check); 8] = [
    ("descriptors", descriptors::check),
    ("elements", elements::check),
    ("grpc_frames", grpc_frames::check),
    ("http2_frames", http2_frames::check),
    ("json_to_wire", json_to_wire::check),
    ("query", query::check),
    ("template", template::check),
    ("wire_to_json", wire_to_json::check),
];

/// How a stream is cut into pieces.
#[derive(Clone, Copy)]
enum Cuts<'a> {
    /// Not at all.
    None,
    /// Behind each byte.
    Each,
    /// Into pieces of these lengths, over and over.
    Lengths(&'a [u8]),
}

/// The cuts and the stream of an input: how many lengths, the lengths, the stream.
fn split_cuts(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = input.split_first()?;
    rest.split_at_checked(usize::from(count % 8))
}

impl Cuts<'_> {
    /// The pieces of a stream; some may be empty.
    fn pieces(self, stream: &[u8]) -> Vec<bytes::Bytes> {
        let whole = bytes::Bytes::copy_from_slice(stream);
        let lengths = match self {
            Cuts::None => return vec![whole],
            Cuts::Each => &[1],
            Cuts::Lengths(lengths) if lengths.iter().all(|length| *length == 0) => {
                return vec![whole];
            }
            Cuts::Lengths(lengths) => lengths,
        };
        let (mut pieces, mut start) = (Vec::new(), 0);
        for length in lengths.iter().cycle() {
            if start == whole.len() {
                break;
            }
            let end = whole.len().min(start + usize::from(*length));
            pieces.push(whole.slice(start..end));
            start = end;
        }
        pieces
    }
}
