//! What each side tells the other at the start, and may change later (RFC 9113 §6.5).

use super::{
    CONNECTION_WINDOW, MAX_FRAME, MAX_HEADERS, STREAM_WINDOW,
    fault::Broken,
    frame::{self, PREFACE, kind},
    window,
};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// What the peer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) table_size: usize,
    /// `None` is no limit.
    pub(super) max_streams: Option<u32>,
    pub(super) initial_window: u32,
    pub(super) max_frame: usize,
}

/// A peer that said nothing.
impl Default for Settings {
    fn default() -> Self {
        Self {
            table_size: super::hpack::TABLE_SIZE,
            max_streams: None,
            initial_window: window::USUAL,
            max_frame: 16 << 10,
        }
    }
}

impl Settings {
    /// Takes what a SETTINGS frame says, in its order. Settings that nobody knows are ignored.
    ///
    /// # Errors
    /// A value that its setting can't have.
    pub(super) fn apply(&mut self, payload: &[u8]) -> Result<(), Broken> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Broken::size("SETTINGS that end in the middle of one"));
        }
        for &[a, b, value @ ..] in settings {
            self.set(u16::from_be_bytes([a, b]), u32::from_be_bytes(value))?;
        }
        Ok(())
    }

    fn set(&mut self, setting: u16, value: u32) -> Result<(), Broken> {
        match setting {
            HEADER_TABLE_SIZE => self.table_size = value as usize,
            MAX_CONCURRENT_STREAMS => self.max_streams = Some(value),
            ENABLE_PUSH if value != 0 => {
                return Err(Broken::protocol("a server that asks to be pushed to"));
            }
            INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => {
                return Err(Broken::flow("an initial window larger than 2^31-1 octets"));
            }
            INITIAL_WINDOW_SIZE => self.initial_window = value,
            MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                return Err(Broken::protocol("a largest frame that none can be"));
            }
            MAX_FRAME_SIZE => self.max_frame = value as usize,
            _ => {}
        }
        Ok(())
    }
}

/// Writes what we say first: the preface, our settings, and the connection's window.
pub(super) fn write_start(out: &mut Vec<u8>) {
    out.extend_from_slice(PREFACE);
    let ours = [
        (ENABLE_PUSH, 0),
        (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (MAX_FRAME_SIZE, MAX_FRAME as u32),
        (MAX_HEADER_LIST_SIZE, MAX_HEADERS as u32),
    ];
    let mut payload = Vec::with_capacity(ours.len() * 6);
    for (setting, value) in ours {
        payload.extend(setting.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame::write(out, kind::SETTINGS, 0, 0, &payload);
    frame::write_window_update(out, 0, CONNECTION_WINDOW - window::USUAL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::http2::fault::ErrorCode;

    #[test]
    fn settings_are_taken_in_their_order() {
        let mut settings = Settings::default();
        let payload = [
            [0, 1, 0, 0, 0, 0],
            [0, 3, 0, 0, 0, 7],
            [0, 4, 0, 1, 0, 0],
            [0, 4, 0, 2, 0, 0],
            [0, 5, 0, 0, 0x80, 0],
            [0, 99, 1, 2, 3, 4],
        ];
        settings.apply(payload.as_flattened()).unwrap();
        let wanted = Settings {
            table_size: 0,
            max_streams: Some(7),
            initial_window: 2 << 16,
            max_frame: 32 << 10,
        };
        assert_eq!(settings, wanted);
    }

    #[test]
    fn values_that_none_may_have_are_refused() {
        for (payload, code) in [
            ([0, 2, 0, 0, 0, 1], ErrorCode::PROTOCOL_ERROR),
            ([0, 4, 0x80, 0, 0, 0], ErrorCode::FLOW_CONTROL_ERROR),
            ([0, 5, 0, 0, 0x3f, 0xff], ErrorCode::PROTOCOL_ERROR),
            ([0, 5, 1, 0, 0, 0], ErrorCode::PROTOCOL_ERROR),
        ] {
            assert_eq!(Settings::default().apply(&payload).unwrap_err().code, code);
        }
        let error = Settings::default().apply(&[0; 5]).unwrap_err();
        assert_eq!(error.code, ErrorCode::FRAME_SIZE_ERROR);
    }
}
