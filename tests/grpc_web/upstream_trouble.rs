//! Backends that fail, and how browsers hear of it: in the frame of trailers, once something has been
//! said.

use base64_simd::STANDARD;
use bytes::Bytes;

use super::{PING, WATCH, decoded, told};
use crate::support::{
    backend::{self, Answer, Asked, EMPTY_FRAME},
    grpc::frames,
    http1, http2, rig,
};

const FORMS: [(&str, bool); 2] =
    [("application/grpc-web", false), ("application/grpc-web-text", true)];

fn ask(text: bool) -> Vec<u8> {
    if text { STANDARD.encode_to_string(EMPTY_FRAME).into_bytes() } else { EMPTY_FRAME.to_vec() }
}

#[tokio::test]
async fn backend_that_dies_in_a_stream_is_unavailable_in_the_trailers() {
    let (upstream, death) = backend::dying().await;
    let (gateway, _folder) = rig::before(upstream).await;
    for (content_type, text) in FORMS {
        let mut connection = http2::Connection::open(gateway.address).await;
        let headers = [("content-type", content_type)];
        let mut stream = connection.open_stream("POST", WATCH, &headers, false).await;
        stream.send(ask(text), true);
        let (head, _sending, mut body) = stream.head().await.unwrap();
        assert_eq!(head.status, 200);
        let mut heard = http2::data(&mut body).await.unwrap().unwrap().to_vec();
        death.notify_one();
        while let Some(more) = http2::data(&mut body).await {
            heard.extend(more.expect("the answer comes to its end"));
        }
        let heard = if text { decoded(&heard) } else { heard };
        let found = frames(&heard);
        assert_eq!(found.iter().map(|(flag, _)| *flag).collect::<Vec<_>>(), [0, 0x80]);
        let trailers = String::from_utf8_lossy(&found[1].1).into_owned();
        assert!(trailers.contains("grpc-status: 14\r\n"), "{trailers}");
        assert!(trailers.contains("grpc-message: "), "{trailers}");
        assert!(!trailers.contains("127.0.0.1"), "{trailers}");
    }
}

#[tokio::test]
async fn backend_that_ends_without_a_status_or_in_a_frame_is_internal() {
    for (path, body) in [
        (PING, EMPTY_FRAME),
        (WATCH, EMPTY_FRAME),
        (WATCH, b""),
        (WATCH, b"\0\0\0\0\0\0\0"),
        (WATCH, b"\0\0\0\0\0\x07"),
    ] {
        let ends = backend::http2(move |asked: Asked, mut reply: Answer| async move {
            backend::read_all(asked.into_body()).await;
            let mut stream = reply.send_response(backend::head(), false).unwrap();
            let _ = stream.send_data(Bytes::from_static(body), true);
        })
        .await;
        let (gateway, _folder) = rig::before(ends).await;
        for (content_type, text) in FORMS {
            let headers = [("content-type", content_type)];
            let response =
                http1::request(gateway.address, "POST", path, &headers, &ask(text)).await;
            let said = match response.body.is_empty() {
                true => response.header("grpc-status").to_owned(),
                false => told(&response, text).1,
            };
            assert!(said == "13" || said.contains("grpc-status: 13\r\n"), "{path} {said}");
        }
    }
}
