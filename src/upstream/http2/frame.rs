//! The nine octets before each frame, and the small frames as they are written (RFC 9113 §4.1, §6).

use super::fault::ErrorCode;

/// The length of what stands before each frame, in octets.
pub(super) const HEAD: usize = 9;

/// What a client says first (§3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0x0;
    pub(in super::super) const HEADERS: u8 = 0x1;
    pub(in super::super) const PRIORITY: u8 = 0x2;
    pub(in super::super) const RST_STREAM: u8 = 0x3;
    pub(in super::super) const SETTINGS: u8 = 0x4;
    pub(in super::super) const PUSH_PROMISE: u8 = 0x5;
    pub(in super::super) const PING: u8 = 0x6;
    pub(in super::super) const GOAWAY: u8 = 0x7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 0x8;
    pub(in super::super) const CONTINUATION: u8 = 0x9;
}

/// Flags of frames.
pub(super) mod flag {
    pub(in super::super) const ACK: u8 = 0x01;
    pub(in super::super) const END_STREAM: u8 = 0x01;
    pub(in super::super) const END_HEADERS: u8 = 0x04;
    pub(in super::super) const PADDED: u8 = 0x08;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// What stands before a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The reserved bit is ignored.
    pub(super) stream: u32,
}

impl FrameHead {
    /// Reads one, if it is there as a whole.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *octets.first_chunk::<HEAD>()?;
        Some(Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The octets of it.
    pub(super) fn octets(self) -> [u8; HEAD] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }
}

/// Writes a frame.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let head = FrameHead { length: payload.len(), kind, flags, stream };
    out.extend_from_slice(&head.octets());
    out.extend_from_slice(payload);
}

pub(super) fn write_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    write(out, kind::RST_STREAM, 0, stream, &code.0.to_be_bytes());
}

pub(super) fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write(out, kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
}

/// Says goodbye. A client has no streams of the peer to tell of.
pub(super) fn write_goaway(out: &mut Vec<u8>, code: ErrorCode, why: &str) {
    let [a, b, c, d] = code.0.to_be_bytes();
    let payload = [&[0, 0, 0, 0, a, b, c, d], why.as_bytes()].concat();
    write(out, kind::GOAWAY, 0, 0, &payload);
}

/// The number that a payload of four octets is.
pub(super) fn whole_u32(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

/// A number of four octets, whatever follows it.
pub(super) fn read_u32(octets: &[u8]) -> Option<u32> {
    octets.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = FrameHead { length: 0x01_02_03, kind: 9, flags: 5, stream: 0x7fff_fffe };
        let octets = head.octets();
        assert_eq!(octets, [1, 2, 3, 9, 5, 0x7f, 0xff, 0xff, 0xfe]);
        assert_eq!(FrameHead::read(&octets), Some(head));
        assert_eq!(FrameHead::read(&[1, 2, 3, 9, 5, 0xff, 0xff, 0xff, 0xfe, 7]), Some(head));
        assert_eq!(FrameHead::read(&octets[..8]), None);
    }
}
