//! A client of HTTP/1.1 that sends exactly the bytes that a test gives it, and shows chunks as
//! they come. It understands just enough of RFC 9112 to read a response.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{Response, within};

/// One request on a connection of its own.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut connection = Connection::open(address).await;
    connection.send_request(method, path, headers, body).await;
    connection.response_to(method).await
}

/// Whatever carries a connection.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// A connection.
pub(crate) struct Connection {
    stream: Box<dyn Carrier>,
    /// What requests say in `host`.
    host: String,
    /// What has been read and not been used.
    buffer: Vec<u8>,
}

/// A response's head, and how its body ends.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, &address.to_string())
    }

    /// A connection over TLS, a Unix socket, or whatever else.
    pub(crate) fn over(stream: impl Carrier + 'static, host: &str) -> Self {
        Self { stream: Box::new(stream), host: host.to_owned(), buffer: Vec::new() }
    }

    /// Sends these bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("room to send", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends these bytes if the other side still takes them.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        within("room to send", self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// Sends a whole request; a body brings a `content-length`.
    pub(crate) async fn send_request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let mut bytes = self.head(method, path, headers);
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            bytes.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        bytes.push_str("\r\n");
        // A refusal may come before all has been sent; the response tells.
        self.try_send([bytes.as_bytes(), body].concat()).await;
    }

    /// Sends the head of a request whose body follows by [`Connection::send_chunk`].
    pub(crate) async fn send_chunked_head(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) {
        let head = self.head(method, path, headers);
        self.send(head + "transfer-encoding: chunked\r\n\r\n").await;
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    /// Sends one chunk; an empty one ends the body.
    pub(crate) async fn send_chunk(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        let size = format!("{:x}\r\n", data.len());
        self.send([size.as_bytes(), data, b"\r\n"].concat()).await;
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next response, all of it.
    pub(crate) async fn response(&mut self) -> Response {
        self.response_to("GET").await
    }

    /// The response to a request of this method: one to HEAD has no body.
    pub(crate) async fn response_to(&mut self, method: &str) -> Response {
        let head = self.response_head().await;
        let mut response = Response {
            status: head.status,
            headers: head.headers.clone(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            complete: true,
        };
        if method == "HEAD" || matches!(head.status.as_u16(), 204 | 304) {
            return response;
        }
        match head.length {
            Length::Known(length) => {
                response.complete = self.fill(length).await;
                let length = length.min(self.buffer.len());
                response.body = self.buffer.drain(..length).collect();
            }
            Length::UntilClose => {
                while self.read_more().await {}
                response.body = std::mem::take(&mut self.buffer);
            }
            Length::Chunked => loop {
                match self.chunk().await {
                    None => {
                        response.complete = false;
                        break;
                    }
                    Some(chunk) if chunk.is_empty() => {
                        response.trailers = self.fields().await.unwrap_or_default();
                        break;
                    }
                    Some(chunk) => response.body.extend(chunk),
                }
            },
        }
        response
    }

    /// The next response's head; interim ones (100) too.
    pub(crate) async fn response_head(&mut self) -> Head {
        let line = self.line().await.expect("a response, but the connection was closed");
        let mut parts = line.splitn(3, ' ');
        assert!(parts.next().unwrap().starts_with("HTTP/1."), "no response: {line}");
        let status = parts.next().unwrap().parse().unwrap();
        let headers = self.fields().await.expect("a whole head");
        let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
        let known = headers.get("content-length").map(|v| v.to_str().unwrap().parse().unwrap());
        let length = match known {
            _ if chunked => Length::Chunked,
            Some(length) => Length::Known(length),
            None if status == StatusCode::CONTINUE => Length::Known(0),
            None => Length::UntilClose,
        };
        Head { status, headers, length }
    }

    /// The next chunk; empty for the last one, none if the connection broke off.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await?;
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
        if size == 0 {
            return Some(Vec::new());
        }
        if !self.fill(size + 2).await {
            return None;
        }
        let chunk = self.buffer.drain(..size).collect();
        assert_eq!(self.buffer.drain(..2).collect::<Vec<_>>(), b"\r\n");
        Some(chunk)
    }

    /// Reads chunks until the text holds `part`; gives all of it.
    pub(crate) async fn chunks_until(&mut self, part: &str) -> String {
        let mut text = String::new();
        while !text.contains(part) {
            let chunk = self.chunk().await.expect("more of the body");
            assert!(!chunk.is_empty(), "the body ended with: {text}");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }

    /// Whether anything has come that nobody has read yet; waits for nothing.
    pub(crate) fn has_answer(&mut self) -> bool {
        use futures_util::FutureExt;
        !self.buffer.is_empty() || self.read_more().now_or_never().is_some()
    }

    /// Whether the other side has closed the connection; waits for it, and for nothing else.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read_more().await
    }

    /// Header fields up to an empty line.
    async fn fields(&mut self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(headers);
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value.trim()).unwrap(),
            );
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Reads until so many bytes are at hand.
    async fn fill(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            if !self.read_more().await {
                return false;
            }
        }
        true
    }

    /// Reads what has come; false at the end, clean or not.
    async fn read_more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match within("bytes from the gateway", self.stream.read(&mut piece)).await {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                true
            }
        }
    }
}
