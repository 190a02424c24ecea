//! How a session ends: the close code, its reason, and what the log says.

use tokio_tungstenite::tungstenite::{
    self, Utf8Bytes,
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{
    error::{Code, Error, Origin},
    protocol::Refusal,
};

/// The longest reason that a close frame holds: 125 bytes less those of the code (RFC 6455 §5.5).
const REASON: usize = 123;

/// Close codes of calls that fail are above this by the gRPC code. Those from 4000 are for
/// applications to give a meaning to (RFC 6455 §7.4.2).
const FAILED: u16 = 4000;

/// Why a session ends.
#[derive(Debug)]
pub(super) enum End {
    /// The call ended with OK.
    Done,
    /// The call failed, or was refused.
    Failed(Error),
    /// The session can't go on, for a reason that is not the call's.
    Closed(Fault),
    /// The caller has closed, or is gone.
    Left,
}

/// Why a session can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The caller breaks RFC 6455.
    Protocol,
    /// A frame that is no message in the session's subprotocol.
    Kind(&'static str),
    /// A text frame that is no UTF-8.
    Text,
    /// A message above the limit, which is this many bytes.
    TooLarge(usize),
    /// Nobody has said anything for too long.
    Idle,
    /// The gateway shuts down.
    Shutdown,
}

impl Fault {
    fn code(self) -> CloseCode {
        match self {
            Self::Protocol => CloseCode::Protocol,
            Self::Kind(_) => CloseCode::Unsupported,
            Self::Text => CloseCode::Invalid,
            Self::TooLarge(_) => CloseCode::Size,
            Self::Idle | Self::Shutdown => CloseCode::Away,
        }
    }

    fn reason(self) -> String {
        match self {
            Self::Protocol => "a frame breaks RFC 6455".into(),
            Self::Kind(reason) => reason.into(),
            Self::Text => "a text frame is not UTF-8".into(),
            Self::TooLarge(limit) => format!("the message is larger than {limit} bytes"),
            Self::Idle => "no message in either direction for too long".into(),
            Self::Shutdown => "the gateway shuts down; connect again".into(),
        }
    }

    fn refusal(self) -> Refusal {
        let (code, reason) = match self {
            Self::Protocol => (Code::InvalidArgument, "websocket_protocol"),
            Self::Kind(_) => (Code::InvalidArgument, "websocket_frame"),
            Self::Text => (Code::InvalidArgument, "websocket_text"),
            Self::TooLarge(_) => (Code::ResourceExhausted, "message_too_large"),
            Self::Idle => (Code::DeadlineExceeded, "websocket_idle"),
            Self::Shutdown => (Code::Unavailable, "shutdown"),
        };
        Refusal { code, reason }
    }
}

impl End {
    /// The end that an error of the socket means. `limit` is that of messages, in bytes.
    pub(super) fn of(error: tungstenite::Error, limit: usize) -> Self {
        use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        match error {
            tungstenite::Error::Protocol(ResetWithoutClosingHandshake) => Self::Left,
            tungstenite::Error::Protocol(_) => Self::Closed(Fault::Protocol),
            tungstenite::Error::Utf8(_) => Self::Closed(Fault::Text),
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                Self::Closed(Fault::TooLarge(limit))
            }
            _ => Self::Left,
        }
    }

    /// The caller did what its method or subprotocol has no place for.
    pub(super) fn unexpected(message: &'static str) -> Self {
        let error = Error::invalid("unexpected_message", message);
        Self::Failed(error.with_origin(Origin::Downstream))
    }

    /// The close frame; none for a caller who has left.
    pub(super) fn frame(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Done => (CloseCode::Normal, String::new()),
            Self::Failed(error) => {
                let number = FAILED + error.code().number() as u16;
                (number.into(), error.message().to_owned())
            }
            Self::Closed(fault) => (fault.code(), fault.reason()),
            Self::Left => return None,
        };
        Some(CloseFrame { code, reason: cut(reason) })
    }

    /// What the log says.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Done => None,
            Self::Failed(error) => Some(Refusal::by(error)),
            Self::Closed(fault) => Some(fault.refusal()),
            Self::Left => Some(Refusal { code: Code::Cancelled, reason: "caller_left" }),
        }
    }
}

/// As much of a reason as a close frame holds, in whole characters.
fn cut(mut reason: String) -> Utf8Bytes {
    reason.truncate(reason.floor_char_boundary(REASON));
    reason.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_their_codes() {
        let code = |end: &End| end.frame().map(|frame| u16::from(frame.code));
        assert_eq!(code(&End::Done), Some(1000));
        assert_eq!(code(&End::Failed(Error::not_found("no_book", "no such book"))), Some(4005));
        assert_eq!(code(&End::Left), None);
        for (fault, number) in [
            (Fault::Protocol, 1002),
            (Fault::Kind("text"), 1003),
            (Fault::Text, 1007),
            (Fault::TooLarge(7), 1009),
            (Fault::Idle, 1001),
            (Fault::Shutdown, 1001),
        ] {
            let end = End::Closed(fault);
            assert_eq!(code(&end), Some(number));
            assert!(end.frame().unwrap().reason.len() <= REASON);
            assert!(end.refusal().is_some());
        }
    }

    #[test]
    fn reason_is_cut_between_characters() {
        let frame = End::Failed(Error::invalid("x", "é".repeat(100))).frame().unwrap();
        assert_eq!(frame.reason.len(), 122);
        assert_eq!(cut("short".into()).as_str(), "short");
    }
}
