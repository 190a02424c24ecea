//! Streams in either direction: order, ends, backpressure, and wherever they may be cut.

use super::*;
use crate::error::Code;

/// A backend that sends these bytes in these pieces, and then the trailers.
async fn pieces(pieces: Vec<Bytes>, trailers: HeaderMap) -> Arc<Cluster> {
    let backend = backend(move |_, mut respond| {
        let (pieces, trailers) = (pieces.clone(), trailers.clone());
        async move {
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            for piece in pieces {
                stream.send_data(piece, false).unwrap();
                tokio::task::yield_now().await;
            }
            stream.send_trailers(trailers).unwrap();
        }
    })
    .await;
    cluster(backend.address)
}

#[tokio::test]
async fn server_stream_yields_its_messages_and_trailers() {
    let whole = [frame(b"one"), frame(b""), frame(b"three")].concat();
    let trailers = headers(&[("grpc-status", "0"), ("x-end", "t")]);
    let cluster = pieces(vec![whole.into()], trailers).await;
    let mut reply = call(&cluster, watch()).await.unwrap();
    assert!(reply.messages.as_one().is_none());
    assert_eq!(collect(&mut reply.messages).await.0, ["one", "", "three"]);
    assert_eq!(reply.messages.take_trailers(), headers(&[("x-end", "t")]));
    assert!(soon(reply.messages.next()).await.is_none());
}

#[tokio::test]
async fn server_stream_may_be_cut_at_each_byte() {
    let whole = Bytes::from([frame(b"one"), frame(b""), frame(b"three")].concat());
    for cut in 0..=whole.len() {
        let parts = vec![whole.slice(..cut), whole.slice(cut..)];
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let cluster = pieces(parts, ok_trailers()).await;
        let mut reply = call(&cluster, watch()).await.unwrap();
        let (messages, error) = collect(&mut reply.messages).await;
        assert_eq!(messages, ["one", "", "three"], "cut at {cut}");
        assert!(error.is_none());
    }
}

#[tokio::test]
async fn server_stream_that_ends_at_each_byte_never_seems_whole() {
    let whole = Bytes::from([frame(b"one"), frame(b"two")].concat());
    for cut in 0..whole.len() {
        let parts = if cut == 0 { vec![] } else { vec![whole.slice(..cut)] };
        let cluster = pieces(parts, ok_trailers()).await;
        let outcome = call(&cluster, watch()).await;
        let (messages, error) = match outcome {
            Ok(mut reply) => collect(&mut reply.messages).await,
            Err(error) => (vec![], Some(error)),
        };
        assert_eq!(messages.len(), cut / 8, "cut at {cut}");
        assert_eq!(error.map(|error| error.code()), (cut % 8 != 0).then_some(Code::Internal));
    }
}

#[tokio::test]
async fn server_stream_without_messages_is_empty() {
    let cluster = pieces(vec![], ok_trailers()).await;
    let mut reply = call(&cluster, watch()).await.unwrap();
    assert!(soon(reply.messages.next()).await.is_none());
    let alone = backend(|_, mut respond| async move {
        let mut head = ok_head();
        head.headers_mut().extend(headers(&[("grpc-status", "0"), ("x-end", "t")]));
        respond.send_response(head, true).unwrap();
    })
    .await;
    let mut reply = call(&self::cluster(alone.address), watch()).await.unwrap();
    assert!(soon(reply.messages.next()).await.is_none());
    assert_eq!(reply.messages.take_trailers(), headers(&[("x-end", "t")]));
}

#[tokio::test]
async fn late_error_follows_the_messages() {
    let trailers = headers(&[("grpc-status", "14"), ("grpc-message", "bye")]);
    let cluster = pieces(vec![frame(b"one")], trailers).await;
    let mut reply = call(&cluster, watch()).await.unwrap();
    let (messages, error) = collect(&mut reply.messages).await;
    assert_eq!(messages, ["one"]);
    let error = error.unwrap();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "bye"));
    assert!(soon(reply.messages.next()).await.is_none());
}

#[tokio::test]
async fn head_is_not_held_back_until_the_first_message() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let backend = backend(move |_, mut respond| {
        let mut wait = wait.clone();
        async move {
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            wait.wait_for(|go| *go).await.unwrap();
            stream.send_data(frame(b"one"), false).unwrap();
            stream.send_trailers(ok_trailers()).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    go.send(true).unwrap();
    assert_eq!(collect(&mut reply.messages).await.0, ["one"]);
}

#[tokio::test]
async fn dropped_reply_cancels_the_call() {
    let (seen, mut resets) = mpsc::unbounded_channel();
    let backend = backend(move |_, mut respond| {
        let seen = seen.clone();
        async move {
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            stream.send_data(frame(b"one"), false).unwrap();
            seen.send(reset_of(&mut stream).await).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    assert_eq!(soon(reply.messages.next()).await.unwrap().unwrap(), "one");
    drop(reply);
    assert_eq!(soon(resets.recv()).await, Some(h2::Reason::CANCEL));
}

/// Sends a frame when there is room for it, and counts the bytes.
async fn flood(mut stream: SendStream<Bytes>, sent: Arc<AtomicUsize>) {
    let frame = frame(&[7; 64 << 10]);
    loop {
        stream.reserve_capacity(frame.len());
        while stream.capacity() < frame.len() {
            if poll_fn(|cx| stream.poll_capacity(cx)).await.is_none_or(|room| room.is_err()) {
                return;
            }
        }
        stream.send_data(frame.clone(), false).unwrap();
        sent.fetch_add(frame.len(), SeqCst);
    }
}

/// Waits until a count stands still while other calls on the same connection come and go.
async fn settled(cluster: &Cluster, count: &AtomicUsize) -> usize {
    loop {
        let before = count.load(SeqCst);
        for _ in 0..10 {
            assert_eq!(message(call(cluster, unary()).await).await, "ask");
        }
        if before > 0 && count.load(SeqCst) == before {
            return before;
        }
    }
}

#[tokio::test]
async fn slow_reader_holds_the_backend_back() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let backend = backend(move |request, mut respond| {
        let sent = counted.clone();
        async move {
            if is_echo(&request) {
                return echo(request, respond).await;
            }
            let stream = respond.send_response(ok_head(), false).unwrap();
            flood(stream, sent).await;
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    let stuck = settled(&cluster, &sent).await;
    assert!(stuck <= (2 << 20) + (256 << 10), "{stuck} bytes were sent to nobody");
    // The other calls did not suffer, on the same connection.
    assert_eq!(backend.connections(), 1);
    // Reading sets it going again.
    for _ in 0..100 {
        assert_eq!(soon(reply.messages.next()).await.unwrap().unwrap().len(), 64 << 10);
    }
    assert!(sent.load(SeqCst) > stuck);
}

#[tokio::test]
async fn many_slow_readers_leave_the_connection_to_others() {
    let backend = backend(move |request, mut respond| async move {
        if is_echo(&request) {
            return echo(request, respond).await;
        }
        let stream = respond.send_response(ok_head(), false).unwrap();
        flood(stream, Arc::default()).await;
    })
    .await;
    let cluster = cluster(backend.address);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(call(&cluster, watch()).await.unwrap());
    }
    for _ in 0..20 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn unread_small_messages_do_not_end_the_connection() {
    const COUNT: usize = 50_000;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let backend = backend(move |request, mut respond| {
        let sent = counted.clone();
        async move {
            if is_echo(&request) {
                return echo(request, respond).await;
            }
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            for _ in 0..COUNT {
                stream.send_data(frame(b"x"), false).unwrap();
                sent.fetch_add(1, SeqCst);
                if sent.load(SeqCst).is_multiple_of(100) {
                    tokio::task::yield_now().await;
                }
            }
            stream.send_trailers(ok_trailers()).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    settled(&cluster, &sent).await;
    let (messages, error) = collect(&mut reply.messages).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(messages.len(), COUNT);
}

#[tokio::test]
async fn client_stream_is_answered_once() {
    let backend = backend(|request, mut respond| async move {
        let body = read(request).await;
        answer(&mut respond, &[&body]);
    })
    .await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    for text in ["a", "", "ccc"] {
        feed.send(Ok(text.into())).unwrap();
    }
    drop(feed);
    let reply = call(&cluster, exchange("ImportBooks", messages)).await.unwrap();
    let whole = [frame(b"a"), frame(b""), frame(b"ccc")].concat();
    assert_eq!(reply.messages.as_one().unwrap(), &whole);
}

/// Answers each piece as it comes.
async fn parrot(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut stream = respond.send_response(ok_head(), false).unwrap();
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        stream.send_data(piece, false).unwrap();
    }
    let _ = stream.send_trailers(ok_trailers());
}

#[tokio::test]
async fn bidi_runs_both_ways_at_once() {
    let backend = backend(parrot).await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    let mut reply = call(&cluster, exchange("Chat", messages)).await.unwrap();
    for turn in 0..10 {
        let text = Bytes::from(format!("turn {turn}"));
        feed.send(Ok(text.clone())).unwrap();
        assert_eq!(soon(reply.messages.next()).await.unwrap().unwrap(), text);
    }
    drop(feed);
    assert!(soon(reply.messages.next()).await.is_none());
}

#[tokio::test]
async fn request_error_resets_the_call_and_becomes_its_own() {
    let (seen, mut resets) = mpsc::unbounded_channel();
    let backend = backend(move |request, mut respond| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.data().await {}
            seen.send(poll_fn(|cx| respond.poll_reset(cx)).await.unwrap()).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    for name in ["ImportBooks", "Chat"] {
        let (feed, messages, _) = fed();
        feed.send(Ok("a".into())).unwrap();
        feed.send(Err(Error::invalid("bad_json", "line 2"))).unwrap();
        assert_eq!(failing(&cluster, exchange(name, messages)).await.reason(), "bad_json");
        assert_eq!(soon(resets.recv()).await, Some(h2::Reason::CANCEL));
    }
}

#[tokio::test]
async fn late_request_error_ends_the_reply() {
    let backend = backend(parrot).await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    let mut reply = call(&cluster, exchange("Chat", messages)).await.unwrap();
    feed.send(Ok("a".into())).unwrap();
    assert_eq!(soon(reply.messages.next()).await.unwrap().unwrap(), "a");
    feed.send(Err(Error::invalid("bad_json", "line 2"))).unwrap();
    assert_eq!(soon(reply.messages.next()).await.unwrap().unwrap_err().reason(), "bad_json");
    assert!(soon(reply.messages.next()).await.is_none());
}

#[tokio::test]
async fn backend_that_does_not_read_holds_the_caller_back() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(64 << 10).initial_connection_window_size(1 << 20);
    let backend = backend_with(builder, move |request, mut respond| {
        let mut wait = wait.clone();
        async move {
            if is_echo(&request) {
                return echo(request, respond).await;
            }
            wait.wait_for(|go| *go).await.unwrap();
            let length = read(request).await.len();
            answer(&mut respond, &[length.to_string().as_bytes()]);
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let (feed, messages, taken) = fed();
    for _ in 0..100 {
        feed.send(Ok(vec![7; 16 << 10].into())).unwrap();
    }
    drop(feed);
    let running = {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.call(exchange("ImportBooks", messages)).await })
    };
    // The window of the backend is 64 KiB: four messages, and one that waits.
    let stuck = settled(&cluster, &taken).await;
    assert!(stuck <= 5, "{stuck} messages were taken");
    go.send(true).unwrap();
    let length = message(soon(running).await.unwrap()).await;
    assert_eq!(length, (100 * ((16 << 10) + 5)).to_string());
}

#[tokio::test]
async fn early_answer_ends_a_call_that_is_still_sending() {
    let backend = backend(|_, mut respond| async move {
        let mut head = ok_head();
        head.headers_mut().extend(headers(&[("grpc-status", "8"), ("grpc-message", "enough")]));
        respond.send_response(head, true).unwrap();
    })
    .await;
    let cluster = cluster(backend.address);
    let (feed, messages, _) = fed();
    feed.send(Ok("a".into())).unwrap();
    let error = failing(&cluster, exchange("ImportBooks", messages)).await;
    assert_eq!((error.code(), error.message()), (Code::ResourceExhausted, "enough"));
    // The pump has stopped with the call: nobody takes messages any more.
    soon(feed.closed()).await;
}

#[tokio::test]
async fn endless_stream_ends_when_its_reader_leaves() {
    let sent = Arc::new(AtomicUsize::new(0));
    let (seen, mut ended) = mpsc::unbounded_channel();
    let counted = sent.clone();
    let backend = backend(move |_, mut respond| {
        let (sent, seen) = (counted.clone(), seen.clone());
        async move {
            let stream = respond.send_response(ok_head(), false).unwrap();
            flood(stream, sent).await;
            seen.send(()).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    for _ in 0..200 {
        soon(reply.messages.next()).await.unwrap().unwrap();
    }
    drop(reply);
    soon(ended.recv()).await.unwrap();
}

#[tokio::test]
async fn endless_message_in_a_unary_reply_stops_at_its_limit() {
    let backend = backend(|_, mut respond| async move {
        let stream = respond.send_response(ok_head(), false).unwrap();
        flood(stream, Arc::default()).await;
    })
    .await;
    let cluster = cluster(backend.address);
    assert_eq!(failing(&cluster, unary()).await.reason(), "upstream_many_messages");
    let mut small = unary();
    small.limits.response_message = 1 << 10;
    assert_eq!(failing(&cluster, small).await.code(), Code::ResourceExhausted);
}
