//! The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), read.
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their
//! symbols, and longer codes follow shorter ones. So the lengths alone tell all codes. Codes of up
//! to nine bits, which are those of letters and digits, are found by one look at a table.

use std::sync::LazyLock;

use super::Malformed;

/// The length of each symbol's code in bits.
pub(super) const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];

/// The symbol that ends a string and must not stand in one.
const END: u16 = 256;

/// The longest code.
const LONGEST: usize = 30;

/// Codes of so many bits and less are looked up.
const QUICK: u32 = 9;

/// All codes, as the decoder wants them.
struct Codes {
    /// By the next nine bits: the symbol and the length of its code, which is 0 if it is longer.
    quick: Box<[(u8, u8); 1 << QUICK]>,
    /// By length: where its codes begin and end, and the first one's place among the symbols.
    lengths: [(u32, u32, usize); LONGEST + 1],
    /// The symbols in the order of their codes.
    symbols: [u16; 257],
}

static CODES: LazyLock<Codes> = LazyLock::new(Codes::new);

impl Codes {
    fn new() -> Self {
        let mut symbols = std::array::from_fn(|symbol| symbol as u16);
        symbols.sort_by_key(|symbol| (LENGTHS[usize::from(*symbol)], *symbol));
        let mut quick = Box::new([(0, 0); 1 << QUICK]);
        let mut lengths = [(0, 0, 0); LONGEST + 1];
        let (mut code, mut place) = (0_u32, 0);
        for (length, row) in lengths.iter_mut().enumerate().skip(1) {
            code <<= 1;
            let (begin, first) = (code, place);
            while place < symbols.len() && usize::from(LENGTHS[symbols[place] as usize]) == length {
                if length as u32 <= QUICK {
                    let free = QUICK - length as u32;
                    let start = (code << free) as usize;
                    quick[start..start + (1 << free)].fill((symbols[place] as u8, length as u8));
                }
                code += 1;
                place += 1;
            }
            *row = (begin, code, first);
        }
        Self { quick, lengths, symbols }
    }

    /// The symbol that the next bits, left-aligned, begin with, and the length of its code.
    fn longer(&self, bits: u32) -> Option<(u16, u32)> {
        (QUICK as usize + 1..=LONGEST).find_map(|length| {
            let code = bits >> (32 - length);
            let (begin, end, first) = self.lengths[length];
            let symbol = || self.symbols[first + (code - begin) as usize];
            (begin..end).contains(&code).then(|| (symbol(), length as u32))
        })
    }
}

/// Decodes a string.
///
/// # Errors
/// A code that ends the string stands in it, or what fills its last octet is not the beginning of
/// that code, or is a whole octet and more (§5.2).
pub(super) fn decode(coded: &[u8]) -> Result<Vec<u8>, Malformed> {
    let codes = &*CODES;
    // The shortest codes have five bits.
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let mut rest = coded.iter();
    let (mut bits, mut count) = (0_u64, 0_u32);
    loop {
        while count <= 32 {
            let Some(octet) = rest.next() else { break };
            bits |= u64::from(*octet) << (56 - count);
            count += 8;
        }
        let (symbol, length) = codes.quick[(bits >> (64 - QUICK)) as usize];
        let (symbol, length) = match length {
            0 => codes.longer((bits >> 32) as u32).ok_or(NO_CODE)?,
            length => (u16::from(symbol), u32::from(length)),
        };
        if length > count {
            break;
        }
        if symbol == END {
            return Err(NO_CODE);
        }
        text.push(symbol as u8);
        bits <<= length;
        count -= length;
    }
    // What is left are the first bits of the code that ends a string, which are ones.
    let filled = count < 8 && bits == !(u64::MAX.checked_shr(count).unwrap_or(0));
    if filled { Ok(text) } else { Err(Malformed("a Huffman coded string is filled up wrongly")) }
}

const NO_CODE: Malformed = Malformed("a string has bits that are no Huffman code");

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The other way, by the same lengths.
    pub(in super::super) fn encode(text: &[u8]) -> Vec<u8> {
        let codes = &*CODES;
        let (mut out, mut bits, mut count) = (Vec::new(), 0_u64, 0);
        let mut put = |code: u32, length: u32, out: &mut Vec<u8>| {
            bits = bits << length | u64::from(code);
            count += length;
            while count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
            count
        };
        let mut left = 0;
        for octet in text {
            let length = usize::from(LENGTHS[usize::from(*octet)]);
            let (begin, _, first) = codes.lengths[length];
            let place = codes.symbols.iter().position(|s| *s == u16::from(*octet)).unwrap();
            left = put(begin + (place - first) as u32, length as u32, &mut out);
        }
        if left > 0 {
            put((1 << (8 - left)) - 1, 8 - left, &mut out);
        }
        out
    }

    #[test]
    fn codes_are_those_of_the_appendix() {
        for (symbol, code, length) in [
            (b'0', 0x0, 5),
            (b'a', 0x3, 5),
            (b'X', 0xfc, 8),
            (b'!', 0x3f8, 10),
            (0, 0x1ff8, 13),
            (b'\\', 0x7fff0, 19),
            (0xff, 0x3ff_ffee, 26),
            (b'\n', 0x3fff_fffc, 30),
        ] {
            let (begin, _, first) = CODES.lengths[length];
            let place = CODES.symbols.iter().position(|s| *s == u16::from(symbol)).unwrap();
            assert_eq!(begin + (place - first) as u32, code);
            assert_eq!(usize::from(LENGTHS[usize::from(symbol)]), length);
        }
    }

    #[test]
    fn strings_of_the_examples_are_read() {
        // RFC 7541 C.4 and C.6.
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&coded).unwrap(), b"www.example.com");
        assert_eq!(decode(&[0x64, 0x02]).unwrap(), b"302");
        assert_eq!(decode(&[]).unwrap(), b"");
    }

    #[test]
    fn strings_with_wrong_ends_are_refused() {
        // Eight ones; zeros behind a code; the code that ends a string, alone and behind others.
        for coded in
            [&[0xff][..], &[0x00], &[0x1f, 0xff], &[0xff; 4], &[0xff, 0xff, 0xff, 0xff, 0xf1]]
        {
            assert!(decode(coded).is_err(), "{coded:x?}");
        }
        assert_eq!(decode(&[0x07]).unwrap(), b"0");
    }

    proptest! {
        #[test]
        fn any_string_comes_back(text: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&text)).unwrap(), text);
        }

        #[test]
        fn what_is_read_is_written_alike(coded: Vec<u8>) {
            if let Ok(text) = decode(&coded) {
                prop_assert_eq!(encode(&text), coded);
            }
        }
    }
}
