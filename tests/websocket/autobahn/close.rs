//! Section 7: the close handshake.

use super::{Case, close_payload, ping, run, said, text};
use crate::websocket::raw::{CLOSE, CONTINUATION, FIN, TEXT, frame};

fn close(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, payload)
}

fn normal() -> Vec<u8> {
    close(close_payload(1000, ""))
}

#[tokio::test]
async fn section_7_1_what_comes_beside_a_close() {
    let long = "a".repeat(256 << 10);
    let cases = vec![
        // One who leaves cancels the call, so that an echo may be lost.
        Case::new("7.1.1").send(text("a")).send(normal()).echo("a").fails(1000),
        Case::new("7.1.2").send(normal()).send(normal()).fails(1000),
        Case::new("7.1.3").send(normal()).send(ping("late")).fails(1000),
        Case::new("7.1.4").send(normal()).send(text("late")).fails(1000),
        Case::new("7.1.5")
            .send(frame(TEXT, "{"))
            .send(normal())
            .send(frame(FIN | CONTINUATION, "}"))
            .fails(1000),
        Case::new("7.1.6")
            .send(frame(FIN | TEXT, said(&long)))
            .send(normal())
            .send(ping(""))
            .echo(long)
            .fails(1000),
    ];
    run(cases, 6).await;
}

#[tokio::test]
async fn section_7_3_and_7_5_payloads_of_a_close() {
    let cases = vec![
        Case::new("7.3.1").send(close("")).closes(1000),
        Case::new("7.3.2").send(close("a")).closes(1002),
        Case::new("7.3.3").send(normal()).closes(1000),
        Case::new("7.3.4").send(close(close_payload(1000, "Hello World!"))).closes(1000),
        Case::new("7.3.5").send(close(close_payload(1000, "*".repeat(123)))).closes(1000),
        Case::new("7.3.6").send(close(close_payload(1000, "*".repeat(124)))).closes(1002),
        Case::new("7.5.1").send(close(close_payload(1000, b"\xce\xba\xed\xa0\x80"))).closes(1007),
    ];
    run(cases, 7).await;
}

#[tokio::test]
async fn section_7_7_to_7_13_codes_of_a_close() {
    let mut cases = Vec::new();
    for (number, code) in [
        ("7.7.1", 1000),
        ("7.7.2", 1001),
        ("7.7.3", 1002),
        ("7.7.4", 1003),
        ("7.7.5", 1007),
        ("7.7.6", 1008),
        ("7.7.7", 1009),
        ("7.7.8", 1010),
        ("7.7.9", 1011),
        ("7.7.10", 3000),
        ("7.7.11", 3999),
        ("7.7.12", 4000),
        ("7.7.13", 4999),
    ] {
        cases.push(Case::new(number).send(close(close_payload(code, "reason"))).closes(code));
    }
    for (number, code) in [
        ("7.9.1", 0),
        ("7.9.2", 999),
        ("7.9.3", 1004),
        ("7.9.4", 1005),
        ("7.9.5", 1006),
        ("7.9.6", 1016),
        ("7.9.7", 1100),
        ("7.9.8", 2000),
        ("7.9.9", 2999),
        ("7.13.1", 5000),
        ("7.13.2", 65535),
    ] {
        cases.push(Case::new(number).send(close(close_payload(code, ""))).closes(1002));
    }
    run(cases, 24).await;
}
