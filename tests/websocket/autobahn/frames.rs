//! Sections 1 to 5, 9 and 10: framing, pings, reserved bits, opcodes, fragments, limits.

use super::{Case, ping, run, said, sized, sized_binary, text};
use crate::websocket::raw::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, frame};

/// Bits that no extension gives a meaning to.
fn reserved(bits: u8, first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(bits << 4 | first, payload)
}

#[tokio::test]
async fn section_1_frames_of_every_length() {
    let mut cases = vec![
        // An empty text is the half-close here.
        Case::new("1.1.1").send(frame(FIN | TEXT, "")).closes(1000),
        Case::new("1.2.1").binary().send(frame(FIN | BINARY, "")).echo(""),
    ];
    for (number, length) in [
        ("1.1.2", 125),
        ("1.1.3", 126),
        ("1.1.4", 127),
        ("1.1.5", 128),
        ("1.1.6", 65535),
        ("1.1.7", 65536),
        ("1.1.8", 65536),
    ] {
        let (message, text) = sized(length);
        assert_eq!(message.len(), length);
        let case = Case::new(number).send(frame(FIN | TEXT, message)).echo(text);
        cases.push(if number == "1.1.8" { case.chopped(997) } else { case });
    }
    for (number, length) in [
        ("1.2.2", 125),
        ("1.2.3", 126),
        ("1.2.4", 127),
        ("1.2.5", 128),
        ("1.2.6", 65535),
        ("1.2.7", 65536),
        ("1.2.8", 65536),
    ] {
        let (message, text) = sized_binary(length);
        assert_eq!(message.len(), length);
        let case = Case::new(number).binary().send(frame(FIN | BINARY, message)).echo(text);
        cases.push(if number == "1.2.8" { case.chopped(997) } else { case });
    }
    run(cases, 16).await;
}

#[tokio::test]
async fn section_2_pings_and_pongs() {
    let longest = vec![0xfe; 125];
    let many = |number| {
        (0..10_u8).fold(Case::new(number), |case, count| {
            let payload = format!("payload-{count}");
            case.send(ping(&payload)).pong(payload)
        })
    };
    let cases = vec![
        Case::new("2.1").send(ping("")).pong(""),
        Case::new("2.2").send(ping("Hello, world!")).pong("Hello, world!"),
        Case::new("2.3").send(ping(b"\x00\xff\xfe\xfd")).pong(b"\x00\xff\xfe\xfd"),
        Case::new("2.4").send(ping(&longest)).pong(longest.clone()),
        Case::new("2.5").send(ping(vec![0xfe; 126])).fails(1002),
        Case::new("2.6").send(ping(&longest)).chopped(1).pong(longest.clone()),
        Case::new("2.7").send(frame(FIN | PONG, "")),
        Case::new("2.8").send(frame(FIN | PONG, "unsolicited")),
        Case::new("2.9").send(frame(FIN | PONG, "unsolicited")).send(ping("asked")).pong("asked"),
        many("2.10").at_once(),
        many("2.11").chopped(1),
    ];
    run(cases, 11).await;
}

#[tokio::test]
async fn section_3_reserved_bits() {
    let after = |number, frame: Vec<u8>| {
        Case::new(number).send(text("first")).send(frame).send(ping("")).echo("first").fails(1002)
    };
    let cases = vec![
        Case::new("3.1").send(reserved(1, FIN | TEXT, said("a"))).fails(1002),
        after("3.2", reserved(2, FIN | TEXT, said("a"))),
        after("3.3", reserved(3, FIN | TEXT, said("a"))).at_once(),
        after("3.4", reserved(4, FIN | TEXT, said("a"))).chopped(1),
        Case::new("3.5").binary().send(reserved(5, FIN | BINARY, [0xff; 8])).fails(1002),
        Case::new("3.6").send(reserved(6, FIN | PING, "ping")).fails(1002),
        Case::new("3.7").send(reserved(7, FIN | 0x8, [3, 0xe8])).fails(1002),
    ];
    run(cases, 7).await;
}

#[tokio::test]
async fn section_4_reserved_opcodes() {
    let mut cases = Vec::new();
    for (numbers, first) in [
        (["4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.1.5"], 0x3),
        (["4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.2.5"], 0xb),
    ] {
        for (place, number) in numbers.into_iter().enumerate() {
            let opcode = first + place as u8;
            let payload = if place % 2 == 0 { "" } else { "reserved" };
            let bad = frame(FIN | opcode, payload);
            let case = match place {
                ..2 => Case::new(number).send(bad),
                _ => Case::new(number).send(text("a")).send(bad).send(ping("")).echo("a"),
            };
            let case = if place == 4 { case.chopped(1) } else { case };
            cases.push(case.fails(1002));
        }
    }
    run(cases, 10).await;
}

/// A message in fragments, cut in half.
fn halves() -> [Vec<u8>; 2] {
    let message = said("fragmented");
    let (first, second) = message.split_at(message.len() / 2);
    [frame(TEXT, first), frame(FIN | CONTINUATION, second)]
}

/// A case by its writes: frame by frame, all at once, or byte by byte.
fn thrice(numbers: [&'static str; 3], build: impl Fn(Case) -> Case) -> [Case; 3] {
    let [framed, whole, bytes] = numbers.map(|number| build(Case::new(number)));
    [framed, whole.at_once(), bytes.chopped(1)]
}

#[tokio::test]
async fn section_5_fragments() {
    let [first, second] = halves();
    let mut cases = vec![
        Case::new("5.1")
            .send(frame(PING, "frag"))
            .send(frame(FIN | CONTINUATION, "ment"))
            .fails(1002),
        Case::new("5.2")
            .send(frame(PONG, "frag"))
            .send(frame(FIN | CONTINUATION, "ment"))
            .fails(1002),
    ];
    cases.extend(thrice(["5.3", "5.4", "5.5"], |case| {
        case.send(first.clone()).send(second.clone()).echo("fragmented")
    }));
    cases.extend(thrice(["5.6", "5.7", "5.8"], |case| {
        let case = case.send(first.clone()).send(ping("between")).send(second.clone());
        case.echo("fragmented").pong("between")
    }));
    cases.extend(thrice(["5.9", "5.10", "5.11"], |case| {
        case.send(frame(FIN | CONTINUATION, "of nothing")).send(text("a")).fails(1002)
    }));
    cases.extend(thrice(["5.12", "5.13", "5.14"], |case| {
        case.send(frame(CONTINUATION, "of nothing")).send(text("a")).fails(1002)
    }));
    let twice = |number, nothing: u8| {
        (0..2).fold(Case::new(number), |case, _| {
            case.send(frame(nothing, "of nothing")).send(first.clone()).send(second.clone())
        })
    };
    cases.extend([
        Case::new("5.15")
            .send(first.clone())
            .send(second.clone())
            .send(frame(CONTINUATION, "of nothing"))
            .send(text("a"))
            .echo("fragmented")
            .fails(1002),
        twice("5.16", CONTINUATION).fails(1002),
        twice("5.17", FIN | CONTINUATION).fails(1002),
        Case::new("5.18").send(first.clone()).send(frame(FIN | TEXT, "two")).fails(1002),
    ]);
    for number in ["5.19", "5.20"] {
        let message = said("five fragments");
        let mut parts = message.chunks(message.len().div_ceil(5));
        let mut next = |first| frame(first, parts.next().unwrap());
        let case = Case::new(number)
            .send(next(TEXT))
            .send(next(CONTINUATION))
            .send(ping("one"))
            .send(next(CONTINUATION))
            .send(next(CONTINUATION))
            .send(ping("two"))
            .send(next(FIN | CONTINUATION));
        let case = case.pong("one").pong("two").echo("five fragments");
        cases.push(if number == "5.20" { case.chopped(1) } else { case });
    }
    run(cases, 20).await;
}

/// A message in fragments of a size.
fn fragments(case: Case, first: u8, message: &[u8], size: usize) -> Case {
    let count = message.len().div_ceil(size);
    message.chunks(size).enumerate().fold(case, |case, (place, part)| {
        let opcode = if place == 0 { first } else { CONTINUATION };
        case.send(frame(if place + 1 == count { FIN | opcode } else { opcode }, part))
    })
}

#[tokio::test]
async fn section_9_long_messages() {
    let mut cases = Vec::new();
    for (number, length) in [("9.1.1", 64 << 10), ("9.1.3", 1 << 20), ("9.1.4", 4 << 20)] {
        let (message, text) = sized(length);
        cases.push(Case::new(number).send(frame(FIN | TEXT, message)).echo(text));
    }
    for (number, length) in [("9.2.1", 64 << 10), ("9.2.3", 1 << 20)] {
        let (message, text) = sized_binary(length);
        cases.push(Case::new(number).binary().send(frame(FIN | BINARY, message)).echo(text));
    }
    // Above the limit, which the suite doesn't expect.
    let (message, _) = sized(8 << 20);
    cases.push(Case::new("9.1.5").send(frame(FIN | TEXT, message)).fails(1009));
    for (number, size) in [("9.3.3", 1 << 10), ("9.3.5", 16 << 10), ("9.3.9", 4 << 20)] {
        let (message, text) = sized(4 << 20);
        cases.push(fragments(Case::new(number), TEXT, &message, size).at_once().echo(text));
    }
    let (message, text) = sized_binary(1 << 20);
    let case = fragments(Case::new("9.4.1").binary(), BINARY, &message, 64);
    cases.push(case.at_once().echo(text));
    for (number, size) in [("9.5.1", 64), ("9.5.4", 512), ("9.5.6", 2048)] {
        let (message, text) = sized(1 << 18);
        cases.push(Case::new(number).send(frame(FIN | TEXT, message)).chopped(size).echo(text));
    }
    for (number, length) in [("9.7.2", 16), ("9.7.4", 256), ("9.7.6", 4096)] {
        let (message, text) = sized(length);
        let many = (0..1000).fold(Case::new(number), |case, _| {
            case.send(frame(FIN | TEXT, &message)).echo(text.clone())
        });
        cases.push(many);
    }
    run(cases, 15).await;
}

#[tokio::test]
async fn section_10_fragments_of_a_network_packet() {
    let (message, text) = sized(65536);
    run(vec![fragments(Case::new("10.1.1"), TEXT, &message, 1300).echo(text)], 1).await;
}
