//! Section 6: what is UTF-8 and what is not.

use super::{Case, run, said};
use crate::websocket::raw::{CONTINUATION, FIN, TEXT, frame};

/// The JSON of a message whose text is these bytes, UTF-8 or not.
fn said_bytes(bytes: &[u8]) -> Vec<u8> {
    [br#"{"text":""#, bytes, br#""}"#].concat()
}

/// A message in fragments that are cut at these places.
fn cut(number: &'static str, message: &[u8], places: &[usize]) -> Case {
    let mut case = Case::new(number);
    let mut begin = 0;
    for (count, end) in places.iter().copied().chain([message.len()]).enumerate() {
        let opcode = if count == 0 { TEXT } else { CONTINUATION };
        let fin = if end == message.len() { FIN } else { 0 };
        case = case.send(frame(fin | opcode, &message[begin..end]));
        begin = end;
    }
    case
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[tokio::test]
async fn section_6_1_to_6_4_fragments_of_texts() {
    let valid = "Hello-µ@ßöäüàá-UTF-8!!";
    let message = said(valid);
    let every: Vec<usize> = (1..message.len()).collect();
    let short = said("κόσμε");
    let every_short: Vec<usize> = (1..short.len()).collect();
    let broken = said_bytes(&bytes("cebae1bdb9cf83cebcceb5eda080656469746564"));
    let every_broken: Vec<usize> = (1..broken.len()).collect();
    let fault = 9 + 13;
    let empty = |opcode| frame(opcode, "");
    let cases = vec![
        // Empty texts are half-closes here.
        Case::new("6.1.1").send(frame(FIN | TEXT, "")).closes(1000),
        Case::new("6.1.2")
            .send(empty(TEXT))
            .send(empty(CONTINUATION))
            .send(empty(FIN | CONTINUATION))
            .closes(1000),
        Case::new("6.1.3")
            .send(empty(TEXT))
            .send(frame(CONTINUATION, said("middle")))
            .send(empty(FIN | CONTINUATION))
            .echo("middle"),
        cut("6.2.1", &message, &[]).echo(valid),
        cut("6.2.2", &message, &[9 + 5]).echo(valid),
        cut("6.2.3", &message, &every).echo(valid),
        cut("6.2.4", &short, &every_short).echo("κόσμε"),
        cut("6.3.1", &broken, &[]).fails(1007),
        cut("6.3.2", &broken, &every_broken).fails(1007),
        cut("6.4.1", &broken, &[fault - 1, fault + 2]).fails(1007),
        cut("6.4.2", &broken, &[fault, fault + 1]).fails(1007),
        cut("6.4.3", &broken, &[]).chopped(fault).fails(1007),
        cut("6.4.4", &broken, &[]).chopped(1).fails(1007),
    ];
    run(cases, 13).await;
}

/// Texts by case: the bytes, and whether they are UTF-8. Most are of Markus Kuhn's list.
const TEXTS: &[(&str, &str, bool)] = &[
    ("6.5.1", "cebae1bdb9cf83cebcceb5", true),
    ("6.6.1", "ce", false),
    ("6.6.2", "ceba", true),
    ("6.6.3", "cebae1", false),
    ("6.6.4", "cebae1bd", false),
    ("6.6.5", "cebae1bdb9", true),
    ("6.6.6", "cebae1bdb9cf", false),
    ("6.6.7", "cebae1bdb9cf83", true),
    ("6.6.8", "cebae1bdb9cf83ce", false),
    ("6.6.9", "cebae1bdb9cf83cebc", true),
    ("6.6.10", "cebae1bdb9cf83cebcce", false),
    ("6.6.11", "cebae1bdb9cf83cebcceb5", true),
    ("6.7.2", "c280", true),
    ("6.7.3", "e0a080", true),
    ("6.7.4", "f0908080", true),
    ("6.8.1", "f888808080", false),
    ("6.8.2", "fc8480808080", false),
    ("6.9.1", "7f", true),
    ("6.9.2", "dfbf", true),
    ("6.9.3", "efbfbf", true),
    ("6.9.4", "f48fbfbf", true),
    ("6.10.1", "f7bfbfbf", false),
    ("6.10.2", "fbbfbfbfbf", false),
    ("6.10.3", "fdbfbfbfbfbf", false),
    ("6.11.1", "ed9fbf", true),
    ("6.11.2", "ee8080", true),
    ("6.11.3", "efbfbd", true),
    ("6.11.4", "f48fbfbf", true),
    ("6.11.5", "f4908080", false),
    ("6.12.1", "80", false),
    ("6.12.2", "bf", false),
    ("6.12.3", "80bf", false),
    ("6.12.4", "80bf80", false),
    ("6.12.5", "80bf80bf", false),
    ("6.12.6", "80bf80bf80", false),
    ("6.12.7", "80bf80bf80bf", false),
    ("6.12.8", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0bf", false),
    ("6.13.1", "c020c120c220c320df20", false),
    ("6.13.2", "e020e120e220ef20", false),
    ("6.13.3", "f020f120f720", false),
    ("6.13.4", "f820f920fa20fb20", false),
    ("6.13.5", "fc20fd20", false),
    ("6.14.1", "c0", false),
    ("6.14.2", "e080", false),
    ("6.14.3", "f08080", false),
    ("6.14.4", "f8808080", false),
    ("6.14.5", "fc80808080", false),
    ("6.14.6", "df", false),
    ("6.14.7", "efbf", false),
    ("6.14.8", "f7bfbf", false),
    ("6.14.9", "fbbfbfbf", false),
    ("6.14.10", "fdbfbfbfbf", false),
    ("6.15.1", "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf", false),
    ("6.16.1", "fe", false),
    ("6.16.2", "ff", false),
    ("6.16.3", "fefeffff", false),
    ("6.17.1", "c0af", false),
    ("6.17.2", "e080af", false),
    ("6.17.3", "f08080af", false),
    ("6.17.4", "f8808080af", false),
    ("6.17.5", "fc80808080af", false),
    ("6.18.1", "c1bf", false),
    ("6.18.2", "e09fbf", false),
    ("6.18.3", "f08fbfbf", false),
    ("6.18.4", "f887bfbfbf", false),
    ("6.18.5", "fc83bfbfbfbf", false),
    ("6.19.1", "c080", false),
    ("6.19.2", "e08080", false),
    ("6.19.3", "f0808080", false),
    ("6.19.4", "f880808080", false),
    ("6.19.5", "fc8080808080", false),
    ("6.20.1", "eda080", false),
    ("6.20.2", "edadbf", false),
    ("6.20.3", "edae80", false),
    ("6.20.4", "edafbf", false),
    ("6.20.5", "edb080", false),
    ("6.20.6", "edbe80", false),
    ("6.20.7", "edbfbf", false),
    ("6.21.1", "eda080edb080", false),
    ("6.21.2", "eda080edbfbf", false),
    ("6.21.3", "edadbfedb080", false),
    ("6.21.4", "edadbfedbfbf", false),
    ("6.21.5", "edae80edb080", false),
    ("6.21.6", "edae80edbfbf", false),
    ("6.21.7", "edafbfedb080", false),
    ("6.21.8", "edafbfedbfbf", false),
    ("6.22.1", "efbfbe", true),
    ("6.22.2", "efbfbf", true),
    ("6.22.3", "f09fbfbe", true),
    ("6.22.4", "f09fbfbf", true),
    ("6.22.5", "f0afbfbe", true),
    ("6.22.6", "f0afbfbf", true),
    ("6.22.33", "f48fbfbe", true),
    ("6.22.34", "f48fbfbf", true),
    ("6.23.1", "efbfb9", true),
    ("6.23.2", "efbfba", true),
    ("6.23.3", "efbfbb", true),
    ("6.23.4", "efbfbc", true),
    ("6.23.5", "efbfbd", true),
    ("6.23.6", "efbfbe", true),
    ("6.23.7", "efbfbf", true),
];

#[tokio::test]
async fn section_6_5_to_6_23_texts_that_are_utf8_and_that_are_not() {
    // NUL is UTF-8, but no character of a JSON string.
    let mut cases = vec![Case::new("6.7.1").send(frame(FIN | TEXT, said_bytes(&[0]))).closes(4003)];
    for (number, hex, is_valid) in TEXTS {
        let bytes = bytes(hex);
        let case = Case::new(number).send(frame(FIN | TEXT, said_bytes(&bytes)));
        cases.push(match is_valid {
            true => case.echo(String::from_utf8(bytes).unwrap()),
            false => case.fails(1007),
        });
    }
    run(cases, 100).await;
}
