//! Why a stream or a connection ends before its time.

use std::{fmt, sync::Arc};

use super::hpack::Malformed;

/// An error code of RST_STREAM and GOAWAY (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// A rule was broken that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The peer can't go on, for no fault of ours.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More was sent than the window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// A frame came on a stream that had ended.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame has a length that its kind can't have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The call was not looked at.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// Nobody wants the call's outcome any more.
    pub const CANCEL: Self = Self(0x8);
    /// A header block can't be decompressed.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The peer does too much of something.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The connection is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self(other) => return write!(f, "error code {other}"),
        };
        f.write_str(name)
    }
}

/// A rule that the peer broke: the code it is told, and what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) code: ErrorCode,
    pub(super) what: &'static str,
}

impl Broken {
    pub(super) const fn new(code: ErrorCode, what: &'static str) -> Self {
        Self { code, what }
    }

    pub(super) const fn protocol(what: &'static str) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, what)
    }

    pub(super) const fn size(what: &'static str) -> Self {
        Self::new(ErrorCode::FRAME_SIZE_ERROR, what)
    }

    pub(super) const fn flow(what: &'static str) -> Self {
        Self::new(ErrorCode::FLOW_CONTROL_ERROR, what)
    }
}

impl From<Malformed> for Broken {
    fn from(Malformed(what): Malformed) -> Self {
        Self::new(ErrorCode::COMPRESSION_ERROR, what)
    }
}

/// Why a stream ended without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// We ended it.
    Cancelled,
    /// The peer reset the stream, perhaps after it had begun to answer.
    Reset {
        /// What the peer said.
        code: ErrorCode,
        /// Whether the reply's head had come.
        is_answered: bool,
    },
    /// The peer broke a rule on this stream: the code it was told, and what it sent.
    Misbehaved(ErrorCode, &'static str),
    /// The peer broke a rule that costs the connection.
    Broken(ErrorCode, &'static str),
    /// The peer is closing the connection and says that it did not look at the call (§6.8).
    GoingAway {
        /// What the peer said.
        code: ErrorCode,
        /// Whether the reply's head had come all the same.
        is_answered: bool,
    },
    /// The connection ended before anything of the call was sent: how, for the log.
    Unsent(Arc<str>),
    /// The connection ended: how, for the log.
    Gone(Arc<str>),
}

impl Lost {
    /// Whether the peer surely did not look at the call (§6.8, §8.7).
    pub fn is_unprocessed(&self) -> bool {
        match self {
            Lost::Reset { code, is_answered } => *code == ErrorCode::REFUSED_STREAM && !is_answered,
            Lost::GoingAway { is_answered, .. } => !is_answered,
            Lost::Unsent(_) => true,
            Lost::Cancelled | Lost::Misbehaved(..) | Lost::Broken(..) | Lost::Gone(_) => false,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Cancelled => f.write_str("the call was cancelled"),
            Lost::Reset { code, .. } => write!(f, "the peer reset the stream: {code}"),
            Lost::Misbehaved(code, what) => write!(f, "stream error {code}: the peer sent {what}"),
            Lost::Broken(code, what) => write!(f, "connection error {code}: the peer sent {what}"),
            Lost::GoingAway { code, .. } => write!(f, "the peer closes the connection: {code}"),
            Lost::Unsent(how) => write!(f, "the call was not sent: {how}"),
            Lost::Gone(how) => f.write_str(how),
        }
    }
}

impl std::error::Error for Lost {}
