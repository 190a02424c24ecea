//! The examples of RFC 7541, hostile blocks, and each side against the other.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 64 << 10;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn list(fields: &Fields) -> Vec<(String, String)> {
    assert_eq!(fields.fault, None);
    let status = fields.status.iter().map(|status| (":status".into(), status.as_str().into()));
    let others = fields.list.iter();
    let others = others.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    status.chain(others).collect()
}

/// Blocks of one connection, what each says, and how large the table is behind it.
type Blocks<'a> = &'a [(&'a str, &'a [(&'a str, &'a str)], usize)];

fn assert_decodes(mut decoder: Decoder, blocks: Blocks) {
    for (block, fields, size) in blocks {
        let decoded = list(&decoder.decode(&octets(block)).unwrap());
        let wanted: Vec<_> = fields.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        assert_eq!(decoded, wanted);
        assert_eq!(decoder.table_size(), *size);
    }
}

const DATE: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const LATER: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const PLACE: &str = "https://www.example.com";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/// C.5 and C.6 tell the same responses, to a table of 256 octets.
fn responses(blocks: [&str; 3]) {
    let mut decoder = Decoder::new(LIMIT);
    // As if the table's size had been agreed on before.
    decoder.decode(&octets("3fe101")).unwrap();
    let first =
        [(":status", "302"), ("cache-control", "private"), ("date", DATE), ("location", PLACE)];
    let second = [(":status", "307"), first[1], first[2], first[3]];
    let third = [
        (":status", "200"),
        first[1],
        ("date", LATER),
        first[3],
        ("content-encoding", "gzip"),
        ("set-cookie", COOKIE),
    ];
    assert_decodes(
        decoder,
        &[(blocks[0], &first, 222), (blocks[1], &second, 222), (blocks[2], &third, 215)],
    );
}

#[test]
fn responses_without_huffman_codes_are_read() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
         3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
         677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
         553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ]);
}

#[test]
fn responses_with_huffman_codes_are_read() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
         4ee5 b106 3d50 07",
    ]);
}

#[test]
fn literals_are_read_as_in_the_examples() {
    // C.2.1 and C.2.3; the others of C.2 to C.4 have fields that only requests have.
    let block = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    let fields = [("custom-key", "custom-header")];
    assert_decodes(Decoder::new(LIMIT), &[(block, &fields, 55), ("be", &fields, 55)]);
    let secret = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    assert_decodes(Decoder::new(LIMIT), &[(secret, &[("password", "secret")], 0)]);
}

#[test]
fn requests_are_written_as_in_the_examples() {
    // C.3: the same fields, written by our own encoder.
    let mut encoder = Encoder::new();
    let mut block = |fields: &[(&str, &str)]| {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for index in [2, 6, 4] {
            encoder.fixed(&mut out, index);
        }
        for (name, value) in fields {
            encoder.field(&mut out, name.as_bytes(), value.as_bytes(), Indexing::Always);
        }
        out
    };
    let authority = (":authority", "www.example.com");
    let first = block(&[authority]);
    assert_eq!(first, octets("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"));
    let second = block(&[authority, ("cache-control", "no-cache")]);
    assert_eq!(second, octets("8286 84be 5808 6e6f 2d63 6163 6865"));
}

#[test]
fn malformed_blocks_are_refused() {
    for (block, why) in [
        ("80", "index 0"),
        ("be", "an empty table"),
        ("ff80808001", "an index beyond the tables"),
        ("7f80808001 0161", "a name beyond the tables"),
        ("88 20", "a size behind a field"),
        ("3fe21f", "a size above 4096"),
        ("3f80808080", "a size without end"),
        ("00", "no name"),
        ("0001", "a name that is cut"),
        ("000161", "no value"),
        ("00016105", "a value that is cut"),
        ("000161 84ffffffff", "a Huffman code that ends the string"),
        ("000161 8100", "zeros behind the Huffman codes"),
        ("000161 82ffff", "ones of more than an octet"),
    ] {
        assert!(Decoder::new(LIMIT).decode(&octets(block)).is_err(), "{why}");
    }
}

#[test]
fn fields_that_may_not_be_there_are_told() {
    for (block, why) in [
        ("83", ":method in a response"),
        ("88 88", "a status twice"),
        ("0f10 0131 88", "a status behind other fields"),
        ("48 0261 62", "a status that is no number"),
        ("00 0141 0131", "an upper-case name"),
        ("00 00 0131", "a name of no octets"),
        ("00 0161 010a", "a line break in a value"),
        ("00 0a636f6e6e656374696f6e 05636c6f7365", "connection: close"),
        ("0f2a 076368756e6b6564", "transfer-encoding: chunked"),
    ] {
        let fields = Decoder::new(LIMIT).decode(&octets(block)).unwrap();
        assert!(fields.fault.is_some(), "{why}: {fields:?}");
    }
}

#[test]
fn bomb_of_references_is_told_and_kept_nowhere() {
    let mut decoder = Decoder::new(LIMIT);
    // One field of 4,000 octets in the table, and 100,000 references to it.
    let mut block = vec![0x40, 1, b'a'];
    primitive::write_string(&mut block, &[b'x'; 4000]);
    block.resize(block.len() + 100_000, 0xbe);
    let fields = decoder.decode(&block).unwrap();
    assert!(fields.fault.is_some_and(|fault| fault.contains("64 KiB")));
    assert!(fields.list.len() < 20);
    // The table is in step: the next block is read as it should be.
    assert_eq!(list(&decoder.decode(&[0x88, 0xbe]).unwrap()).len(), 2);
}

#[test]
fn large_fields_are_told_and_the_table_stays_in_step() {
    let mut decoder = Decoder::new(LIMIT);
    let mut block = vec![0x88, 0x00, 1, b'a'];
    primitive::write_string(&mut block, &vec![b'x'; 70_000]);
    // Behind the limit: skipped, by name and by index, and one that goes into the table.
    block.extend([0x00, 1, b'b', 1, b'1', 0x0f, 0x10, 1, b'1', 0x40, 1, b'c', 1, b'2']);
    assert!(decoder.decode(&block).unwrap().fault.is_some());
    assert_eq!(list(&decoder.decode(&[0xbe]).unwrap()), [("c".to_owned(), "2".to_owned())]);
}

#[test]
fn secrets_and_what_comes_once_stay_out_of_the_table() {
    let mut encoder = Encoder::new();
    let mut write = |name: &str, value: &str, indexing| {
        let mut out = Vec::new();
        encoder.field(&mut out, name.as_bytes(), value.as_bytes(), indexing);
        out
    };
    for _ in 0..3 {
        assert_eq!(write("authorization", "a", Indexing::Never), [0x1f, 8, 1, b'a']);
    }
    assert_eq!(write("x", "1", Indexing::Repeated)[0], 0x00);
    assert_eq!(write("x", "1", Indexing::Repeated)[0], 0x40);
    assert_eq!(write("x", "1", Indexing::Repeated), [0xbe]);
    assert_eq!(write("x", "2", Indexing::Repeated)[0], 0x00);
}

#[test]
fn peer_that_keeps_less_is_told_what_is_used() {
    let (mut encoder, mut out) = (Encoder::new(), Vec::new());
    encoder.field(&mut out, b"x", b"1", Indexing::Always);
    encoder.set_limit(0);
    encoder.set_limit(100);
    let mut block = Vec::new();
    encoder.begin(&mut block);
    encoder.field(&mut block, b"x", b"1", Indexing::Always);
    assert_eq!(block, [0x20, 0x3f, 69, 0x40, 1, b'x', 1, b'1']);
    let mut again = Vec::new();
    encoder.begin(&mut again);
    assert!(again.is_empty());
    encoder.set_limit(1 << 20);
    encoder.begin(&mut again);
    assert_eq!(again, octets("3fe11f"));
}

fn any_field() -> impl Strategy<Value = (String, Vec<u8>, u8)> {
    let name = prop_oneof!["[a-z][a-z0-9-]{0,20}", Just("content-type".to_owned())];
    (name, prop::collection::vec(0x20_u8..0x7f, 0..60), 0_u8..3)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        blocks in prop::collection::vec(prop::collection::vec(any_field(), 0..12), 1..12),
        limits in prop::collection::vec(0_usize..5000, 12),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(1 << 20));
        for (fields, limit) in blocks.iter().zip(limits) {
            let mut out = Vec::new();
            encoder.set_limit(limit);
            encoder.begin(&mut out);
            for (name, value, indexing) in fields {
                let indexing = [Indexing::Always, Indexing::Repeated, Indexing::Never][usize::from(*indexing)];
                encoder.field(&mut out, name.as_bytes(), value, indexing);
            }
            let decoded = decoder.decode(&out).unwrap();
            let wanted: Vec<_> = fields
                .iter()
                .filter(|(name, ..)| !matches!(name.as_str(), "connection" | "upgrade"))
                .map(|(name, value, _)| {
                    (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap())
                })
                .collect();
            prop_assert_eq!(decoded.list, wanted);
        }
    }

    #[test]
    fn any_octets_are_read_without_harm(blocks: Vec<Vec<u8>>) {
        let mut decoder = Decoder::new(LIMIT);
        for block in &blocks {
            if decoder.decode(block).is_err() {
                break;
            }
            prop_assert!(decoder.table_size() <= TABLE_SIZE);
        }
    }

    #[test]
    fn huffman_codes_in_a_block_are_read(value in prop::collection::vec(0x20_u8..0x7f, 0..60)) {
        let coded = huffman::tests::encode(&value);
        let mut block = vec![0x00, 1, b'a'];
        primitive::write_integer(&mut block, 0x80, 7, coded.len());
        block.extend_from_slice(&coded);
        let fields = Decoder::new(LIMIT).decode(&block).unwrap();
        prop_assert_eq!(fields.list[0].1.as_bytes(), &value[..]);
    }
}
