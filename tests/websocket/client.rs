//! A WebSocket client over either version of HTTP. The handshakes are written out here; the frames
//! are tungstenite's.

use std::{net::SocketAddr, pin::Pin};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use h2::ext::Protocol;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::support::within;

/// The headers of a proper handshake over HTTP/1.1.
pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A byte stream of either kind.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// How a session is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    /// An upgrade (RFC 6455).
    Http1,
    /// An extended CONNECT (RFC 8441).
    Http2,
}

/// A subprotocol.
pub(crate) const JSON: &[(&str, &str)] = &[("sec-websocket-protocol", "transom.json")];
/// A subprotocol.
pub(crate) const PROTO: &[(&str, &str)] = &[("sec-websocket-protocol", "transom.proto")];

/// An open session.
pub(crate) struct Session {
    pub(crate) socket: WebSocketStream<Box<dyn Io>>,
    /// What the handshake was answered with.
    pub(crate) headers: HeaderMap,
}

impl Session {
    /// Opens one over HTTP/1.1.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        Self::open_over(Over::Http1, address, path, &[]).await
    }

    /// Opens one.
    pub(crate) async fn open_over(
        over: Over,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let (headers, io) = match over {
            Over::Http1 => upgrade(address, path, headers).await,
            Over::Http2 => connect(address, path, headers).await,
        };
        let socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        Self { socket, headers }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        within("room to send", self.socket.send(message.into())).await.unwrap();
    }

    /// Says that no more messages come.
    pub(crate) async fn half_close(&mut self) {
        self.send("").await;
    }

    /// What comes next, pings aside.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let next = within("a message", self.socket.next()).await;
            match next.expect("a message, but the connection was closed").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// The next message, which is text, as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The next message, which is binary, as protobuf.
    pub(crate) async fn proto<M: prost::Message + Default>(&mut self) -> M {
        match self.next().await {
            Message::Binary(bytes) => M::decode(bytes).unwrap(),
            other => panic!("not binary: {other:?}"),
        }
    }

    /// The close frame, which comes next: its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(close)) => (close.code.into(), close.reason.to_string()),
            other => panic!("no close: {other:?}"),
        }
    }

    /// The Status and the close frame of a call with this gRPC code, which come next; gives the
    /// Status.
    pub(crate) async fn failed(&mut self, code: u16) -> Value {
        let status = self.json().await;
        assert_eq!(status["code"], code, "{status}");
        assert!(status["details"].is_array(), "{status}");
        let (closed, reason) = self.closed().await;
        assert_eq!(closed, 4000 + code, "{status}");
        let message = status["message"].as_str().unwrap();
        assert!(!reason.is_empty() && message.starts_with(&reason), "{reason:?}: {message:?}");
        status
    }
}

/// The upgrade of a connection.
async fn upgrade(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> (HeaderMap, Box<dyn Io>) {
    let mut stream = within("a connection", TcpStream::connect(address)).await.unwrap();
    let mut head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in HANDSHAKE.iter().chain(headers) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((head + "\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte, for frames may follow at once.
        answer.push(within("the handshake's answer", stream.read_u8()).await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    let (status, fields) = answer.split_once("\r\n").unwrap();
    assert!(status.starts_with("HTTP/1.1 101 "), "{answer}");
    let fields = fields.trim_end().lines().map(|line| line.split_once(": ").unwrap());
    let fields = fields
        .map(|(name, value)| (http::HeaderName::try_from(name).unwrap(), value.parse().unwrap()));
    let fields: HeaderMap = fields.collect();
    assert_eq!(fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    (fields, Box::new(stream))
}

/// A stream of a connection of its own that has become a WebSocket.
async fn connect(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> (HeaderMap, Box<dyn Io>) {
    let (status, answer, ours) = try_connect(address, path, headers, "websocket").await;
    assert_eq!(status, 200);
    assert!(!answer.contains_key("sec-websocket-accept"), "{answer:?}");
    (answer, Box::new(ours.unwrap()))
}

/// The answer to an extended CONNECT; the stream's bytes where it is a success.
pub(crate) async fn try_connect(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    protocol: &'static str,
) -> (StatusCode, HeaderMap, Option<DuplexStream>) {
    let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
    let (sender, mut connection) = within("HTTP/2", h2::client::handshake(stream)).await.unwrap();
    let mut sender = sender.ready().await.unwrap();
    // The gateway's settings say whether it may be asked at all.
    while !sender.is_extended_connect_protocol_enabled() {
        let step = std::future::poll_fn(|cx| {
            let _ = Pin::new(&mut connection).poll(cx);
            std::task::Poll::Ready(())
        });
        step.await;
        tokio::task::yield_now().await;
    }
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{address}{path}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static(protocol));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, to) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    let (head, from) = within("an answer", response).await.unwrap().into_parts();
    if !head.status.is_success() {
        return (head.status, head.headers, None);
    }
    let (ours, theirs) = tokio::io::duplex(16 << 10);
    let (read, write) = tokio::io::split(theirs);
    tokio::spawn(carry_out(read, to));
    tokio::spawn(carry_in(from, write));
    (head.status, head.headers, Some(ours))
}

async fn carry_out(mut from: ReadHalf<DuplexStream>, mut to: h2::SendStream<Bytes>) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let mut piece = Bytes::copy_from_slice(&piece[..length]);
        while !piece.is_empty() {
            to.reserve_capacity(piece.len());
            let room = std::future::poll_fn(|cx| to.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            let part = piece.split_to(room.min(piece.len()));
            if to.send_data(part, false).is_err() {
                return;
            }
        }
    }
    // A test that drops its session is gone, as a process that ends is.
    to.send_reset(h2::Reason::CANCEL);
}

async fn carry_in(mut from: h2::RecvStream, mut to: WriteHalf<DuplexStream>) {
    while let Some(Ok(data)) = from.data().await {
        if to.write_all(&data).await.is_err() {
            return;
        }
        let _ = from.flow_control().release_capacity(data.len());
    }
    let _ = to.shutdown().await;
}
