//! Base64 in pieces, as gRPC-Web's text form has it: groups of four letters, wherever the pieces
//! are cut, and padding in the middle where whoever wrote it had a whole message.
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.)

use base64_simd::STANDARD;

/// Letters to a group.
const GROUP: usize = 4;

/// Decodes pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Letters of a group whose rest is not here yet.
    begun: [u8; GROUP],
    have: usize,
}

/// What came is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

impl Reader {
    /// What the next piece completes.
    ///
    /// # Errors
    /// A letter that base64 has not, or padding where none can be.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = Vec::with_capacity((self.have + piece.len()) / GROUP * 3);
        if self.have > 0 {
            let count = (GROUP - self.have).min(piece.len());
            let (first, rest) = piece.split_at(count);
            self.begun[self.have..self.have + count].copy_from_slice(first);
            self.have += count;
            piece = rest;
            if self.have < GROUP {
                return Ok(out);
            }
            self.have = 0;
            decode(&self.begun, &mut out)?;
        }
        let (whole, rest) = piece.split_at(piece.len() / GROUP * GROUP);
        decode(whole, &mut out)?;
        self.begun[..rest.len()].copy_from_slice(rest);
        self.have = rest.len();
        Ok(out)
    }

    /// Whether no group has begun that is not yet whole.
    pub(super) fn is_between_groups(&self) -> bool {
        self.have == 0
    }
}

/// Decodes whole groups; each run of them ends where there is padding.
fn decode(mut groups: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    while !groups.is_empty() {
        let end = match memchr::memchr(b'=', groups) {
            None => groups.len(),
            Some(padding) => (padding / GROUP + 1) * GROUP,
        };
        let (run, rest) = groups.split_at(end);
        STANDARD.decode_append(run, out).map_err(|_| Invalid)?;
        groups = rest;
    }
    Ok(())
}

/// Encodes bytes that leave together, padded so that nothing of them waits.
pub(super) fn write(bytes: &[u8]) -> String {
    STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, Invalid> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(reader.push(piece)?);
        }
        if reader.is_between_groups() { Ok(all) } else { Err(Invalid) }
    }

    #[test]
    fn text_cut_at_each_letter_is_the_same_text() {
        let parts: [&[u8]; 5] = [b"a", b"bc", b"def", b"", b"ghij"];
        let text: String = parts.iter().map(|part| write(part)).collect();
        let text = text.as_bytes();
        for one in 0..=text.len() {
            for other in one..=text.len() {
                let pieces = [&text[..one], &text[one..other], &text[other..]];
                assert_eq!(read(&pieces).unwrap(), b"abcdefghij", "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_base64_is_told() {
        for text in
            ["a", "aa", "aaa", "====", "a===", "aa=a", "=aaa", "aa\n=", "a-b_", "aaaaa", "\u{e9}aa"]
        {
            assert_eq!(read(&[text.as_bytes()]), Err(Invalid), "{text}");
            let letters: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(&letters), Err(Invalid), "{text}");
        }
    }
}
