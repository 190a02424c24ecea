//! Peers that break rules, each with what it costs them; and peers that do odd things they may do.

use super::{
    peer::{OK, Peer, STATUS, connect, data, greeted, headers, octets, reply, settings, trailers},
    *,
};
use crate::upstream::http2::{
    End, MAX_FRAME, STREAM_WINDOW,
    frame::{flag, kind},
};

/// Opens call 1, says this, and tells what came of the call; then what the peer heard of the
/// connection's end, if it ended.
async fn case(said: &[u8]) -> (Outcome, Option<ErrorCode>) {
    let (client, driver, mut peer) = greeted(&[]).await;
    let mut call = open(&client, Some(b"ask"));
    peer.hear_of(kind::DATA).await;
    peer.shout(said).await;
    let outcome = outcome(&mut call).await;
    drop((call, client));
    let goodbye = peer.hear_of(kind::GOAWAY).await;
    let code = ErrorCode(u32::from_be_bytes(goodbye.payload[4..8].try_into().unwrap()));
    drop(peer);
    soon(driver).await.unwrap();
    (outcome, (code != ErrorCode::NO_ERROR).then_some(code))
}

fn padded(stream: u32, flags: u8, padding: u8, payload: &[u8]) -> Vec<u8> {
    octets(kind::DATA, flags | flag::PADDED, stream, &[&[padding], payload].concat())
}

const PROTOCOL: ErrorCode = ErrorCode::PROTOCOL_ERROR;
const SIZE: ErrorCode = ErrorCode::FRAME_SIZE_ERROR;
const FLOW: ErrorCode = ErrorCode::FLOW_CONTROL_ERROR;
const COMPRESSION: ErrorCode = ErrorCode::COMPRESSION_ERROR;
const CALM: ErrorCode = ErrorCode::ENHANCE_YOUR_CALM;

#[tokio::test]
async fn rules_that_cost_the_connection() {
    let large = 16 << 10;
    let cases: Vec<(&str, Vec<u8>, ErrorCode)> = vec![
        ("a frame larger than allowed", data(1, &vec![0; MAX_FRAME + 1]), SIZE),
        ("DATA on no stream", data(0, b""), PROTOCOL),
        ("DATA on a stream of the peer", data(2, b""), PROTOCOL),
        ("DATA on a stream to come", data(3, b""), PROTOCOL),
        ("DATA of padding and no length", octets(kind::DATA, flag::PADDED, 1, b""), PROTOCOL),
        (
            "DATA with too much padding",
            [headers(1, OK), padded(1, 0, 4, b"abc")].concat(),
            PROTOCOL,
        ),
        ("HEADERS on no stream", headers(0, OK), PROTOCOL),
        ("HEADERS on a stream of the peer", headers(2, OK), PROTOCOL),
        ("HEADERS on a stream to come", headers(3, OK), PROTOCOL),
        ("HEADERS with too much padding", octets(kind::HEADERS, 0x0c, 1, b"\x02\x88"), PROTOCOL),
        ("HEADERS with half a priority", octets(kind::HEADERS, 0x24, 1, b"\x00\x00"), PROTOCOL),
        ("a block that is malformed", headers(1, b"\xff\xff\xff\xff\xff"), COMPRESSION),
        ("a field that no table has", headers(1, b"\x80"), COMPRESSION),
        (
            "a block that is interrupted",
            [octets(kind::HEADERS, 0, 1, OK), data(1, b"")].concat(),
            PROTOCOL,
        ),
        (
            "a block that is interrupted by another's end",
            [octets(kind::HEADERS, 0, 1, OK), octets(kind::CONTINUATION, 4, 3, b"")].concat(),
            PROTOCOL,
        ),
        ("CONTINUATION of nothing", octets(kind::CONTINUATION, 4, 1, OK), PROTOCOL),
        (
            "a flood of CONTINUATION",
            [octets(kind::HEADERS, 0, 1, OK), octets(kind::CONTINUATION, 0, 1, b"").repeat(1000)]
                .concat(),
            CALM,
        ),
        (
            "an endless block",
            [
                octets(kind::HEADERS, 0, 1, OK),
                octets(kind::CONTINUATION, 0, 1, &vec![0; large]).repeat(17),
            ]
            .concat(),
            CALM,
        ),
        ("PRIORITY on no stream", octets(kind::PRIORITY, 0, 0, b"12345"), PROTOCOL),
        ("RST_STREAM on no stream", octets(kind::RST_STREAM, 0, 0, &[0; 4]), PROTOCOL),
        ("RST_STREAM on a stream to come", octets(kind::RST_STREAM, 0, 3, &[0; 4]), PROTOCOL),
        ("RST_STREAM of three octets", octets(kind::RST_STREAM, 0, 1, &[0; 3]), SIZE),
        ("SETTINGS on a stream", octets(kind::SETTINGS, 0, 1, b""), PROTOCOL),
        ("SETTINGS of five octets", octets(kind::SETTINGS, 0, 0, &[0; 5]), SIZE),
        ("SETTINGS ACK of six octets", octets(kind::SETTINGS, flag::ACK, 0, &[0; 6]), SIZE),
        ("SETTINGS that ask to be pushed to", settings(&[(2, 1)]), PROTOCOL),
        ("SETTINGS with a window too large", settings(&[(4, 1 << 31)]), FLOW),
        ("SETTINGS with a frame too small", settings(&[(5, 100)]), PROTOCOL),
        (
            "SETTINGS that make a window too large",
            [
                octets(kind::WINDOW_UPDATE, 0, 1, &(1_u32 << 30).to_be_bytes()),
                settings(&[(4, (1 << 30) + (1 << 29))]),
            ]
            .concat(),
            FLOW,
        ),
        ("PUSH_PROMISE", octets(kind::PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x88"), PROTOCOL),
        ("PING on a stream", octets(kind::PING, 0, 1, &[0; 8]), PROTOCOL),
        ("PING of seven octets", octets(kind::PING, 0, 0, &[0; 7]), SIZE),
        ("GOAWAY on a stream", octets(kind::GOAWAY, 0, 1, &[0; 8]), PROTOCOL),
        ("GOAWAY of seven octets", octets(kind::GOAWAY, 0, 0, &[0; 7]), SIZE),
        ("WINDOW_UPDATE of three octets", octets(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), SIZE),
        ("WINDOW_UPDATE of nothing", octets(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), PROTOCOL),
        ("WINDOW_UPDATE on a stream to come", octets(kind::WINDOW_UPDATE, 0, 3, &[1; 4]), PROTOCOL),
        (
            "WINDOW_UPDATE beyond the largest",
            octets(kind::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            FLOW,
        ),
    ];
    for (what, said, code) in cases {
        let (outcome, goodbye) = case(&said).await;
        assert!(
            matches!(outcome.lost, Some(Lost::Broken(lost, _)) if lost == code),
            "{what}: {outcome:?}"
        );
        assert_eq!(goodbye, Some(code), "{what}");
    }
}

#[tokio::test]
async fn rules_that_cost_the_stream_alone() {
    let mut too_large = b"\x88\x00\x01a".to_vec();
    // A value of 70,000 octets.
    too_large.extend_from_slice(&[0x7f, 0xf1, 0xa1, 0x04]);
    too_large.resize(too_large.len() + 70_000, b'x');
    let flood = data(1, &vec![0; 64 << 10]).repeat(STREAM_WINDOW as usize / (64 << 10));
    let cases: Vec<(&str, Vec<u8>, ErrorCode)> = vec![
        ("DATA before HEADERS", data(1, b"abc"), PROTOCOL),
        ("a head without a status", headers(1, STATUS), PROTOCOL),
        ("a head with a status twice", headers(1, b"\x88\x88"), PROTOCOL),
        ("a head with a field of requests", headers(1, b"\x88\x83"), PROTOCOL),
        ("a head that is too large", headers(1, &too_large), PROTOCOL),
        ("an upper-case name", headers(1, b"\x88\x00\x01A\x01b"), PROTOCOL),
        ("connection: close", headers(1, b"\x88\x00\x0aconnection\x05close"), PROTOCOL),
        ("101 Switching Protocols", headers(1, b"\x08\x03101"), PROTOCOL),
        ("an end before the final head", trailers(1, b"\x08\x03100"), PROTOCOL),
        ("trailers with a status line", [headers(1, OK), trailers(1, OK)].concat(), PROTOCOL),
        ("a head in the middle", [headers(1, OK), headers(1, STATUS)].concat(), PROTOCOL),
        ("DATA beyond the window", [headers(1, OK), flood, data(1, b"x")].concat(), FLOW),
        ("WINDOW_UPDATE of nothing", octets(kind::WINDOW_UPDATE, 0, 1, &[0; 4]), PROTOCOL),
        (
            "WINDOW_UPDATE beyond the largest",
            octets(kind::WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes()),
            FLOW,
        ),
        ("PRIORITY of four octets", octets(kind::PRIORITY, 0, 1, b"1234"), SIZE),
    ];
    for (what, said, code) in cases {
        let (client, _driver, mut peer) = greeted(&[]).await;
        let mut call = open(&client, Some(b"ask"));
        peer.hear_of(kind::DATA).await;
        peer.say(&said).await;
        let reset = peer.hear_of(kind::RST_STREAM).await;
        assert_eq!(reset.payload, code.0.to_be_bytes(), "{what}");
        let outcome = outcome(&mut call).await;
        assert!(
            matches!(outcome.lost, Some(Lost::Misbehaved(lost, _)) if lost == code),
            "{what}: {outcome:?}"
        );
        // The next call on the connection goes well.
        let mut call = open(&client, Some(b"ask"));
        peer.say(&reply(3, b"answer")).await;
        assert_eq!(super::outcome(&mut call).await.data, b"answer", "{what}");
    }
}

#[tokio::test]
async fn odd_things_that_peers_may_do() {
    let informational = headers(1, b"\x08\x03103\x00\x04link\x01x");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("informational heads", informational.repeat(3)),
        (
            "frames that nobody knows",
            [octets(0xbe, 0xff, 1, b"abc"), octets(0xfe, 0, 77, b"")].concat(),
        ),
        ("a large frame that nobody knows", octets(0xbe, 0, 0, &vec![1; 100_000])),
        ("PRIORITY on a stream to come", octets(kind::PRIORITY, 0, 99, b"12345")),
        ("SETTINGS that nobody knows", settings(&[(0xabcd, 1)])),
        ("an acknowledgement", octets(kind::SETTINGS, flag::ACK, 0, b"")),
        ("an answer to no PING", octets(kind::PING, flag::ACK, 0, &[0; 8])),
        ("a reserved bit", octets(kind::WINDOW_UPDATE, 0, 0x8000_0001, &[0x80, 0, 0, 1])),
        ("a table of nothing", settings(&[(1, 0)])),
    ];
    let block = [OK, b"\x00\x01a\x01b"].concat();
    let split = [
        octets(kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, b"\x0212345\x88\0\0"),
        octets(kind::CONTINUATION, 0, 1, b""),
        octets(kind::CONTINUATION, flag::END_HEADERS, 1, &block[1..]),
        padded(1, 0, 3, b"ans\0\0\0"),
        padded(1, 0, 0, b""),
        data(1, b""),
        padded(1, 0, 255, &[b"wer".as_slice(), &[0; 255]].concat()),
        trailers(1, STATUS),
    ]
    .concat();
    for (what, said) in cases {
        let said = [&said, &split[..]].concat();
        let (outcome, goodbye) = case(&said).await;
        assert_eq!(goodbye, None, "{what}");
        assert_eq!((outcome.status, outcome.lost), (Some(200), None), "{what}");
        assert_eq!(outcome.fields, [field("a", "b")], "{what}");
        assert_eq!(outcome.data, b"answer", "{what}");
        assert_eq!(outcome.trailers, Some(vec![field("grpc-status", "0")]), "{what}");
    }
}

#[tokio::test]
async fn replies_are_the_same_wherever_the_stream_is_cut() {
    let said = [
        settings(&[(3, 100)]),
        headers(1, b"\x88\x40\x01a\x01b"),
        data(1, b"one"),
        data(1, b"two"),
        octets(kind::PING, 0, 0, b"12345678"),
        padded(1, 0, 2, b"three\0\0"),
        data(1, b""),
        data(1, b"four"),
        octets(kind::HEADERS, flag::END_STREAM, 1, &STATUS[..4]),
        octets(kind::CONTINUATION, flag::END_HEADERS, 1, &STATUS[4..]),
    ]
    .concat();
    for cut in 0..=said.len() {
        let (client, _driver, mut peer) = connect().await;
        let mut call = open(&client, Some(b"ask"));
        peer.hear_of(kind::DATA).await;
        peer.say(&said[..cut]).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        peer.say(&said[cut..]).await;
        let outcome = outcome(&mut call).await;
        assert_eq!(outcome.data, b"onetwothreefour", "{cut}");
        assert_eq!(outcome.fields, [field("a", "b")], "{cut}");
        assert_eq!(outcome.trailers, Some(vec![field("grpc-status", "0")]), "{cut}");
        assert_eq!(peer.hear_of(kind::PING).await.flags, flag::ACK);
    }
}

#[tokio::test]
async fn first_frame_has_to_be_settings() {
    for said in [headers(1, OK), octets(kind::SETTINGS, flag::ACK, 0, b""), octets(0xbe, 0, 0, b"")]
    {
        let (_client, driver, mut peer) = connect().await;
        peer.say(&said).await;
        let end = soon(driver).await.unwrap();
        assert!(matches!(end, End::Broken(PROTOCOL, _)), "{end:?}");
    }
}

#[tokio::test]
async fn peer_that_asks_and_never_reads_is_given_up() {
    let flooding = |frame: Vec<u8>| async move {
        let (_client, driver, mut peer) = super::peer::connect_through(4096).await;
        peer.say(&settings(&[])).await;
        let mut flood = tokio::spawn(async move {
            loop {
                peer.shout(&frame).await;
                tokio::task::yield_now().await;
            }
        });
        let end = tokio::select! {
            end = driver => end.unwrap(),
            _ = &mut flood => unreachable!(),
        };
        flood.abort();
        end
    };
    for frame in [octets(kind::PING, 0, 0, &[0; 8]), settings(&[])] {
        let end = soon(flooding(frame)).await;
        assert!(matches!(end, End::Broken(CALM, _)), "{end:?}");
    }
}

/// Waits until the client has taken all that was said, and tells what it answered before.
async fn settled(peer: &mut Peer) -> Vec<super::peer::Heard> {
    peer.say(&octets(kind::PING, 0, 0, b"settled?")).await;
    let mut before = Vec::new();
    loop {
        let heard = peer.hear().await.unwrap();
        if heard.kind == kind::PING && heard.payload == b"settled?" {
            return before;
        }
        before.push(heard);
    }
}

#[tokio::test]
async fn frames_on_streams_that_were_cancelled_are_passed_over() {
    let (client, _driver, mut peer) = greeted(&[]).await;
    let calls: Vec<_> = (0..1000).map(|_| open(&client, Some(b"ask"))).collect();
    let first = settled(&mut peer).await;
    assert_eq!(first.iter().filter(|heard| heard.kind == kind::HEADERS).count(), 1000);
    drop(calls);
    let resets = settled(&mut peer).await;
    // One each, and nothing else.
    assert_eq!(resets.len(), 1000);
    assert!(resets.iter().all(|heard| heard.kind == kind::RST_STREAM));
    for stream in (0..1000).map(|call| 2 * call + 1) {
        // The table is kept in step by blocks that nobody reads.
        peer.say(&[headers(stream, b"\x88\x40\x01a\x01b"), data(stream, &[0; 100])].concat()).await;
        peer.say(&octets(kind::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1])).await;
        peer.say(&trailers(stream, b"\xbe")).await;
        peer.say(&octets(kind::RST_STREAM, 0, stream, &[0; 4])).await;
    }
    assert_eq!(settled(&mut peer).await, []);
    let mut call = open(&client, Some(b"ask"));
    peer.say(&[headers(2001, b"\x88\xbe"), data(2001, b"answer"), trailers(2001, STATUS)].concat())
        .await;
    let outcome = outcome(&mut call).await;
    assert_eq!((&outcome.data[..], outcome.fields), (&b"answer"[..], vec![field("a", "b")]));
}

#[tokio::test]
async fn frames_behind_the_end_are_passed_over_or_reset() {
    // The request has ended too: the stream is closed, and what comes late is nobody's.
    let (client, _driver, mut peer) = greeted(&[]).await;
    let mut call = open(&client, Some(b"ask"));
    peer.say(&[reply(1, b"answer"), data(1, b"late"), headers(1, STATUS)].concat()).await;
    assert_eq!(outcome(&mut call).await.data, b"answer");
    assert!(settled(&mut peer).await.iter().all(|heard| heard.kind != kind::RST_STREAM));
    // The request has not ended: the stream is reset, once, and the reply stays what it is.
    let mut call = open(&client, None);
    peer.say(&[reply(3, b"answer"), data(3, b"late"), headers(3, STATUS)].concat()).await;
    let heard = settled(&mut peer).await;
    let resets: Vec<_> = heard.iter().filter(|heard| heard.kind == kind::RST_STREAM).collect();
    assert_eq!(resets.len(), 1);
    assert_eq!(resets[0].payload, ErrorCode::STREAM_CLOSED.0.to_be_bytes());
    assert_eq!(outcome(&mut call).await.data, b"answer");
    drop(call);
    assert_eq!(settled(&mut peer).await, []);
}

#[tokio::test]
async fn resets_and_goodbyes_tell_what_may_be_tried_again() {
    let reset = |code: u32| octets(kind::RST_STREAM, 0, 1, &code.to_be_bytes());
    let goaway =
        |last: u32| octets(kind::GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat());
    let cases: [(&str, Vec<u8>, bool); 6] = [
        ("refused", reset(7), true),
        ("refused after the head", [headers(1, OK), reset(7)].concat(), false),
        ("cancelled", reset(8), false),
        ("above the last stream", goaway(0), true),
        ("above the last stream, after the head", [headers(1, OK), goaway(0)].concat(), false),
        ("not above it, and then nothing", goaway(1), false),
    ];
    for (what, said, is_unprocessed) in cases {
        let (client, driver, mut peer) = greeted(&[]).await;
        let mut call = open(&client, Some(b"ask"));
        peer.hear_of(kind::DATA).await;
        peer.say(&said).await;
        settled(&mut peer).await;
        drop(peer);
        let lost = outcome(&mut call).await.lost.unwrap();
        assert_eq!(lost.is_unprocessed(), is_unprocessed, "{what}: {lost:?}");
        drop(call);
        soon(driver).await.unwrap();
    }
}

#[tokio::test]
async fn graceful_goodbye_lets_calls_finish() {
    let (client, driver, mut peer) = greeted(&[]).await;
    let mut call = open(&client, Some(b"ask"));
    peer.hear_of(kind::DATA).await;
    peer.say(&octets(kind::GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])).await;
    settled(&mut peer).await;
    assert!(!client.is_open());
    assert!(matches!(client.open(&head(&HeaderMap::new()), None), Opened::Closed));
    peer.say(&octets(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])).await;
    peer.say(&reply(1, b"answer")).await;
    assert_eq!(outcome(&mut call).await.data, b"answer");
    // Nothing is left to do: the client says goodbye too, and closes.
    assert_eq!(peer.hear_of(kind::GOAWAY).await.payload, [0; 8]);
    assert_eq!(peer.hear().await, None);
    assert_eq!(soon(driver).await.unwrap(), End::Closed);
}

#[tokio::test]
async fn end_of_the_connection_tells_what_was_never_sent() {
    let (client, driver, mut peer) = greeted(&[]).await;
    let mut sent = open(&client, Some(b"ask"));
    peer.hear_of(kind::DATA).await;
    drop(peer);
    // The driver hears of the end before it writes this one.
    let mut unsent = open(&client, Some(b"ask"));
    assert!(matches!(outcome(&mut sent).await.lost, Some(Lost::Gone(_))));
    let lost = outcome(&mut unsent).await.lost.unwrap();
    assert!(matches!(lost, Lost::Unsent(_)), "{lost:?}");
    soon(driver).await.unwrap();
}

#[tokio::test]
async fn driver_that_is_dropped_leaves_nobody_waiting() {
    let (client, driver, mut peer) = greeted(&[]).await;
    let mut call = open(&client, Some(b"ask"));
    peer.hear_of(kind::DATA).await;
    driver.abort();
    assert!(matches!(outcome(&mut call).await.lost, Some(Lost::Gone(_))));
    assert!(!client.is_open());
}
