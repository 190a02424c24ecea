//! There is no way around a policy: whatever a request looks like, the policy that runs is that of
//! the method which the backend would hear.
//!
//! Every generated request goes to two gateways with the same schema and routes. The one has no
//! policies: what its backend hears is the method that the request resolves to. The other refuses
//! some methods, and writes into all others' metadata whose policy ran.
//!
//! | the open one's backend hears | the guarded one's backend hears | the caller            |
//! |------------------------------|---------------------------------|-----------------------|
//! | nothing                      | nothing                         | is answered           |
//! | a method that is refused     | nothing                         | is told of no success |
//! | another method               | it, and its own policy          | is answered           |

use std::{fs, net::SocketAddr};

use http::request::Parts;
use proptest::{
    collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::support::{Gateway, backend, http2, rig, within};

/// How many requests are tried.
const REQUESTS: usize = 500;

const SERVICE: &str = "bookshelf.v1.Bookshelf";

/// The methods of the service, and whether the guarded gateway refuses them. Each refused one has a
/// route that overlaps with that of one which isn't.
const METHODS: [(&str, bool); 14] = [
    ("ListBooks", false),
    ("GetBook", false),
    ("CreateBook", true),
    ("UpdateBook", false),
    ("DeleteBook", true),
    ("WatchBooks", true),
    ("ImportBooks", false),
    ("Chat", true),
    ("ReadText", false),
    ("GetCover", true),
    ("SetCover", false),
    ("WriteText", true),
    ("Fail", false),
    ("Wait", true),
];

const PATHS: [&str; 16] = [
    "/v1/books",
    "/v1/books:array",
    "/v1/shelves/fiction/books",
    "/v1/shelves/fiction/books:watch",
    "/v1/shelves/fiction/books:import",
    "/v1/shelves/fiction/books/letters",
    "/v1/shelves/fiction/books/letters:chat",
    "/v1/shelves/fiction/books/letters/text",
    "/v1/shelves/fiction/books/letters/cover",
    "/v1/fail",
    "/v1/fail/5",
    "/v1/wait/0s",
    "/bookshelf.v1.Bookshelf/GetBook",
    "/bookshelf.v1.Bookshelf/DeleteBook",
    "/bookshelf.v1.Bookshelf/Wait",
    "/bookshelf.v1.Bookshelf/WatchBooks",
];

const VERBS: [&str; 9] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "PROPFIND"];

const TYPES: [&str; 9] = [
    "application/json",
    "application/grpc",
    "Application/GRPC+proto",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/connect+proto",
    "application/proto",
    "application/json; charset=utf-8",
    "text/plain",
];

/// Headers by which other servers let themselves be told another method or path.
const DETOURS: [(&str, &str); 9] = [
    ("x-http-method-override", "DELETE"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "GET"),
    ("x-original-url", "/v1/wait/0s"),
    ("x-rewrite-url", "/bookshelf.v1.Bookshelf/DeleteBook"),
    ("x-forwarded-prefix", "/v1"),
    ("connect-protocol-version", "1"),
    ("te", "trailers"),
    ("x-policy", "Nobody"),
];

/// What is done to a path.
#[derive(Clone, Debug)]
enum Twist {
    TrailingSlash,
    DoubleSlash(usize),
    EncodedSlash(usize),
    Dots(&'static str),
    OddCase(usize),
    Encoded(usize),
    Verb(&'static str),
    Behind(&'static str),
}

#[derive(Clone, Debug)]
struct Asked {
    verb: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static [u8],
    over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Http1,
    Http2,
    Upgrade,
}

fn twists() -> impl Strategy<Value = Twist> {
    let place = 0..40_usize;
    prop_oneof![
        Just(Twist::TrailingSlash),
        place.clone().prop_map(Twist::DoubleSlash),
        place.clone().prop_map(Twist::EncodedSlash),
        select(&["/./", "/../", "/%2e/", "/%2e%2e/", "/x/../", "/..;/"][..]).prop_map(Twist::Dots),
        place.clone().prop_map(Twist::OddCase),
        place.prop_map(Twist::Encoded),
        select(&[":watch", ":import", ":chat", "%3Awatch", ":Chat", ":array"][..])
            .prop_map(Twist::Verb),
        select(&["?name=other", ";a=b", "%00", "%20", "?%2e", "//"][..]).prop_map(Twist::Behind),
    ]
}

/// The byte at which a twist is made: one of those that fit, if there is one.
fn place(path: &str, nth: usize, fits: impl Fn(u8) -> bool) -> Option<usize> {
    let places: Vec<_> = path.bytes().enumerate().filter(|(_, byte)| fits(*byte)).collect();
    places.get(nth % places.len().max(1)).map(|(at, _)| *at)
}

fn twist(mut path: String, twist: &Twist) -> String {
    let is_slash = |byte| byte == b'/';
    let is_letter = |byte: u8| byte.is_ascii_alphabetic();
    match twist {
        Twist::TrailingSlash => path.push('/'),
        Twist::DoubleSlash(nth) => {
            let at = place(&path, *nth, is_slash);
            at.into_iter().for_each(|at| path.insert(at, '/'));
        }
        Twist::EncodedSlash(nth) => {
            // The first one stays: without it there is no path.
            let at = place(&path[1..], *nth, is_slash);
            at.into_iter().for_each(|at| path.replace_range(at + 1..at + 2, "%2F"));
        }
        Twist::Dots(dots) => {
            let at = path.rfind('/').unwrap_or(0);
            path.replace_range(at..=at, dots);
        }
        Twist::OddCase(nth) => {
            if let Some(at) = place(&path, *nth, is_letter) {
                let odd = char::from(path.as_bytes()[at] ^ 0x20).to_string();
                path.replace_range(at..=at, &odd);
            }
        }
        Twist::Encoded(nth) => {
            if let Some(at) = place(&path, *nth, is_letter) {
                let encoded = format!("%{:02x}", path.as_bytes()[at]);
                path.replace_range(at..=at, &encoded);
            }
        }
        Twist::Verb(verb) => path.push_str(verb),
        Twist::Behind(text) => path.push_str(text),
    }
    path
}

fn requests() -> impl Strategy<Value = Asked> {
    // Enough of them are plain for the policies to have something to decide.
    let twisted = prop_oneof![3 => vec(twists(), 0..1), 2 => vec(twists(), 1..3)];
    let path = (select(&PATHS[..]), twisted)
        .prop_map(|(path, twists)| twists.iter().fold(path.to_owned(), twist));
    let kind = prop::option::weighted(0.4, select(&TYPES[..]));
    let headers = (kind, vec(select(&DETOURS[..]), 0..3)).prop_map(|(kind, mut headers)| {
        headers.extend(kind.map(|kind| ("content-type", kind)));
        headers
    });
    let bodies: [&[u8]; 6] = [b"", b"", b"{}", b"{}", &[0; 5], b"[{}]"];
    let over =
        prop_oneof![2 => Just(Over::Http1), 2 => Just(Over::Http2), 1 => Just(Over::Upgrade)];
    let verb = prop_oneof![3 => select(&VERBS[..2]), 2 => select(&VERBS[..])];
    (verb, path, headers, select(bodies.to_vec()), over).prop_map(
        |(verb, path, headers, body, over)| {
            let is_target = path.parse::<http::Uri>().is_ok();
            let over = if over == Over::Http2 && !is_target { Over::Http1 } else { over };
            let verb = if over == Over::Upgrade { "GET" } else { verb };
            Asked { verb, path, headers, body, over }
        },
    )
}

/// Asks; gives the status that the caller sees: of HTTP, or the close code's of a WebSocket.
async fn ask(gateway: SocketAddr, asked: &Asked) -> u16 {
    let Asked { verb, path, headers, body, over } = asked;
    if *over == Over::Http2 {
        let mut connection = http2::Connection::open(gateway).await;
        let response = connection.request(verb, path, headers, body).await;
        let code = response.headers.get("grpc-status").or(response.trailers.get("grpc-status"));
        let failed = code.is_some_and(|code| code != "0");
        return if failed { 500 } else { response.status.as_u16() };
    }
    let mut head = format!("{verb} {path} HTTP/1.1\r\nhost: books.example\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += match over {
        Over::Upgrade => {
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        }
        _ => "connection: close\r\n",
    };
    let mut bytes = head.into_bytes();
    if *over == Over::Upgrade {
        // One message, `{}`, and the half-close, both under the mask of zeros.
        bytes.extend_from_slice(b"\x81\x82\0\0\0\0{}\x81\x80\0\0\0\0");
    } else {
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
        bytes.extend_from_slice(body);
    }
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    // A gateway that refuses early may close before all of it is sent.
    let _ = stream.write_all(&bytes).await;
    let mut answer = Vec::new();
    loop {
        if let Some(code) = closed(&answer) {
            return code;
        }
        match within("an answer", stream.read_buf(&mut answer)).await {
            Ok(1..) => {}
            _ => break,
        }
    }
    let status =
        answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.unwrap_or(0)
}

/// The code of the close frame behind a switch of protocols, once it has come.
fn closed(answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut frames = answer.starts_with(b"HTTP/1.1 101").then(|| &answer[end + 4..])?;
    loop {
        let (first, rest) = frames.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            126 => (u16::from_be_bytes([*rest.first()?, *rest.get(1)?]).into(), rest.get(2..)?),
            length => (usize::from(*length), rest),
        };
        let payload = rest.get(..length)?;
        if first & 0x0f == 8 {
            return Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]));
        }
        frames = &rest[length..];
    }
}

/// A gateway and what its backend hears.
struct Side {
    gateway: Gateway,
    heard: mpsc::UnboundedReceiver<Parts>,
    _folder: tempfile::TempDir,
}

impl Side {
    async fn start(policies: &str) -> Self {
        let (upstream, heard) = backend::recorder().await;
        let folder = tempfile::tempdir().unwrap();
        let set = rig::write_descriptor_set(&folder);
        let config = folder.path().join("transom.yaml");
        let text = rig::configuration(&set, upstream, "") + policies;
        fs::write(&config, text).unwrap();
        let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;
        Self { gateway, heard, _folder: folder }
    }

    /// The status, the methods that the backend heard, and whose policies ran.
    async fn try_it(&mut self, asked: &Asked) -> (u16, Vec<(String, String)>) {
        let status = ask(self.gateway.address, asked).await;
        let mut heard = Vec::new();
        while let Ok(head) = self.heard.try_recv() {
            let method = head.uri.path().rsplit('/').next().unwrap().to_owned();
            let policies = head.headers.get_all("x-policy").into_iter();
            let policies: Vec<_> = policies.map(|value| value.to_str().unwrap()).collect();
            heard.push((method, policies.join(" ")));
        }
        (status, heard)
    }
}

fn policies() -> String {
    let policy = |(method, refused): &(&str, bool)| {
        let own = format!("headers: {{ request: {{ set: {{ x-policy: {method} }} }} }}");
        format!("  \"{SERVICE}.{method}\": {{ authorize: {{ deny_all: {refused} }}, {own} }}\n")
    };
    METHODS.iter().map(policy).collect()
}

#[tokio::test]
async fn detours_lead_to_the_policy_of_the_method_that_is_called() {
    let mut open = Side::start("").await;
    let mut guarded = Side::start(&policies()).await;
    let (strategy, mut runner) = (requests(), TestRunner::deterministic());
    let (mut passed, mut refused, mut nowhere) = (0, 0, 0);
    for _ in 0..REQUESTS {
        let asked = strategy.new_tree(&mut runner).unwrap().current();
        let (_, resolved) = open.try_it(&asked).await;
        let (status, heard) = guarded.try_it(&asked).await;
        let Some((method, _)) = resolved.first() else {
            assert!(heard.is_empty(), "{asked:?} reached {heard:?} only where there are policies");
            nowhere += 1;
            continue;
        };
        let known = METHODS.iter().find(|(name, _)| name == method);
        match known.expect("a method of the service") {
            (_, true) => {
                assert!(heard.is_empty(), "{asked:?} went around the policy: {heard:?}");
                // gRPC-Web and streams of Connect tell of it behind a status of 200.
                let tells = |(_, value): &(&str, &str)| {
                    value.contains("grpc") || value.contains("connect+")
                };
                let is_told = !asked.headers.iter().any(tells);
                let is_success = matches!(status, 200..=299 | 1000);
                assert!(!is_told || !is_success, "{asked:?} was told {status}");
                refused += 1;
            }
            (name, false) => {
                let want = vec![(method.clone(), (*name).to_owned())];
                assert_eq!(heard, want, "{asked:?} met another policy");
                passed += 1;
            }
        }
    }
    println!("{passed} passed, {refused} refused, {nowhere} led nowhere");
    assert!(passed > REQUESTS / 50 && refused > REQUESTS / 50 && nowhere > REQUESTS / 50);
}
