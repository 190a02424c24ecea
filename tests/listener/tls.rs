//! TLS: versions, suites, names, client certificates, ALPN, reload, and handshakes that don't end.

use std::fs;

use rustls::{HandshakeKind, ProtocolVersion};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{BOOK, serve, serve_before, until_logged, until_printed};
use crate::support::{
    Gateway,
    authority::Authority,
    backend, http1, http2,
    tls::{self, Client},
    within,
};

const TLS: &str = "  - address: 127.0.0.1:0\n    tls:\n      certificates:\n        \
                   - { certificate: a.pem, key: a.key }\n";

/// A folder with an authority and a certificate of it, `a.pem`, for localhost.
fn folder() -> (TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    authority.write("a", &["localhost"]);
    (folder, authority)
}

/// A request over HTTP/1.1 on a new connection; an error if there is no handshake or no answer.
async fn get(client: &Client, gateway: &Gateway) -> std::io::Result<u16> {
    let mut stream = client.connect(gateway.address).await?;
    // In TLS 1.3 a client learns behind its own end of the handshake that it was refused.
    let request = format!("GET {BOOK} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await?;
    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok(std::str::from_utf8(status).unwrap().parse().unwrap())
}

#[tokio::test]
async fn tls_protocol_is_chosen_by_alpn() {
    let (folder, authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    assert!(gateway.urls[0].starts_with("https://"), "{:?}", gateway.urls);
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let client = Client::of(&authority).alpn(offered);
        let stream = client.connect(gateway.address).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
        let response = if chosen == Some(b"h2") {
            let mut connection = http2::Connection::over(stream, gateway.address).await;
            connection.request("GET", BOOK, &[], b"").await
        } else {
            let mut connection = http1::Connection::over(stream, "localhost");
            connection.send_request("GET", BOOK, &[], b"").await;
            connection.response().await
        };
        assert_eq!(response.ok()["title"], "Letters on the Hall Floor");
    }
    let stranger = Client::of(&authority).alpn(&["spdy/3"]);
    assert!(stranger.connect(gateway.address).await.is_err(), "nothing in common");
}

#[tokio::test]
async fn tls_without_alpn_for_it_speaks_no_http2() {
    let (folder, authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    for offered in [&["http/1.1"][..], &[]] {
        let client = Client::of(&authority).alpn(offered);
        let mut stream = client.connect(gateway.address).await.unwrap();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        stream.write_all(preface).await.unwrap();
        let mut answer = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
}

#[tokio::test]
async fn tls_calls_say_https_to_the_backend() {
    let (folder, authority) = folder();
    let (upstream, mut asked) = backend::recorder().await;
    let gateway = serve_before(&folder, TLS, upstream).await;
    let stream = Client::of(&authority).connect(gateway.address).await.unwrap();
    let mut connection = http1::Connection::over(stream, "localhost");
    connection.send_request("DELETE", "/v1/shelves/a/books/b", &[], b"").await;
    connection.response().await.ok();
    let head = within("the backend's record", asked.recv()).await.unwrap();
    assert_eq!(head.headers["x-forwarded-proto"], "https");
    assert_eq!(head.headers["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test]
async fn tls_certificate_is_chosen_by_name() {
    let (folder, authority) = folder();
    let first = authority.write("a", &["localhost", "first.example"]);
    let wild = authority.write("wild", &["*.books.example"]);
    let exact = authority.write("exact", &["api.books.example"]);
    let listen = format!(
        "{TLS}        - {{ certificate: wild.pem, key: wild.key }}\n        \
         - {{ certificate: exact.pem, key: exact.key }}\n"
    );
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    for (host, want) in
        [("first.example", &first), ("tales.books.example", &wild), ("api.books.example", &exact)]
    {
        let client = Client::of(&authority).host(host);
        let stream = client.connect(gateway.address).await.unwrap();
        assert_eq!(tls::certificate(&stream), *want, "{host}");
    }
    // Nobody's name, and no name: the first, which a strict client then refuses or not.
    let mut client = Client::of(&authority);
    client.config.enable_sni = false;
    let stream = client.connect(gateway.address).await.unwrap();
    assert_eq!(tls::certificate(&stream), first);
    let stranger = Client::of(&authority).host("elsewhere.example");
    assert!(stranger.connect(gateway.address).await.is_err());
}

#[tokio::test]
async fn tls_client_certificate_is_required_verified_and_known() {
    let (folder, authority) = folder();
    let partners = Authority::new(folder.path(), "partners");
    let listen = format!("{TLS}      client_ca: partners.pem\n");
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    let anonymous = Client::of(&authority);
    assert!(get(&anonymous, &gateway).await.is_err(), "none was shown");
    let foreign = Client::showing(&authority, authority.client("spiffe://example.org/foreign"));
    assert!(get(&foreign, &gateway).await.is_err(), "of another authority");
    let reader = Client::showing(&authority, partners.client("spiffe://example.org/reader"));
    assert_eq!(get(&reader, &gateway).await.unwrap(), 200);
    until_printed(&gateway, "\"client\":\"spiffe://example.org/reader\"").await;
    assert!(!gateway.printed().contains("foreign"));
}

#[tokio::test]
async fn tls_optional_client_certificate_is_verified_if_shown() {
    let (folder, authority) = folder();
    let partners = Authority::new(folder.path(), "partners");
    let listen =
        format!("{TLS}      client_ca: partners.pem\n      client_certificate: optional\n");
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    assert_eq!(get(&Client::of(&authority), &gateway).await.unwrap(), 200);
    let reader = Client::showing(&authority, partners.client("https://example.org/reader"));
    assert_eq!(get(&reader, &gateway).await.unwrap(), 200);
    let foreign = Client::showing(&authority, authority.client("https://example.org/foreign"));
    assert!(get(&foreign, &gateway).await.is_err());
}

#[tokio::test]
async fn tls_new_certificate_is_shown_to_new_connections_alone() {
    let (folder, authority) = folder();
    let first = authority.write("a", &["localhost"]);
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    let client = Client::of(&authority);
    let stream = client.connect(gateway.address).await.unwrap();
    assert_eq!(tls::certificate(&stream), first);
    let mut open = http1::Connection::over(stream, "localhost");
    open.send_request("GET", BOOK, &[], b"").await;
    open.response().await.ok();

    let second = authority.write("a", &["localhost"]);
    let renewed = async {
        while tls::certificate(&client.connect(gateway.address).await.unwrap()) != second {}
    };
    within("the new certificate", renewed).await;

    fs::write(folder.path().join("a.pem"), "no certificate").unwrap();
    until_logged(&gateway, "the old ones stay in force", async || {
        let stream = client.connect(gateway.address).await.unwrap();
        assert_eq!(tls::certificate(&stream), second);
    })
    .await;
    assert!(gateway.log().contains("a.pem` holds no certificate"));

    open.send_request("GET", BOOK, &[], b"").await;
    open.response().await.ok();
}

#[tokio::test]
async fn tls_handshake_that_does_not_end_costs_its_connection_alone() {
    let (folder, authority) = folder();
    let listen = format!("{TLS}      handshake_timeout: 100ms\n");
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    for begun in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let mut heard = Vec::new();
        let _ = within("the cut", stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty(), "{heard:?}");
    }
    until_logged(&gateway, "the handshake took longer than 100ms", tokio::task::yield_now).await;
    assert_eq!(get(&Client::of(&authority), &gateway).await.unwrap(), 200);
}

#[tokio::test]
async fn tls_port_tells_cleartext_what_it_is() {
    let (folder, authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    let body = "x".repeat(32 << 10);
    for body in ["", &body] {
        let response =
            http1::request(gateway.address, "POST", "/v1/books", &[], body.as_bytes()).await;
        assert_eq!(response.status, 400);
        assert!(response.text().contains("speaks TLS; use https"), "{}", response.text());
    }
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"\0garbage").await.unwrap();
    let mut heard = Vec::new();
    let _ = within("the cut", stream.read_to_end(&mut heard)).await;
    assert!(heard.is_empty(), "{heard:?}");
    assert_eq!(get(&Client::of(&authority), &gateway).await.unwrap(), 200);
}

/// The answer to a ClientHello of this version that offers these suites, as old clients send it.
async fn old_hello(gateway: &Gateway, version: u8, suites: &[u16]) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend((2 * suites.len() as u16).to_be_bytes());
    hello.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    hello.extend([1, 0]);
    // Groups and signatures, so that nothing but version and suites is missing.
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1],
        &[0, 23, 0, 0],
    ]
    .concat();
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend((hello.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((hello.len() as u16).to_be_bytes());
    record.extend(hello);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = vec![0; 7];
    let _ = within("an answer", stream.read_exact(&mut answer)).await;
    answer
}

#[tokio::test]
async fn tls_of_old_versions_and_weak_suites_is_refused() {
    const MODERN: &[u16] = &[0xc02b, 0xc02f];
    let (folder, authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    // An alert (21), fatal (2), of protocol_version (70); suites have no alert of their own.
    let alert = |answer: Vec<u8>| (answer[0], answer[5], answer[6]);
    for version in [0, 1, 2] {
        let answer = old_hello(&gateway, version, MODERN).await;
        assert_eq!(alert(answer), (21, 2, 70), "SSL 3.0, TLS 1.0, 1.1 are 3.{version}");
    }
    // CBC with and without forward secrecy, RSA key exchange, RC4, 3DES, finite-field DHE.
    for weak in [0xc009, 0xc013, 0xc023, 0x002f, 0x009c, 0x0005, 0x000a, 0x009e] {
        let answer = old_hello(&gateway, 3, &[weak]).await;
        assert_eq!((answer[0], answer[5]), (21, 2), "{weak:04x}");
    }
    // The same hello, but sound: the server's handshake begins.
    assert_eq!(old_hello(&gateway, 3, MODERN).await[0], 22);
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let client = Client::speaking(&authority, version);
        let stream = client.connect(gateway.address).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
    }
}

#[tokio::test]
async fn tls_before_the_oldest_version_is_refused() {
    let (folder, authority) = folder();
    let listen = format!("{TLS}      min_version: 1.3\n");
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    let old = Client::speaking(&authority, ProtocolVersion::TLSv1_2);
    assert!(old.connect(gateway.address).await.is_err());
    let new = Client::speaking(&authority, ProtocolVersion::TLSv1_3);
    assert_eq!(get(&new, &gateway).await.unwrap(), 200);
}

#[tokio::test]
async fn tls_sessions_are_resumed() {
    let (folder, authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let client = Client::speaking(&authority, version);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = client.connect(gateway.address).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
            // The ticket comes behind the handshake, with or before the first answer.
            let mut connection = http1::Connection::over(stream, "localhost");
            connection.send_request("GET", BOOK, &[], b"").await;
            connection.response().await.ok();
        }
    }
}

/// What `openssl s_client` makes of the port: whether it shook hands, and all that it told.
async fn openssl(gateway: &Gateway, folder: &TempDir, options: &str) -> (bool, String) {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-connect", &gateway.address.to_string(), "-CAfile", "ca.pem"]);
    command.args(["-servername", "localhost", "-verify_return_error"]);
    command.args(options.split_whitespace()).current_dir(folder.path());
    let ended = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let ended = within("the client's end", ended).await.unwrap();
    let told = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (ended.status.success(), told.concat())
}

#[tokio::test]
async fn tls_of_another_library_gets_modern_versions_and_suites_alone() {
    let (folder, _authority) = folder();
    let (_bookshelf, gateway) = serve(&folder, TLS).await;
    for (options, told) in [
        ("-tls1_2", "Protocol  : TLSv1.2"),
        ("-tls1_3", "TLSv1.3"),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("-alpn h2,http/1.1", "ALPN protocol: h2"),
        ("-alpn http/1.1", "ALPN protocol: http/1.1"),
        ("-alpn http/1.1,h2", "ALPN protocol: h2"),
        ("", "No ALPN negotiated"),
    ] {
        let (well, said) = openssl(&gateway, &folder, options).await;
        assert!(well && said.contains(told), "{options}: {said}");
    }
    for options in [
        // Level 0 lets the library itself say such things.
        "-tls1 -cipher ALL:@SECLEVEL=0",
        "-tls1_1 -cipher ALL:@SECLEVEL=0",
        "-tls1_2 -cipher AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
        "-tls1_2 -cipher aNULL:@SECLEVEL=0",
        "-alpn h3",
    ] {
        let (well, said) = openssl(&gateway, &folder, options).await;
        assert!(!well && said.contains("alert"), "{options}: {said}");
    }
}

#[tokio::test]
async fn tls_of_another_library_is_asked_for_a_certificate_where_one_is_required() {
    let (folder, authority) = folder();
    let listen = format!("{TLS}      client_ca: ca.pem\n");
    let (_bookshelf, gateway) = serve(&folder, &listen).await;
    authority.write("client", &["client.example"]);
    // To a client of TLS 1.3 the handshake is over before its certificate has been seen.
    let (well, said) = openssl(&gateway, &folder, "-tls1_2").await;
    assert!(!well && said.contains("alert"), "{said}");
    let (well, said) = openssl(&gateway, &folder, "-tls1_2 -cert client.pem -key client.key").await;
    assert!(well && said.contains("Verify return code: 0"), "{said}");
    Authority::new(folder.path(), "stranger").write("forged", &["client.example"]);
    let (well, said) = openssl(&gateway, &folder, "-tls1_2 -cert forged.pem -key forged.key").await;
    assert!(!well && said.contains("alert"), "{said}");
}
