//! gRPC's own client, and frames for those who write them by hand.

use std::net::SocketAddr;

use http::HeaderMap;
use tonic::transport::Channel;
use transom::cli::demo::bookshelf::types::bookshelf::v1::bookshelf_client::BookshelfClient;

use super::{Response, within};

/// The service's generated client.
pub(crate) type Client = BookshelfClient<Channel>;

/// A client of the bookshelf at this address.
pub(crate) async fn client(address: SocketAddr) -> Client {
    Client::new(channel(address).await)
}

/// A connection for any client.
pub(crate) async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    within("a connection", endpoint.connect()).await.unwrap()
}

/// The frame of a message with this flag.
pub(crate) fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}

/// The messages of a body with their flags.
pub(crate) fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let (message, rest) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        frames.push((*flag, message.to_vec()));
        body = rest;
    }
    assert!(body.is_empty(), "a frame is cut off: {body:?}");
    frames
}

/// The code and the message among these headers.
pub(crate) fn status(headers: &HeaderMap) -> (u32, String) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let code = text("grpc-status").unwrap_or_else(|| panic!("no status: {headers:?}"));
    (code.parse().unwrap(), text("grpc-message").unwrap_or_default())
}

impl Response {
    /// Checks that this is a gRPC answer that was over with its head; gives its message.
    pub(crate) fn trailers_only(&self, code: u32) -> String {
        assert_eq!(self.status, 200, "{:?}", self.headers);
        assert!(self.complete && self.body.is_empty() && self.trailers.is_empty(), "{self:?}");
        let (found, message) = status(&self.headers);
        assert_eq!(found, code, "{message}");
        assert!(!self.headers.contains_key("content-length"), "{:?}", self.headers);
        message
    }
}
