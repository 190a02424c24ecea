//! JSON strings: copied while they are scanned, or borrowed where another parser reads them.

use std::borrow::Cow;

use super::Reader;
use crate::transcode::{
    error::{Step, Stop},
    gaps::varint_length,
    kernel::{Buffer, Run, find_special},
    steps::count_steps,
};

/// A string of up to so many bytes needs one byte of length, and is copied before its end is known.
const SHORT: usize = 112;
/// In so many bytes the end is looked for before anything is copied; a string that is longer is
/// copied by blocks while they are in the nearest cache, and its length takes `USUAL` bytes.
const WINDOW: usize = 1 << 14;
const USUAL: usize = 3;

impl<'a> Reader<'a> {
    /// Writes a string's length and bytes; gives the number of bytes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Step<usize> {
        if self.token() != b'"' {
            return Err(self.unexpected("a string"));
        }
        let start = self.pos + 1;
        if let Some(length) = self.out.short_string(self.input, start) {
            self.pos = start + length + 1;
            return Ok(length);
        }
        self.other_string(start)
    }

    /// The same, for strings that are not ASCII or near the end of the document.
    #[inline(never)]
    fn other_string(&mut self, start: usize) -> Step<usize> {
        let at = self.out.len();
        self.out.push(0);
        let run = self.out.copy_plain(self.input, start, start + SHORT);
        if self.input.get(run.stop) == Some(&b'"') {
            check_utf8(&self.input[start..run.stop], run, start)?;
            let length = run.stop - start;
            self.out.patch(at, length as u8);
            self.pos = run.stop + 1;
            return Ok(length);
        }
        self.out.truncate(at);
        self.long_string(start)
    }

    /// The same, for strings that are long or have escapes.
    #[inline(never)]
    fn long_string(&mut self, start: usize) -> Step<usize> {
        let window = &self.input[..self.input.len().min(start + WINDOW)];
        let mut run = find_special(window, start);
        if run.stop == window.len() && window.len() < self.input.len() {
            self.make_room_for_text(start);
            let at = self.out.len();
            self.out.slice(&[0; USUAL]);
            run = self.out.copy_plain(self.input, start, self.input.len());
            if self.input.get(run.stop) == Some(&b'"') {
                check_utf8(&self.input[start..run.stop], run, start)?;
                self.pos = run.stop + 1;
                return Ok(self.set_length(at, USUAL));
            }
            self.out.truncate(at);
        }
        if self.input.get(run.stop) == Some(&b'"') {
            let text = &self.input[start..run.stop];
            check_utf8(text, run, start)?;
            self.out.varint(text.len() as u64);
            self.out.slice(text);
            self.pos = run.stop + 1;
            return Ok(text.len());
        }
        let end = self.closing_quote(run.stop)?;
        let bound = varint_length(end - start);
        if end - start > WINDOW {
            self.out.ensure_exactly(end - start + bound);
        }
        let at = self.out.len();
        self.out.slice(&[0; 10][..bound]);
        unescape(self.input, start, end, &mut self.out)?;
        self.pos = end + 1;
        Ok(self.set_length(at, bound))
    }

    /// Makes room for the string that begins at `start`, where there is less than the rest of the
    /// document takes: a buffer that grows while a string is copied may get twice as large.
    fn make_room_for_text(&mut self, start: usize) {
        let rest = &self.input[start..];
        if self.out.capacity() - self.out.len() < rest.len() {
            let length = memchr::memchr(b'"', rest).unwrap_or(rest.len());
            count_steps(length);
            // The copy writes whole blocks.
            self.out.ensure_exactly(length + WINDOW);
        }
    }

    /// Writes the length of all behind the `kept` bytes at `at` there, and moves it if the length
    /// takes more or fewer bytes. Gives the length.
    fn set_length(&mut self, at: usize, kept: usize) -> usize {
        let body = at + kept;
        let length = self.out.len() - body;
        let mut prefix = Buffer::default();
        prefix.varint(length as u64);
        let size = prefix.len();
        let bytes = self.out.vec();
        if size != kept {
            count_steps(length);
            bytes.resize(body + length + size, 0);
            bytes.copy_within(body..body + length, at + size);
            bytes.truncate(at + size + length);
        }
        bytes[at..at + size].copy_from_slice(prefix.as_slice());
        length
    }

    /// Where the string ends that has its first special byte at `at`.
    fn closing_quote(&mut self, mut at: usize) -> Step<usize> {
        loop {
            match self.input.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') if at + 1 < self.input.len() => {
                    at = find_special(self.input, at + 2).stop;
                }
                Some(b'\\') | None => {
                    self.pos = self.input.len();
                    return Err(self.fail("the document ends inside a string"));
                }
                Some(_) => {
                    let message = "a control character in a string must be written as an escape";
                    return Err(Stop::at(at, message));
                }
            }
        }
    }

    /// Reads a string that goes on to another parser; valid UTF-8, borrowed unless it has escapes.
    #[inline]
    pub(super) fn text(&mut self) -> Step<Cow<'a, [u8]>> {
        if self.token() != b'"' {
            return Err(self.unexpected("a string"));
        }
        let start = self.pos + 1;
        let run = find_special(self.input, start);
        if self.input.get(run.stop) == Some(&b'"') {
            let text = &self.input[start..run.stop];
            check_utf8(text, run, start)?;
            self.pos = run.stop + 1;
            return Ok(Cow::Borrowed(text));
        }
        let end = self.closing_quote(run.stop)?;
        let mut text = Buffer::default();
        unescape(self.input, start, end, &mut text)?;
        self.pos = end + 1;
        Ok(Cow::Owned(text.into_bytes()))
    }
}

fn check_utf8(text: &[u8], run: Run, start: usize) -> Step<()> {
    count_steps(if run.ascii { 1 } else { text.len() });
    if run.ascii || simdutf8::basic::from_utf8(text).is_ok() {
        return Ok(());
    }
    Err(invalid_utf8(text, start))
}

#[cold]
fn invalid_utf8(text: &[u8], start: usize) -> Stop {
    let valid = std::str::from_utf8(text).err().map_or(0, |error| error.valid_up_to());
    Stop::at(start + valid, "the string is not UTF-8")
}

/// Appends a string with its escapes resolved; `end` is its closing quote.
fn unescape(input: &[u8], start: usize, end: usize, out: &mut Buffer) -> Step<()> {
    let begin = out.len();
    let mut at = start;
    let mut ascii = true;
    while at < end {
        let run = out.copy_plain(input, at, end);
        ascii &= run.ascii;
        at = run.stop;
        if at < end {
            at = escape(input, at, end, out)?;
        }
    }
    count_steps(out.len() - begin);
    // An escape gives whole characters, so what is valid now was valid before.
    if !ascii && simdutf8::basic::from_utf8(&out.as_slice()[begin..]).is_err() {
        return Err(invalid_utf8(&input[start..end], start));
    }
    Ok(())
}

/// Appends what the escape at `at` stands for; gives where it ends.
fn escape(input: &[u8], at: usize, end: usize, out: &mut Buffer) -> Step<usize> {
    let plain = match input.get(at + 1) {
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => return unicode_escape(input, at, end, out),
        _ => return Err(Stop::at(at, "unknown escape in a string")),
    };
    out.push(plain);
    Ok(at + 2)
}

fn unicode_escape(input: &[u8], at: usize, end: usize, out: &mut Buffer) -> Step<usize> {
    let lone = || Stop::at(at, "half of a surrogate pair, which stands for no character");
    let unit = hex(input, at + 2, end).ok_or_else(|| not_hex(at))?;
    let (code, next) = match unit {
        0xd800..=0xdbff => {
            if input.get(at + 6..at + 8) != Some(b"\\u") {
                return Err(lone());
            }
            let low = hex(input, at + 8, end).ok_or_else(|| not_hex(at + 6))?;
            if !(0xdc00..=0xdfff).contains(&low) {
                return Err(lone());
            }
            (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), at + 12)
        }
        _ => (unit, at + 6),
    };
    let character = char::from_u32(code).ok_or_else(lone)?;
    out.slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(next)
}

fn not_hex(at: usize) -> Stop {
    Stop::at(at, "\\u must be followed by four hexadecimal digits")
}

fn hex(input: &[u8], at: usize, end: usize) -> Option<u32> {
    let digits = input.get(at..at + 4).filter(|_| at + 4 <= end)?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}
