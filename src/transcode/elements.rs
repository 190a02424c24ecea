//! The elements of a stream of JSON, found while its bytes arrive.
//!
//! ```text
//! array      [{"a":1}, {"a":2}]          two elements
//! lines      {"a":1}\n{"a":2}\n          NDJSON: two elements
//! sequence   ␞{"a":1}\n␞{"a":2}\n        RFC 7464: two elements
//! ```
//!
//! Only the borders are found here; whether an element is proper JSON shows when it is read. An
//! element that lies in one chunk is a slice of it, so that only those across a border are copied,
//! and no more than one unfinished element is ever held.

use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// How the elements are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementsKind {
    /// One JSON array.
    Array,
    /// One element a line; blank lines are skipped.
    Lines,
    /// RFC 7464: a record separator (0x1E) before each element.
    Sequence,
}

/// Finds elements in chunks of bytes.
#[derive(Debug)]
pub struct Elements {
    kind: ElementsKind,
    limit: usize,
    /// What was pushed and not scanned yet; its first byte is the stream's byte `offset`.
    chunk: Bytes,
    offset: usize,
    /// The begin of an element whose end has not come yet.
    carry: BytesMut,
    state: State,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the array's bracket or the first record separator.
    Start,
    /// Where an element may begin; `first` if the array may also end here.
    Between { first: bool },
    /// In an object or array so deep, 1 being its outermost.
    Nested(u32),
    /// In a string at this depth (0: the element is a string itself).
    Text(u32),
    /// Behind a backslash in a string.
    Escape(u32),
    /// In a number or a word.
    Word,
    /// In a line or record.
    Record,
    /// Behind an array's element.
    After,
    /// Behind the array.
    Done,
}

/// Bytes that are no stream of elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementsError {
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// The byte of the stream where it shows, from 0.
    pub offset: usize,
    /// Whether an element is over the limit, rather than the bytes being wrong.
    pub too_large: bool,
}

impl fmt::Display for ElementsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the stream)", self.message, self.offset)
    }
}

impl std::error::Error for ElementsError {}

/// What a step of the scan found in the chunk.
enum Step {
    /// Nothing yet; go on behind this many bytes, which belong to no element.
    Skip(usize),
    /// The element goes on to the chunk's end.
    Partial,
    /// The element ends before this byte.
    Element(usize),
}

impl Elements {
    /// Elements laid out like this, each of at most `limit` bytes.
    pub fn new(kind: ElementsKind, limit: usize) -> Self {
        Self {
            kind,
            limit,
            chunk: Bytes::new(),
            offset: 0,
            carry: BytesMut::new(),
            state: if kind == ElementsKind::Lines {
                State::Between { first: true }
            } else {
                State::Start
            },
            ended: false,
        }
    }

    /// Adds a chunk. Call [`Elements::next_element`] until it gives none before the next.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.chunk = [&self.chunk[..], &chunk].concat().into();
        }
    }

    /// Says that no chunk follows.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The next element; none if it takes more chunks, or if the stream has ended.
    ///
    /// # Errors
    /// The bytes are no such stream, or an element is over the limit.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, ElementsError> {
        while !self.chunk.is_empty() {
            match self.step()? {
                Step::Skip(length) => self.advance(length),
                Step::Partial => {
                    self.check_size(self.chunk.len())?;
                    self.carry.extend_from_slice(&self.chunk);
                    self.advance(self.chunk.len());
                }
                Step::Element(length) => {
                    self.check_size(length)?;
                    let element = self.take(length);
                    if !element.trim_ascii().is_empty() {
                        return Ok(Some(element));
                    }
                }
            }
        }
        if self.ended { self.last() } else { Ok(None) }
    }

    fn advance(&mut self, length: usize) {
        self.chunk = self.chunk.split_off(length);
        self.offset += length;
    }

    fn take(&mut self, length: usize) -> Bytes {
        let end = self.chunk.slice(..length);
        self.advance(length);
        if self.carry.is_empty() {
            return end;
        }
        self.carry.extend_from_slice(&end);
        self.carry.split().freeze()
    }

    fn check_size(&self, more: usize) -> Result<(), ElementsError> {
        if more <= self.limit.saturating_sub(self.carry.len()) {
            return Ok(());
        }
        Err(ElementsError {
            message: format!("an element is larger than {} bytes", self.limit),
            offset: self.offset,
            too_large: true,
        })
    }

    /// What is left when the stream has ended.
    fn last(&mut self) -> Result<Option<Bytes>, ElementsError> {
        let left = self.carry.split().freeze();
        match self.state {
            // A line needs no line feed at the end, nor does a record.
            State::Record => {
                self.state = State::Between { first: true };
                Ok(Some(left).filter(|left| !left.trim_ascii().is_empty()))
            }
            State::Start | State::Done => Ok(None),
            State::Between { .. } if self.kind != ElementsKind::Array => Ok(None),
            _ => Err(self.error(0, "the array ends before its closing `]`")),
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ElementsError {
        ElementsError { message: message.into(), offset: self.offset + at, too_large: false }
    }

    fn step(&mut self) -> Result<Step, ElementsError> {
        match (self.kind, self.state) {
            (ElementsKind::Lines, _) => Ok(self.record(b'\n')),
            (ElementsKind::Sequence, State::Record) => Ok(self.record(RECORD_SEPARATOR)),
            (_, State::Start | State::Between { .. } | State::After | State::Done) => self.border(),
            (_, state) => Ok(self.inside(state)),
        }
    }

    /// A line or record, up to its end mark, which belongs to nobody.
    fn record(&mut self, mark: u8) -> Step {
        if self.state != State::Record {
            // Also skips the mark that ended the line before.
            if self.chunk[0] == mark {
                return Step::Skip(1);
            }
            self.state = State::Record;
        }
        match memchr(mark, &self.chunk) {
            Some(end) => {
                self.state = State::Between { first: false };
                Step::Element(end)
            }
            None => Step::Partial,
        }
    }

    /// Between elements: white space, and what the layout has there.
    fn border(&mut self) -> Result<Step, ElementsError> {
        let Some(at) = self.chunk.iter().position(|byte| !is_space(*byte)) else {
            return Ok(Step::Skip(self.chunk.len()));
        };
        let byte = self.chunk[at];
        let next = match (self.kind, self.state, byte) {
            (ElementsKind::Sequence, _, RECORD_SEPARATOR) => State::Record,
            (ElementsKind::Sequence, ..) => {
                return Err(self.error(at, "a record begins with the byte 0x1E, and this is none"));
            }
            (_, State::Start, b'[') => State::Between { first: true },
            (_, State::Start, _) => {
                let message = "a stream of messages is a JSON array and begins with `[`; \
                               send one message a line as application/x-ndjson otherwise";
                return Err(self.error(at, message));
            }
            (_, State::Between { first: true } | State::After, b']') => State::Done,
            (_, State::After, b',') => State::Between { first: false },
            (_, State::After, _) => {
                return Err(self.error(at, "expected `,` or `]` behind an element"));
            }
            (_, State::Done, _) => {
                return Err(self.error(at, "nothing may follow the array's closing `]`"));
            }
            (_, _, b',' | b']' | b'}' | b':') => {
                return Err(self.error(at, "expected an element"));
            }
            _ => {
                // The element's own first byte is scanned with it.
                self.state = State::Nested(0);
                return Ok(Step::Skip(at));
            }
        };
        self.state = next;
        Ok(Step::Skip(at + 1))
    }

    /// In an array's element, up to its end.
    fn inside(&mut self, mut state: State) -> Step {
        let chunk = &self.chunk;
        let mut at = 0;
        let found = loop {
            let Some(&byte) = chunk.get(at) else { break None };
            state = match (state, byte) {
                (State::Escape(depth), _) => State::Text(depth),
                (State::Text(depth), _) => match memchr2(b'"', b'\\', &chunk[at..]) {
                    None => break None,
                    Some(offset) => {
                        at += offset;
                        match (chunk[at], depth) {
                            (b'\\', _) => State::Escape(depth),
                            (_, 0) => break Some(at + 1),
                            _ => State::Nested(depth),
                        }
                    }
                },
                (State::Word, b',' | b']') => break Some(at),
                (State::Word, _) if is_space(byte) => break Some(at),
                (State::Word, _) => State::Word,
                (State::Nested(depth), b'"') => State::Text(depth),
                (State::Nested(depth), b'{' | b'[') => State::Nested(depth.saturating_add(1)),
                (State::Nested(0 | 1), b'}' | b']') => break Some(at + 1),
                (State::Nested(depth), b'}' | b']') => State::Nested(depth - 1),
                (State::Nested(0), _) => State::Word,
                (state, _) => state,
            };
            at += 1;
        };
        match found {
            Some(end) => {
                self.state = State::After;
                Step::Element(end)
            }
            None => {
                // A string that goes on was left where its search began.
                self.state = state;
                Step::Partial
            }
        }
    }
}

const RECORD_SEPARATOR: u8 = 0x1e;

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(kind: ElementsKind, text: &str, chunk: usize) -> Result<Vec<String>, ElementsError> {
        let mut elements = Elements::new(kind, 64);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(chunk) {
            elements.push(Bytes::copy_from_slice(piece));
            while let Some(element) = elements.next_element()? {
                found.push(String::from_utf8(element.to_vec()).unwrap());
            }
        }
        elements.finish();
        while let Some(element) = elements.next_element()? {
            found.push(String::from_utf8(element.to_vec()).unwrap());
        }
        Ok(found)
    }

    /// Splits the text at every chunk size; the outcome must not depend on it.
    fn split_everyhow(kind: ElementsKind, text: &str) -> Result<Vec<String>, ElementsError> {
        let whole = split(kind, text, text.len().max(1));
        for chunk in 1..=text.len() {
            assert_eq!(split(kind, text, chunk), whole, "{text:?} in chunks of {chunk}");
        }
        whole
    }

    #[test]
    fn array_gives_its_elements_however_it_is_cut() {
        let elements = |text| split_everyhow(ElementsKind::Array, text).unwrap();
        assert_eq!(elements(""), [""; 0]);
        assert_eq!(elements(" \n[ ] "), [""; 0]);
        assert_eq!(
            elements(r#"[{"a":"}]\"\\"},{"b":[1,[2]]}]"#),
            [r#"{"a":"}]\"\\"}"#, r#"{"b":[1,[2]]}"#]
        );
        assert_eq!(
            elements(r#" [ 1 , "x,]" ,null,[],{} ] "#),
            ["1", r#""x,]""#, "null", "[]", "{}"]
        );
    }

    #[test]
    fn array_that_is_none_is_refused_where_it_shows() {
        for (text, offset) in [
            ("{}", 0),
            ("[", 1),
            ("[{}", 3),
            (r#"[{"a"#, 4),
            ("[1", 2),
            ("[1,", 3),
            ("[,1]", 1),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("[] x", 3),
            ("[}", 1),
        ] {
            let error = split_everyhow(ElementsKind::Array, text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(!error.too_large);
        }
    }

    #[test]
    fn lines_and_records_need_no_end_mark_after_the_last() {
        let lines = |text| split_everyhow(ElementsKind::Lines, text).unwrap();
        assert_eq!(lines("{\"a\":1}\n\r\n\n[2]"), ["{\"a\":1}", "[2]"]);
        assert_eq!(lines("\n"), [""; 0]);
        let records = |text| split_everyhow(ElementsKind::Sequence, text);
        assert_eq!(records("\u{1e}{}\n\u{1e}1\n").unwrap(), ["{}\n", "1\n"]);
        assert_eq!(records("").unwrap(), [""; 0]);
        assert_eq!(records("{}").unwrap_err().offset, 0);
    }

    #[test]
    fn element_over_the_limit_is_refused_before_it_is_whole() {
        let long = "x".repeat(65);
        for (kind, text) in [
            (ElementsKind::Array, format!("[\"{long}")),
            (ElementsKind::Lines, long.clone()),
            (ElementsKind::Sequence, format!("\u{1e}{long}")),
        ] {
            for chunk in [1, 7, 1000] {
                assert!(split(kind, &text, chunk).unwrap_err().too_large, "{kind:?} {chunk}");
            }
        }
    }
}
