//! Backends that break rules: other protocols, garbage, resets, sudden ends.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::error::Code;

/// A backend that writes these bytes after having read something, and closes.
async fn speaks(answer: &'static [u8]) -> Backend {
    raw_backend(move |mut socket, _| async move {
        let mut start = [0; 24];
        let _ = socket.read_exact(&mut start).await;
        let _ = socket.write_all(answer).await;
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await
}

#[tokio::test]
async fn backend_that_speaks_http1_is_told_as_such() {
    let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let backend = speaks(answer).await;
    let error = failing(&cluster(backend.address), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_not_http2"));
    assert!(error.message().contains("HTTP/2"), "{error}");
}

#[tokio::test]
async fn backend_that_speaks_garbage_or_nothing_is_unavailable() {
    let answers: [&[u8]; 6] = [
        b"",
        b"\0",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        b"\x15\x03\x03\0\x02\x02\x28",
        b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\0\0",
        &[0xff; 1000],
    ];
    for answer in answers {
        let backend = speaks(answer).await;
        let error = failing(&cluster(backend.address), unary()).await;
        assert_eq!(error.code(), Code::Unavailable, "{answer:?}: {error}");
        assert!(error.message().contains("HTTP/2"), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn resets_map_to_their_codes() {
    for (reason, code) in [
        (h2::Reason::CANCEL, Code::Cancelled),
        (h2::Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (h2::Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
        (h2::Reason::INTERNAL_ERROR, Code::Internal),
        (h2::Reason::NO_ERROR, Code::Internal),
    ] {
        let backend = backend(move |_, mut respond| async move {
            let mut stream = respond.send_response(ok_head(), false).unwrap();
            stream.send_data(frame(b"one"), false).unwrap();
            poll_fn(|cx| {
                // The message has left before the reset follows it.
                stream.reserve_capacity(1 << 20);
                stream.poll_capacity(cx).map(drop)
            })
            .await;
            stream.send_reset(reason);
        })
        .await;
        let cluster = cluster(backend.address);
        assert_eq!(failing(&cluster, unary()).await.code(), code, "{reason:?}");
    }
}

#[tokio::test]
async fn storm_of_resets_costs_no_other_call() {
    let backend = backend(|request, mut respond| async move {
        if is_echo(&request) {
            return echo(request, respond).await;
        }
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let cluster = cluster(backend.address);
    for _ in 0..1500 {
        assert_eq!(failing(&cluster, watch()).await.code(), Code::Internal);
    }
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn storm_of_leaving_callers_costs_no_other_call() {
    // The backend answers long after the caller has left: frames on streams that are gone.
    let backend = backend(|request, mut respond| async move {
        if is_echo(&request) {
            return echo(request, respond).await;
        }
        let mut stream = respond.send_response(ok_head(), false).unwrap();
        for _ in 0..50 {
            if stream.send_data(frame(b"one"), false).is_err() {
                return;
            }
        }
        let _ = stream.send_trailers(ok_trailers());
    })
    .await;
    let cluster = cluster(backend.address);
    for _ in 0..3000 {
        drop(call(&cluster, watch()).await.unwrap());
    }
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn too_many_resets_cost_only_the_calls_in_flight() {
    // A backend that ends the connection, as `h2` and others do when resets come too fast.
    let backend = raw_backend(|socket, number| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            if number == 0 {
                connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
            } else {
                tokio::spawn(echo(request, respond));
            }
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let error = failing(&cluster, unary()).await;
    assert_eq!(error.code(), Code::Unavailable);
    for _ in 0..10 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn connection_lost_in_a_call_is_unavailable() {
    let backend = raw_backend(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (_, mut respond) = accept(&mut connection).await;
        let mut stream = respond.send_response(ok_head(), false).unwrap();
        stream.send_data(frame(b"one"), false).unwrap();
        // Long enough for the message to leave.
        let _ = timeout(Duration::from_millis(50), connection.accept()).await;
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    let (messages, error) = collect(&mut reply.messages).await;
    assert_eq!(messages, ["one"]);
    let error = error.unwrap();
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_lost"));
    assert!(!error.message().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn head_that_is_too_large_fails_its_call_alone() {
    let backend = backend(|request, mut respond| async move {
        if is_echo(&request) {
            return echo(request, respond).await;
        }
        let mut head = ok_head();
        head.headers_mut().insert("x-large", "x".repeat(100 << 10).parse().unwrap());
        let _ = respond.send_response(head, true);
    })
    .await;
    let cluster = cluster(backend.address);
    let error = failing(&cluster, watch()).await;
    assert_eq!(error.code(), Code::Internal, "{error}");
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn backend_that_closes_after_each_handshake_does_not_hang_calls() {
    let backend = raw_backend(|socket, _| async move {
        let mut connection = h2::server::handshake::<_>(socket).await.unwrap();
        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
    })
    .await;
    let cluster = cluster(backend.address);
    assert_eq!(failing(&cluster, unary()).await.code(), Code::Unavailable);
}

#[tokio::test]
async fn connection_cut_at_each_byte_never_hangs_nor_seems_whole() {
    // What a backend writes for one call, taken down once, and then written up to each byte.
    let recorded = record().await;
    for cut in 0..recorded.len() {
        let backend = replays(recorded.clone(), cut).await;
        let error = failing(&cluster(backend.address), unary()).await;
        let length = recorded.len();
        assert_eq!(error.code(), Code::Unavailable, "cut at {cut} of {length}: {error}");
    }
    let whole = replays(recorded.clone(), recorded.len()).await;
    assert_eq!(message(call(&cluster(whole.address), unary()).await).await, "answer");
}

/// All bytes that a backend sends for a first unary call.
async fn record() -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(async move {
        let mut connection = h2::server::handshake(server).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        answer(&mut respond, &[b"answer"]);
        while connection.accept().await.is_some() {}
    });
    // A preface, empty settings, their acknowledgement, and a head that ends the stream.
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend_from_slice(b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0");
    request.extend_from_slice(b"\0\0\x06\x01\x05\0\0\0\x01\x83\x86\x84\x41\x01a");
    client.write_all(&request).await.unwrap();
    let recorded = soon(read_to_end_of_stream(&mut client)).await;
    serving.abort();
    recorded
}

/// Writes the recorded bytes up to `cut`: its settings at once, the rest when asked.
async fn replays(recorded: Vec<u8>, cut: usize) -> Backend {
    raw_backend(move |mut socket, _| {
        let recorded = recorded.clone();
        async move {
            let settings = 9 + usize::from(recorded[2]);
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).await.unwrap();
            socket.write_all(&recorded[..settings.min(cut)]).await.unwrap();
            if cut > settings {
                read_to_end_of_stream(&mut socket).await;
                socket.write_all(&recorded[settings..cut]).await.unwrap();
            }
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

/// Reads up to and with the first frame that ends a stream.
async fn read_to_end_of_stream(reader: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let start = all.len();
        all.resize(start + 9, 0);
        reader.read_exact(&mut all[start..]).await.unwrap();
        let length = u32::from_be_bytes([0, all[start], all[start + 1], all[start + 2]]) as usize;
        let (kind, flags) = (all[start + 3], all[start + 4]);
        all.resize(start + 9 + length, 0);
        reader.read_exact(&mut all[start + 9..]).await.unwrap();
        if kind <= 1 && flags & 1 == 1 {
            return all;
        }
    }
}
