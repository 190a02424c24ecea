//! What is not exposed looks as if it had never been, in every protocol.

use crate::support::{Response, Rig};

/// Hides some methods, by way of the rig's one policy: the selector of the policy is `bookshelf.v1.*`.
async fn rig() -> Rig {
    Rig::with_policy(
        "expose: false }\n  \"bookshelf.v1.Bookshelf.GetBook\": { expose: true }\n  \
         \"bookshelf.v1.Bookshelf.Ping\": { expose: true",
    )
    .await
}

/// What a caller can tell apart: all but the time, and the name that it has asked for itself.
fn told(response: &Response, name: &str) -> String {
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "content-length"))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let body = String::from_utf8_lossy(&response.body);
    let text = format!("{} {headers:?} {body}", response.status);
    text.replace(name, "NAME")
}

#[tokio::test]
async fn exposed_alone_is_there_and_what_is_hidden_looks_as_if_it_never_was() {
    let rig = rig().await;
    let book = "/v1/shelves/fiction/books/letters";
    assert_eq!(rig.get(book).await.status, 200);
    // By path: a hidden method's beside one that nobody has ever had.
    for (hidden, never) in [("/v1/wait/0s", "/v1/nope/0s"), ("/v1/books", "/v1/films")] {
        let seen = told(&rig.get(hidden).await, hidden);
        assert_eq!(seen, told(&rig.get(never).await, never));
        assert!(seen.starts_with("404"), "{seen}");
    }
    // A hidden method of a path that another one has: the path knows only the other.
    let deleted = rig.request("DELETE", book, &[], b"").await;
    assert_eq!(deleted.status, 405);
    assert!(!deleted.header("allow").contains("DELETE"), "{deleted:?}");
    // By name, in the protocols that call by name.
    for kind in [
        "application/grpc",
        "application/grpc-web+proto",
        "application/json",
        "application/proto",
        "application/connect+json",
    ] {
        let mut seen = Vec::new();
        for name in ["DeleteBook", "NeverWas"] {
            let mut connection = rig.http2().await;
            let path = format!("/bookshelf.v1.Bookshelf/{name}");
            let headers = [("content-type", kind), ("te", "trailers")];
            let response = connection.request("POST", &path, &headers, &[0; 5]).await;
            seen.push(told(&response, name));
        }
        assert_eq!(seen[0], seen[1], "{kind}");
    }
    // As a WebSocket.
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let (hidden, never) = ("/bookshelf.v1.Bookshelf/Chat", "/bookshelf.v1.Bookshelf/Nope");
    let seen = told(&rig.request("GET", hidden, &upgrade, b"").await, hidden);
    assert_eq!(seen, told(&rig.request("GET", never, &upgrade, b"").await, never));
    assert_eq!(rig.bookshelf.begun(), 1);
}

#[tokio::test]
async fn exposed_alone_is_told_of_by_reflection() {
    let rig = rig().await;
    let mut connection = rig.http2().await;
    let symbol = b"bookshelf.v1.Bookshelf";
    // ServerReflectionRequest { file_containing_symbol: … }
    let length = u8::try_from(symbol.len()).unwrap();
    let message = [&[0x22, length][..], symbol].concat();
    let frame = crate::support::grpc::frame(0, &message);
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let response = connection.request("POST", path, &headers, &frame).await;
    let tells = |name: &str| response.body.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(tells("GetBook") && tells("Ping"), "{response:?}");
    for hidden in ["DeleteBook", "WatchBooks", "ImportBooks"] {
        // Types that hidden methods use may be those of others too; the methods are what is hidden.
        let as_a_name = [&[0x0a, u8::try_from(hidden.len()).unwrap()], hidden.as_bytes()].concat();
        let found = response.body.windows(as_a_name.len()).any(|part| part == as_a_name);
        assert!(!found, "{hidden} is told of");
    }
}
