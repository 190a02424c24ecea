//! The PROXY protocol: whom the backend gets to know, and who isn't believed.

use http::HeaderMap;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::{serve_before, until_logged, until_printed};
use crate::support::{
    Gateway,
    authority::Authority,
    backend,
    http1::{self, Carrier},
    tls::Client,
    within,
};

const V1: &[u8] = b"PROXY TCP4 198.51.100.7 203.0.113.1 50000 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xcb\0\x71\x01\xc3\x50\x01\xbb";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

struct Rig {
    gateway: Gateway,
    asked: mpsc::UnboundedReceiver<http::request::Parts>,
    folder: TempDir,
    authority: Authority,
}

/// A gateway before a backend that tells what it was asked.
async fn start(options: &str) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    authority.write("a", &["localhost"]);
    let (upstream, asked) = backend::recorder().await;
    let listen = format!("  - {{ address: \"127.0.0.1:0\", {options} }}\n");
    let gateway = serve_before(&folder, &listen, upstream).await;
    Rig { gateway, asked, folder, authority }
}

impl Rig {
    async fn connect(&self, header: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.gateway.address).await.unwrap();
        stream.write_all(header).await.unwrap();
        stream
    }

    /// What the backend sees of a request on this connection.
    async fn seen(&mut self, stream: impl Carrier + 'static) -> HeaderMap {
        let mut connection = http1::Connection::over(stream, "localhost");
        let headers = [("x-forwarded-for", "192.0.2.99")];
        connection.send_request("DELETE", "/v1/shelves/a/books/b", &headers, b"").await;
        connection.response().await.ok();
        within("the backend's record", self.asked.recv()).await.unwrap().headers
    }

    /// Checks that a connection that begins so is closed without a word.
    async fn check_closed(&self, header: &[u8]) {
        let mut stream = self.connect(header).await;
        let _ = stream.write_all(b"GET /v1/books HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut heard = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty(), "{header:?}: {heard:?}");
    }
}

const REQUIRED: &str = "proxy_protocol: required, trusted_proxies: [127.0.0.0/8]";
const OPTIONAL: &str = "proxy_protocol: optional, trusted_proxies: [127.0.0.1]";

#[tokio::test]
async fn proxy_protocol_tells_the_client_s_address() {
    let mut rig = start(REQUIRED).await;
    for header in [V1, V2] {
        let stream = rig.connect(header).await;
        // The client behind the balancer is no trusted proxy, so its own word is replaced.
        assert_eq!(rig.seen(stream).await["x-forwarded-for"], "198.51.100.7");
    }
    let stream = rig.connect(V2_LOCAL).await;
    assert_eq!(rig.seen(stream).await["x-forwarded-for"], "192.0.2.99, 127.0.0.1");
    until_printed(&rig.gateway, "\"peer\":\"198.51.100.7:50000\"").await;
}

#[tokio::test]
async fn proxy_protocol_stands_before_tls() {
    let options =
        format!("{REQUIRED}, tls: {{ certificates: [{{ certificate: a.pem, key: a.key }}] }}");
    let mut rig = start(&options).await;
    let stream = rig.connect(V2).await;
    let stream = Client::of(&rig.authority).shake(stream).await.unwrap();
    let seen = rig.seen(stream).await;
    assert_eq!(seen["x-forwarded-for"], "198.51.100.7");
    assert_eq!(seen["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn proxy_protocol_that_is_missing_or_malformed_closes_the_connection() {
    let mut rig = start(REQUIRED).await;
    for header in [
        &b""[..],
        b"PROXY TCP4 198.51.100.7\r\n",
        b"PROXY TCP4 999.51.100.7 203.0.113.1 1 2\r\n",
        b"PROXY",
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        rig.check_closed(header).await;
    }
    until_logged(&rig.gateway, "sent no header of the PROXY protocol", tokio::task::yield_now)
        .await;
    let stream = rig.connect(V1).await;
    assert_eq!(rig.seen(stream).await["x-forwarded-for"], "198.51.100.7");
}

#[tokio::test]
async fn proxy_protocol_that_takes_too_long_closes_the_connection() {
    let rig = start(&format!("{REQUIRED}, head_timeout: 100ms")).await;
    for begun in [&b""[..], b"PROXY TC", &V2[..14]] {
        let mut stream = rig.connect(begun).await;
        let mut heard = Vec::new();
        let _ = within("the cut", stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty(), "{heard:?}");
    }
    until_logged(&rig.gateway, "took too long", tokio::task::yield_now).await;
}

#[tokio::test]
async fn proxy_protocol_is_optional_where_it_is_said() {
    let mut rig = start(OPTIONAL).await;
    for (header, want) in
        [(V1, "198.51.100.7"), (V2, "198.51.100.7"), (b"", "192.0.2.99, 127.0.0.1")]
    {
        let stream = rig.connect(header).await;
        assert_eq!(rig.seen(stream).await["x-forwarded-for"], want);
    }
}

#[tokio::test]
async fn proxy_protocol_of_a_stranger_is_not_believed() {
    let rig = start("proxy_protocol: required, trusted_proxies: [10.0.0.0/8]").await;
    for header in [V1, V2, b""] {
        rig.check_closed(header).await;
    }
    until_logged(&rig.gateway, "the peer is no trusted proxy", tokio::task::yield_now).await;
    let mut rig = start("proxy_protocol: optional, trusted_proxies: [10.0.0.0/8]").await;
    let mut connection = http1::Connection::over(rig.connect(V1).await, "localhost");
    connection.send("GET /v1/books HTTP/1.1\r\nhost: a\r\n\r\n").await;
    connection.response().await.refusal(400, 3);
    let stream = rig.connect(b"").await;
    assert_eq!(rig.seen(stream).await["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test]
async fn proxy_protocol_comes_over_a_unix_socket_too() {
    let mut rig = start(
        "proxy_protocol: off }\n  - { address: \"unix:a.sock\", proxy_protocol: required, \
         trusted_proxies: [unix]",
    )
    .await;
    let path = rig.folder.path().join("a.sock");
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    stream.write_all(V1).await.unwrap();
    assert_eq!(rig.seen(stream).await["x-forwarded-for"], "198.51.100.7");
}
