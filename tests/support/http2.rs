//! A client of HTTP/2 with prior knowledge, on the h2 crate itself: streams can be cut, held back
//! and reset at will.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use super::{Response, http1::Carrier, within};

/// A connection.
pub(crate) struct Connection {
    sender: client::SendRequest<Bytes>,
    address: SocketAddr,
    /// Ends when the connection does.
    pub(crate) ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A request whose body is being sent, and whose response may be coming.
pub(crate) struct Stream {
    pub(crate) body: SendStream<Bytes>,
    response: client::ResponseFuture,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, address).await
    }

    /// A connection over TLS, or whatever else.
    pub(crate) async fn over(stream: impl Carrier + 'static, address: SocketAddr) -> Self {
        let (sender, connection) = within("HTTP/2", client::handshake(stream)).await.unwrap();
        let ended = tokio::spawn(connection);
        Self { sender, address, ended }
    }

    /// A whole request and its whole response.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut stream = self.open_stream(method, path, headers, body.is_empty()).await;
        if !body.is_empty() {
            stream.body.send_data(Bytes::copy_from_slice(body), true).unwrap();
        }
        stream.response().await
    }

    /// Sends a request's head; `end` if there is no body.
    pub(crate) async fn open_stream(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        end: bool,
    ) -> Stream {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = within("a free stream", self.sender.clone().ready()).await.unwrap();
        let (response, body) = sender.send_request(request.body(()).unwrap(), end).unwrap();
        Stream { body, response }
    }

    /// How many streams the gateway lets us have open, once its settings have come.
    pub(crate) fn max_streams(&self) -> usize {
        self.sender.current_max_send_streams()
    }
}

impl Stream {
    /// Sends a piece of the body.
    pub(crate) fn send(&mut self, data: impl Into<Bytes>, end: bool) {
        self.body.send_data(data.into(), end).unwrap();
    }

    /// The response's head, and its body to be read.
    pub(crate) async fn head(self) -> Result<(Response, SendStream<Bytes>, RecvStream), h2::Error> {
        let (head, body) = within("a response", self.response).await?.into_parts();
        let response = Response {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            complete: false,
        };
        Ok((response, self.body, body))
    }

    /// The whole response; an incomplete one if it broke off.
    pub(crate) async fn response(self) -> Response {
        let (mut response, _sending, mut body) = self.head().await.unwrap();
        while let Some(data) = data(&mut body).await {
            match data {
                Ok(data) => response.body.extend_from_slice(&data),
                Err(_) => return response,
            }
        }
        if let Ok(trailers) = within("trailers", body.trailers()).await {
            response.trailers = trailers.unwrap_or_default();
            response.complete = true;
        }
        response
    }
}

/// The next piece of a body; frees its place in the window.
pub(crate) async fn data(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = within("data", body.data()).await?;
    if let Ok(data) = &data {
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    Some(data)
}

/// Reads a body until its text holds `part`; gives all of it.
pub(crate) async fn text_until(body: &mut RecvStream, part: &str) -> String {
    let mut text = String::new();
    while !text.contains(part) {
        let data = data(body).await.expect("more of the body").unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}
