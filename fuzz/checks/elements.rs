//! The elements of a JSON stream: wherever it is cut they are the same, and they are those that a
//! reader of the whole stream finds.
//!
//! ```text
//!     input = framing limit cuts stream
//!     framing = "A" array, "B" lines, "C" records, "D" detect
//! ```

use bytes::Bytes;
use serde_json::Value;
use transom::transcode::{Elements, ElementsError, Framing};

use super::{Cuts, schema::is_json};

const FRAMINGS: [Framing; 4] = [Framing::Array, Framing::Lines, Framing::Records, Framing::Detect];

type Split = (Vec<Bytes>, Option<ElementsError>);

/// Checks one input.
pub fn check(input: &[u8]) {
    let [framing, limit, rest @ ..] = input else { return };
    let Some((lengths, stream)) = super::split_cuts(rest) else { return };
    let framing = FRAMINGS[usize::from(framing.wrapping_sub(b'A')) % FRAMINGS.len()];
    let limit = usize::from(*limit);
    let whole = split(framing, limit, Cuts::None, stream);
    for cuts in [Cuts::Each, Cuts::Lengths(lengths)] {
        assert_same(&split(framing, limit, cuts, stream), &whole);
    }
    assert!(whole.0.iter().all(|element| element.len() <= limit));
    if whole.1.as_ref().is_some_and(|error| error.too_large) {
        return;
    }
    match (framing, first_byte(stream)) {
        (Framing::Array, _) | (Framing::Detect, Some(b'[')) => check_array(stream, &whole),
        (Framing::Records, _) | (Framing::Detect, Some(RECORD_SEPARATOR)) => {
            check_records(stream, &whole);
        }
        (Framing::Lines | Framing::Detect, _) => check_lines(stream, &whole),
    }
}

const RECORD_SEPARATOR: u8 = 0x1e;

fn split(framing: Framing, limit: usize, cuts: Cuts, stream: &[u8]) -> Split {
    let mut elements = Elements::new(framing, limit);
    let mut found = Vec::new();
    let mut pieces = cuts.pieces(stream).into_iter();
    loop {
        match elements.next_element() {
            Ok(Some(element)) => found.push(element),
            Ok(None) => match pieces.next() {
                Some(piece) => elements.push(piece),
                None => break,
            },
            Err(error) => return (found, Some(error)),
        }
    }
    elements.end();
    loop {
        match elements.next_element() {
            Ok(Some(element)) => found.push(element),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// Of an element that is too large, only its size counts: a piece may show it sooner than another.
fn assert_same(one: &Split, other: &Split) {
    assert_eq!(one.0, other.0);
    let place = |split: &Split| {
        split.1.as_ref().map(|error| (error.message, (!error.too_large).then_some(error.offset)))
    };
    assert_eq!(place(one), place(other));
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn first_byte(stream: &[u8]) -> Option<u8> {
    stream.iter().find(|byte| !is_space(byte)).copied()
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_space(last)
    {
        bytes = rest;
    }
    bytes
}

/// A stream is a JSON array if and only if it splits, and each element is JSON.
fn check_array(stream: &[u8], (elements, error): &Split) {
    if first_byte(stream).is_none() {
        return assert!(elements.is_empty() && error.is_none());
    }
    let each_is_json = error.is_none() && elements.iter().all(|element| is_json(element));
    assert_eq!(each_is_json, first_byte(stream) == Some(b'[') && is_json(stream));
    if let (true, Ok(whole)) = (each_is_json, serde_json::from_slice::<Vec<Value>>(stream)) {
        let each: Result<Vec<Value>, _> =
            elements.iter().map(|element| serde_json::from_slice(element)).collect();
        assert_eq!(each.expect("the whole was read"), whole);
    }
}

/// Lines are what stands between line breaks, but for blank ones.
fn check_lines(stream: &[u8], (elements, error): &Split) {
    assert_eq!(*error, None);
    let lines = stream.split(|byte| *byte == b'\n').map(trim).filter(|line| !line.is_empty());
    assert!(lines.eq(elements.iter().map(|element| trim(element))));
}

/// Records are what stands behind record separators, but for blank ones.
fn check_records(stream: &[u8], (elements, error): &Split) {
    let mut records = stream.split(|byte| *byte == RECORD_SEPARATOR).map(trim);
    if records.next().is_some_and(|before| !before.is_empty()) {
        return assert!(elements.is_empty() && error.is_some());
    }
    assert_eq!(*error, None);
    let records = records.filter(|record| !record.is_empty());
    assert!(records.eq(elements.iter().map(|element| trim(element))));
}
