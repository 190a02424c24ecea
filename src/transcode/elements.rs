//! The elements of a stream of JSON, found as its bytes come in.
//!
//! ```text
//!     array     [{"a":1}, {"a":2}]          one JSON array
//!     lines     {"a":1}\n{"a":2}\n          NDJSON: a value a line
//!     records   RS {"a":1}\n RS {"a":2}\n   RFC 7464: a value behind each record separator
//! ```
//!
//! Only the borders between elements are found here: brackets and quotes are followed, everything
//! else is left to whoever reads the element. Chunks may end anywhere. An element that lies within
//! one chunk is a slice of it; only one that spans chunks is copied.

use std::{collections::VecDeque, fmt};

use bytes::{Bytes, BytesMut};

use super::steps::count_steps;

/// How elements are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON array.
    Array,
    /// A value a line; blank lines count for nothing.
    Lines,
    /// A value behind each record separator (RFC 7464).
    Records,
    /// An array if the first byte is `[`, records if it is a record separator, else lines.
    Detect,
}

/// Finds the elements in a stream of bytes.
pub struct Elements {
    framing: Framing,
    limit: usize,
    chunks: VecDeque<Bytes>,
    /// Where in the first chunk the search goes on.
    pos: usize,
    /// What earlier chunks held of the element that is open.
    partial: BytesMut,
    /// How many bytes of the stream are gone.
    offset: u64,
    state: State,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the array, or before the first separator.
    Start,
    /// Behind `[`: an element or `]`.
    First,
    /// Behind `,`: an element.
    Next,
    /// Inside an element.
    Inside(Inside),
    /// Behind an element of an array: `,` or `]`.
    After,
    /// Behind the array.
    Done,
}

/// How far an element of an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inside {
    /// How many brackets and braces are open.
    depth: u32,
    in_string: bool,
    escaped: bool,
}

const OUTSIDE: Inside = Inside { depth: 0, in_string: false, escaped: false };

/// A stream that isn't what its framing says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementsError {
    /// What is wrong, a sentence without a full stop.
    pub message: &'static str,
    /// The byte of the stream where it shows, from 0.
    pub offset: u64,
    /// Whether an element is larger than the limit.
    pub too_large: bool,
}

impl fmt::Display for ElementsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the stream)", self.message, self.offset)
    }
}

impl std::error::Error for ElementsError {}

const RECORD_SEPARATOR: u8 = 0x1e;

impl Elements {
    /// Elements of at most `limit` bytes.
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            chunks: VecDeque::new(),
            pos: 0,
            partial: BytesMut::new(),
            offset: 0,
            state: State::Start,
            ended: false,
        }
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// Says that no more bytes come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next element, or nothing until more bytes come; after [`Self::end`], nothing for good.
    ///
    /// # Errors
    /// What stands between elements does not belong there, an element is too large, or the stream
    /// ended inside of something. After an error the stream is of no use.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, ElementsError> {
        loop {
            let Some(chunk) = self.chunks.front() else { return self.at_end() };
            if self.pos == chunk.len() {
                self.offset += chunk.len() as u64;
                self.chunks.pop_front();
                self.pos = 0;
                continue;
            }
            let chunk = chunk.clone();
            if let Some(element) = self.search(&chunk)? {
                return Ok(Some(element));
            }
        }
    }

    /// Goes on in a chunk until an element ends or the chunk does.
    fn search(&mut self, chunk: &Bytes) -> Result<Option<Bytes>, ElementsError> {
        while let Some(&byte) = chunk.get(self.pos) {
            count_steps(1);
            if let State::Inside(inside) = self.state {
                return self.inside(chunk, inside);
            }
            if is_space(byte) {
                self.pos += 1;
                continue;
            }
            self.between(byte)?;
        }
        Ok(None)
    }

    /// A byte that is no white space and in no element.
    fn between(&mut self, byte: u8) -> Result<(), ElementsError> {
        if self.framing == Framing::Detect {
            self.framing = match byte {
                b'[' => Framing::Array,
                RECORD_SEPARATOR => Framing::Records,
                _ => Framing::Lines,
            };
        }
        let next = match (self.state, self.framing, byte) {
            (State::Start, Framing::Lines, _) => {
                self.state = State::Inside(OUTSIDE);
                return Ok(());
            }
            (State::Start, Framing::Records, RECORD_SEPARATOR) => State::Next,
            (State::Start, Framing::Records, _) => {
                return Err(
                    self.error("expected a record separator (0x1E) before the first record")
                );
            }
            (State::Next, Framing::Records, RECORD_SEPARATOR) => State::Next,
            (State::Next, Framing::Records, _) => {
                self.state = State::Inside(OUTSIDE);
                return Ok(());
            }
            (State::Start, _, b'[') => State::First,
            (State::Start, ..) => return Err(self.error("expected '[', the start of an array")),
            (State::First, _, b']') | (State::After, _, b']') => State::Done,
            (State::After, _, b',') => State::Next,
            (State::After, ..) => return Err(self.error("expected ',' or ']' after an element")),
            (State::Done, ..) => return Err(self.error("unexpected data after the array")),
            (_, _, b',' | b']' | b'}' | b':') => {
                return Err(self.error("expected an element of the array"));
            }
            _ => {
                self.state = State::Inside(OUTSIDE);
                return Ok(());
            }
        };
        self.state = next;
        self.pos += 1;
        Ok(())
    }

    /// Goes on inside an element, which began here or in an earlier chunk.
    fn inside(
        &mut self,
        chunk: &Bytes,
        mut inside: Inside,
    ) -> Result<Option<Bytes>, ElementsError> {
        let start = self.pos;
        let rest = &chunk[start..];
        let end = match self.framing {
            Framing::Lines => memchr::memchr(b'\n', rest),
            Framing::Records => memchr::memchr(RECORD_SEPARATOR, rest),
            _ => inside.find_end(rest, !self.partial.is_empty()),
        };
        let length = end.unwrap_or(rest.len());
        count_steps(length);
        if self.partial.len() + length > self.limit {
            return Err(ElementsError {
                too_large: true,
                ..self.error("an element is larger than the limit")
            });
        }
        self.pos += length;
        if end.is_none() {
            self.partial.extend_from_slice(rest);
            self.state = State::Inside(inside);
            return Ok(None);
        }
        self.state = if self.framing == Framing::Lines {
            State::Start
        } else if self.framing == Framing::Records {
            State::Next
        } else {
            State::After
        };
        if self.partial.is_empty() {
            return Ok(Some(chunk.slice(start..start + length)));
        }
        self.partial.extend_from_slice(&rest[..length]);
        Ok(Some(self.partial.split().freeze()))
    }

    /// No bytes are left.
    fn at_end(&mut self) -> Result<Option<Bytes>, ElementsError> {
        if !self.ended {
            return Ok(None);
        }
        match (self.state, self.framing) {
            (State::Inside(_), Framing::Lines | Framing::Records) => {
                self.state = State::Start;
                Ok(Some(self.partial.split().freeze()))
            }
            (State::Start | State::Done, _) | (_, Framing::Records) => Ok(None),
            (State::Inside(_), _) => Err(self.error("the stream ends inside an element")),
            _ => Err(self.error("the stream ends before the ']' of its array")),
        }
    }

    #[cold]
    fn error(&self, message: &'static str) -> ElementsError {
        ElementsError { message, offset: self.offset + self.pos as u64, too_large: false }
    }
}

impl Inside {
    /// Where the element ends that goes on here; `begun` if a part of it came before.
    fn find_end(&mut self, bytes: &[u8], begun: bool) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            count_steps(1);
            if self.in_string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.in_string = self.escaped;
                at += 1;
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match bytes[at] {
                b'"' if self.depth == 0 && (begun || at > 0) => return Some(at),
                b'"' => self.in_string = true,
                b'{' | b'[' if self.depth == 0 && (begun || at > 0) => return Some(at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => {
                    // Of a scalar the bracket ends the array, of an object or array the element.
                    return Some(at + self.depth as usize);
                }
                b'}' | b']' => self.depth -= 1,
                b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(at),
                _ => {}
            }
            at += 1;
        }
        None
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of a stream that comes in these chunks.
    fn split(framing: Framing, chunks: &[&[u8]]) -> Result<Vec<String>, ElementsError> {
        let mut elements = Elements::new(framing, 100);
        let mut found = Vec::new();
        for chunk in chunks {
            elements.push(Bytes::copy_from_slice(chunk));
            while let Some(element) = elements.next_element()? {
                found.push(String::from_utf8_lossy(&element).trim().to_owned());
            }
        }
        elements.end();
        while let Some(element) = elements.next_element()? {
            found.push(String::from_utf8_lossy(&element).trim().to_owned());
        }
        Ok(found)
    }

    #[test]
    fn streams_cut_at_each_byte_have_the_same_elements() {
        let elements = [r#"{"a":"]},[\"\\"}"#, "[1,[2]]", "\"x,\\\"\"", "-1e5", "null", "{}"];
        let streams = [
            (Framing::Array, format!(" [ {} ] \n", elements.join(" ,\n"))),
            (Framing::Array, format!("[{}]", elements.join(","))),
            (Framing::Lines, format!("\n{}", elements.join("\r\n\n"))),
            (Framing::Records, format!("\x1e{}\n", elements.join("\n\x1e\x1e"))),
        ];
        for (framing, stream) in streams {
            let bytes = stream.as_bytes();
            for cut in 0..bytes.len() {
                for framing in [framing, Framing::Detect] {
                    let found = split(framing, &[&bytes[..cut], &bytes[cut..]]).unwrap();
                    assert_eq!(found, elements, "{stream} at {cut}");
                }
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(split(framing, &single).unwrap(), elements);
        }
    }

    #[test]
    fn empty_streams_have_no_elements() {
        for framing in [Framing::Array, Framing::Lines, Framing::Records, Framing::Detect] {
            assert!(split(framing, &[b"", b" \n "]).unwrap().is_empty());
        }
        assert!(split(Framing::Array, &[b" [", b"\n] "]).unwrap().is_empty());
    }

    #[test]
    fn broken_arrays_say_where() {
        for (stream, message, offset) in [
            ("[1", "the stream ends inside an element", 2),
            ("[1 ", "the stream ends before the ']' of its array", 3),
            ("[", "the stream ends before the ']' of its array", 1),
            ("[1,", "the stream ends before the ']' of its array", 3),
            ("[{} {}]", "expected ',' or ']' after an element", 4),
            ("[1\"a\"]", "expected ',' or ']' after an element", 2),
            ("[,1]", "expected an element of the array", 1),
            ("[1,]", "expected an element of the array", 3),
            ("[1] 2", "unexpected data after the array", 4),
            ("{}", "expected '[', the start of an array", 0),
        ] {
            let error = split(Framing::Array, &[stream.as_bytes()]).unwrap_err();
            assert_eq!((error.message, error.offset), (message, offset), "{stream}");
        }
    }

    #[test]
    fn elements_past_the_limit_are_refused_wherever_the_chunks_end() {
        let long = "x".repeat(101);
        for framing in [Framing::Lines, Framing::Array] {
            let stream =
                if framing == Framing::Array { format!("[\"{long}\"]") } else { long.clone() };
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(7).collect();
            assert!(split(framing, &chunks).unwrap_err().too_large);
            assert!(split(framing, &[stream.as_bytes()]).unwrap_err().too_large);
        }
    }
}
