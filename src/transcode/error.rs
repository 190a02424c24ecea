//! What is wrong with a document or a message, and where.

use std::{borrow::Cow, fmt};

/// JSON that can't become the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, a sentence without a full stop.
    pub message: Cow<'static, str>,
    /// The byte of the document where it shows, from 0.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// The JSON path of the value or field it is about: `$.spot.depth`, `$.tags[3]`, `$.map["a b"]`.
    pub path: String,
    /// Whether a limit was passed (the output's size), rather than the document being wrong.
    pub too_large: bool,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message, line, column, .. } = self;
        write!(f, "{path}: {message} (line {line}, column {column})")
    }
}

impl std::error::Error for JsonError {}

/// Wire bytes that aren't the message, or a message that JSON can't express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// What is wrong, a sentence without a full stop.
    pub message: Cow<'static, str>,
    /// The byte of the message where it shows, from 0.
    pub offset: usize,
    /// Whether a limit was passed (the output's size), rather than the bytes being wrong.
    pub too_large: bool,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the message)", self.message, self.offset)
    }
}

impl std::error::Error for WireError {}

/// Why a pass stopped: one pointer, so that results stay in registers.
pub(super) struct Stop(Box<Reason>);

pub(super) struct Reason {
    pub(super) message: Cow<'static, str>,
    pub(super) offset: usize,
    pub(super) too_large: bool,
}

/// What each step of a pass gives.
pub(super) type Step<T> = Result<T, Stop>;

impl Stop {
    #[cold]
    #[inline(never)]
    pub(super) fn at(offset: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Reason { message: message.into(), offset, too_large: false }))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn too_large(offset: usize) -> Self {
        let message = Cow::Borrowed("the result is larger than the limit allows");
        Self(Box::new(Reason { message, offset, too_large: true }))
    }

    pub(super) fn offset(&self) -> usize {
        self.0.offset
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.0.too_large
    }

    pub(super) fn reason(self) -> Reason {
        *self.0
    }
}
