//! Windows in both directions, and how what is sent is cut into frames.

use std::task::{Context, Waker};

use super::{
    peer::{OK, STATUS, data, greeted, headers, octets, settings, trailers},
    *,
};
use crate::upstream::http2::{
    STREAM_WINDOW,
    frame::{flag, kind},
    hpack::Decoder,
};

/// Hears so many bytes of DATA on a stream, and how they were cut.
async fn hear_data(
    peer: &mut super::peer::Peer,
    stream: u32,
    count: usize,
) -> (Vec<u8>, Vec<usize>) {
    let (mut all, mut cuts) = (Vec::new(), Vec::new());
    while all.len() < count {
        let heard = peer.hear_of(kind::DATA).await;
        assert_eq!(heard.stream, stream);
        cuts.push(heard.payload.len());
        all.extend(heard.payload);
    }
    assert_eq!(all.len(), count);
    (all, cuts)
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    octets(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

#[tokio::test]
async fn unary_request_is_a_head_and_data_that_ends_it() {
    let (client, _driver, mut peer) = greeted(&[]).await;
    let mut metadata = HeaderMap::new();
    metadata.insert("te", "trailers".parse().unwrap());
    metadata.insert("x-own", "1".parse().unwrap());
    metadata.insert("authorization", "secret".parse().unwrap());
    let mut lengths = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..3 {
        match client.open(&head(&metadata), Some(framed(b"ask"))) {
            Opened::Stream(call) => kept.push(call),
            other => panic!("{other:?}"),
        }
        let heard = peer.hear().await.unwrap();
        assert_eq!((heard.kind, heard.flags), (kind::HEADERS, flag::END_HEADERS));
        // Never indexed, each time anew.
        assert!(heard.payload.windows(9).any(|octets| octets == b"\x1f\x08\x06secret"));
        lengths.push(heard.payload.len());
        let heard = peer.hear().await.unwrap();
        assert_eq!((heard.kind, heard.flags), (kind::DATA, flag::END_STREAM));
        assert_eq!(heard.payload, b"\0\0\0\0\x03ask");
    }
    // What repeats costs an octet each.
    assert!(lengths[0] > 40 && lengths[2] == 15, "{lengths:?}");
}

#[tokio::test]
async fn large_head_is_cut_into_frames_that_the_peer_takes() {
    let (client, _driver, mut peer) = greeted(&[]).await;
    let mut metadata = HeaderMap::new();
    metadata.insert("x-large", "x".repeat(40_000).parse().unwrap());
    let Opened::Stream(_call) = client.open(&head(&metadata), None) else { panic!() };
    let (mut block, mut kinds) = (Vec::new(), Vec::new());
    loop {
        let heard = peer.hear().await.unwrap();
        assert!(heard.payload.len() <= 16 << 10);
        block.extend(heard.payload);
        kinds.push(heard.kind);
        if heard.flags & flag::END_HEADERS != 0 {
            break;
        }
    }
    assert_eq!(kinds, [kind::HEADERS, kind::CONTINUATION, kind::CONTINUATION]);
    // It says `:method`, which no response may, and is well-formed.
    assert!(Decoder::new(1 << 20).decode(&block).unwrap().fault.is_some());
}

#[tokio::test]
async fn body_leaves_as_the_windows_open() {
    let (client, _driver, mut peer) = greeted(&[(4, 10)]).await;
    let body: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let _call = open(&client, Some(&body));
    let whole = [b"\0\0\x01\x86\xa0", &body[..]].concat();
    assert_eq!(hear_data(&mut peer, 1, 10).await.0, whole[..10]);
    // A smaller initial window leaves less than nothing; then it takes more to open it.
    peer.say(&settings(&[(4, 0)])).await;
    peer.say(&update(1, 8)).await;
    peer.say(&update(1, 7)).await;
    assert_eq!(hear_data(&mut peer, 1, 5).await.0, whole[10..15]);
    // A larger one opens it too. Then the connection's window is what holds the rest back.
    peer.say(&settings(&[(4, 1 << 20)])).await;
    let (more, cuts) = hear_data(&mut peer, 1, 65_535 - 15).await;
    assert_eq!(more, whole[15..65_535]);
    assert_eq!(cuts, [16_384, 16_384, 16_384, 16_368]);
    peer.say(&update(0, 1 << 20)).await;
    let (rest, _) = hear_data(&mut peer, 1, whole.len() - 65_535).await;
    assert_eq!(rest, whole[65_535..]);
}

#[tokio::test]
async fn bodies_take_turns() {
    let (client, _driver, mut peer) = greeted(&[(4, 1 << 20)]).await;
    // Both wait for the connection's window, of which the first takes all there is.
    let _calls = [open(&client, Some(&[1; 90_000])), open(&client, Some(&[2; 90_000]))];
    hear_data(&mut peer, 1, 65_535).await;
    peer.say(&update(0, 64 << 10)).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(peer.hear_of(kind::DATA).await.stream);
    }
    assert_eq!(streams, [1, 3, 1]);
}

#[tokio::test]
async fn frames_are_as_large_as_the_peer_takes() {
    let (client, _driver, mut peer) = greeted(&[(4, 1 << 20), (5, 50_000)]).await;
    peer.say(&update(0, 1 << 20)).await;
    peer.say(&octets(kind::PING, 0, 0, b"settled?")).await;
    peer.hear_of(kind::PING).await;
    let _call = open(&client, Some(&[7; 100_000]));
    assert_eq!(hear_data(&mut peer, 1, 100_005).await.1, [50_000, 50_000, 5]);
}

#[tokio::test]
async fn messages_follow_one_by_one_and_wait_for_room() {
    let (client, _driver, mut peer) = greeted(&[(4, 20)]).await;
    let reply = open(&client, None);
    let mut request = reply.request_side();
    for _ in 0..2 {
        assert!(soon(poll_fn(|cx| request.poll_room(cx))).await);
        request.send(framed(b"12345"));
    }
    hear_data(&mut peer, 1, 20).await;
    // The window is closed: no room, until it opens.
    let mut idle = Context::from_waker(Waker::noop());
    assert!(request.poll_room(&mut idle).is_pending());
    peer.say(&update(1, 1)).await;
    assert!(soon(poll_fn(|cx| request.poll_room(cx))).await);
    request.finish();
    let end = peer.hear_of(kind::DATA).await;
    assert_eq!((end.flags, end.payload), (flag::END_STREAM, Vec::new()));
}

#[tokio::test]
async fn window_opens_again_as_the_reader_takes() {
    let (client, _driver, mut peer) = greeted(&[]).await;
    let mut call = open(&client, Some(b"ask"));
    peer.hear_of(kind::DATA).await;
    let piece = vec![7; 64 << 10];
    let pieces = STREAM_WINDOW as usize / piece.len();
    peer.say(&headers(1, OK)).await;
    for _ in 0..pieces {
        peer.say(&data(1, &piece)).await;
    }
    // Nobody reads: the window stays as it is.
    peer.say(&octets(kind::PING, 0, 0, b"settled?")).await;
    assert_eq!(peer.hear().await.unwrap().kind, kind::PING);
    assert!(matches!(event(&mut call).await, Event::Head(_)));
    let mut taken = 0;
    while taken < STREAM_WINDOW as usize {
        let Event::Data(piece) = event(&mut call).await else { panic!() };
        taken += piece.len();
    }
    // All of it was fetched at once; it counts as taken when the reader asks for more.
    let asking = tokio::spawn(async move { (event(&mut call).await, call) });
    let opened = peer.hear_of(kind::WINDOW_UPDATE).await;
    assert_eq!((opened.stream, &opened.payload[..]), (1, &STREAM_WINDOW.to_be_bytes()[..]));
    peer.say(&[data(1, b"more"), trailers(1, STATUS)].concat()).await;
    let (more, mut call) = soon(asking).await.unwrap();
    assert!(matches!(more, Event::Data(piece) if piece == "more"));
    assert!(matches!(event(&mut call).await, Event::End(Ok(Some(_)))));
}

#[tokio::test]
async fn data_that_nobody_reads_opens_the_window_of_the_connection() {
    let (client, _driver, mut peer) = greeted(&[]).await;
    let opens_at = crate::upstream::http2::CONNECTION_WINDOW as usize / 16;
    let piece = vec![7; 128 << 10];
    // Read in part, cancelled with data unread, cancelled before it came: all of it counts.
    let mut said = 0;
    let mut stream = 1;
    let listening = async {
        while said < opens_at {
            let call = open(&client, Some(b"ask"));
            peer.say(&[headers(stream, OK), data(stream, &piece)].concat()).await;
            peer.say(&octets(kind::PING, 0, 0, b"settled?")).await;
            loop {
                let heard = peer.hear().await.unwrap();
                match heard.kind {
                    kind::PING => break,
                    kind::WINDOW_UPDATE => return heard,
                    _ => {}
                }
            }
            drop(call);
            peer.say(&data(stream, &piece)).await;
            said += 2 * piece.len();
            stream += 2;
        }
        peer.hear_of(kind::WINDOW_UPDATE).await
    };
    let opened = timeout(Duration::from_secs(60), listening).await.unwrap();
    assert_eq!(opened.stream, 0);
    assert!(u32::from_be_bytes(opened.payload.try_into().unwrap()) as usize >= opens_at);
}

#[tokio::test]
async fn dropped_calls_are_cancelled_unless_they_have_ended() {
    let (client, driver, mut peer) = greeted(&[]).await;
    let mut ended = open(&client, Some(b"ask"));
    peer.say(&super::peer::reply(1, b"answer")).await;
    outcome(&mut ended).await;
    drop(ended);
    drop(open(&client, Some(b"ask")));
    let half = open(&client, None);
    // A request that breaks off ends the call.
    drop(half.request_side());
    drop(half);
    drop(client);
    let heard = peer.hear_all().await;
    let resets: Vec<u32> = heard
        .iter()
        .filter(|heard| heard.kind == kind::RST_STREAM)
        .map(|heard| heard.stream)
        .collect();
    assert_eq!(resets, [3, 5]);
    assert_eq!(heard.last().unwrap().kind, kind::GOAWAY);
    assert_eq!(soon(driver).await.unwrap(), crate::upstream::http2::End::Closed);
}
