//! A server as its peers see it: bytes in, bytes out, and when connections end.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;

use super::Server;
use crate::{
    config::{File, Listen, Runtime, prepare},
    error::Error,
    exchange::{Exchange, Reply, Upstream},
    gateway::Gateway,
    lasting::Lasting,
    protocol::{Caller, Door, Opening, ResponseBody},
    schema::Schema,
};

/// Long enough that only a test that fails waits for it.
const FOREVER: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

/// A server of the bookshelf's routes, whose backend nobody reaches.
fn serve(change: impl FnOnce(&mut Listen)) -> Server {
    let mut listen = Listen::at("127.0.0.1:0".parse().unwrap());
    change(&mut listen);
    start(bookshelf(), listen)
}

fn start(runtime: Runtime, listen: Listen) -> Server {
    Server::start(Arc::new(Gateway::new(Arc::new(runtime))), &[listen], 1).unwrap()
}

fn bookshelf() -> Runtime {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transom.yaml");
    let set = concat!(env!("OUT_DIR"), "/bookshelf.binpb");
    let text = format!(
        "schema: [{{ descriptor_set: {set} }}]\n\
         upstreams: {{ gone: {{ endpoints: [\"http://127.0.0.1:9\"] }} }}\n\
         services: {{ \"*\": {{ upstream: gone }} }}\n"
    );
    fs::write(&path, text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let prepared = runtime.block_on(prepare(File::load(&path), &Lasting::new())).unwrap();
    Runtime::build(prepared, 1, &Lasting::new()).unwrap()
}

fn drain(server: Server, patience: Duration) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(server.drain(patience))
}

/// A connection to a server.
struct Peer(TcpStream);

impl Peer {
    fn of(server: &Server) -> Self {
        Self::at(server.addresses()[0].ip().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(FOREVER)).unwrap();
        Self(stream)
    }

    fn say(&mut self, text: &str) -> &mut Self {
        self.0.write_all(text.as_bytes()).unwrap();
        self
    }

    /// One answer: its head, and its body if it tells how long that is.
    fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&heard).into_owned();
        let length = head
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        head + &String::from_utf8_lossy(&body)
    }

    /// Everything until the server closes.
    fn hear_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => heard,
        }
    }
}

const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n";
const HTTP2: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";

#[test]
fn head_that_does_not_come_in_time_costs_the_connection() {
    let server = serve(|listen| listen.head_timeout = SHORT);
    for begun in ["", "GET /nowhere HTTP/1.1\r\nho", "P", "PRI * HTTP/2.0\r\n"] {
        let before = Instant::now();
        assert!(Peer::of(&server).say(begun).hear_all().is_empty(), "{begun}");
        assert!(before.elapsed() < FOREVER);
    }
}

#[test]
fn idle_connection_is_closed_and_a_slow_head_is_not_idleness() {
    let server = serve(|listen| listen.idle_timeout = SHORT);
    let mut peer = Peer::of(&server);
    assert!(peer.say(NOWHERE).hear().starts_with("HTTP/1.1 404"));
    assert!(peer.hear_all().is_empty());
}

#[test]
fn http2_connection_without_streams_is_told_to_go_and_then_cut() {
    let server = serve(|listen| {
        listen.idle_timeout = SHORT;
        listen.head_timeout = SHORT;
    });
    // In two pieces, the first of which could be HTTP/1.1 as well.
    let mut peer = Peer::of(&server);
    peer.say(&HTTP2[..1]).say(&HTTP2[1..]);
    let heard = peer.hear_all();
    let goaway = heard.windows(4).any(|bytes| bytes == [0, 0, 8, 7]);
    assert!(goaway, "{heard:?}");
}

#[test]
fn what_is_no_request_is_refused_like_one() {
    let server = serve(|_| {});
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(300));
    for (request, status, code) in [
        ("GARBAGE\r\n\r\n", "400 Bad Request", 3),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request", 3),
        (&long, "431 Request Header Fields Too Large", 8),
        (&many, "431 Request Header Fields Too Large", 8),
    ] {
        let answer = Peer::of(&server).say(request).hear();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        assert!(answer.contains(&format!("{{\"code\":{code},")), "{answer}");
    }
    let more = format!("GET /nowhere HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(99));
    assert!(Peer::of(&server).say(&more).hear().starts_with("HTTP/1.1 404"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve(|_| {});
    let options = "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let heard = Peer::of(&server).say(&format!("{NOWHERE}{NOWHERE}{options}")).hear_all();
    let heard = String::from_utf8(heard).unwrap();
    let statuses: Vec<_> = heard.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["404", "404", "204"]);
}

#[test]
fn caller_that_is_refused_while_it_sends_can_go_on() {
    let server = serve(|_| {});
    let mut peer = Peer::of(&server);
    let length = 5 << 20;
    peer.say(&format!("POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"));
    peer.say(&" ".repeat(length));
    let answer = peer.hear();
    assert!(answer.starts_with("HTTP/1.1 413") && !answer.contains("connection: close"));
    assert!(peer.say(NOWHERE).hear().starts_with("HTTP/1.1 404"));
}

#[test]
fn caller_that_asks_before_it_sends_is_not_asked_for_what_is_refused() {
    let server = serve(|_| {});
    let mut peer = Peer::of(&server);
    peer.say(
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999\r\n\
         expect: 100-continue\r\n\r\n",
    );
    assert!(peer.hear().starts_with("HTTP/1.1 413"));
    let mut peer = Peer::of(&server);
    peer.say(
        "POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n",
    );
    assert!(peer.hear().starts_with("HTTP/1.1 100"));
    assert!(peer.say("x").hear().starts_with("HTTP/1.1 400"));
}

#[test]
fn drain_closes_the_idle_and_lets_calls_finish() {
    let server = serve(|_| {});
    let address = server.addresses()[0].ip().unwrap();
    let mut idle = Peer::of(&server);
    idle.say(NOWHERE).hear();
    let mut busy = Peer::of(&server);
    busy.say("POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n");
    busy.say("expect: 100-continue\r\n\r\n").hear();
    let drained = std::thread::spawn(move || drain(server, FOREVER));
    assert!(idle.hear_all().is_empty());
    // Whether its head tells of the end depends on who hears of the drain first; the end comes.
    let answer = String::from_utf8(busy.say("x").hear_all()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // Whoever has been told goodbye takes leave.
    drop((idle, busy));
    assert!(drained.join().unwrap());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn drain_serves_whom_the_kernel_has_let_in() {
    let server = serve(|_| {});
    let mut peers: Vec<_> = (0..20).map(|_| Peer::of(&server)).collect();
    for peer in &mut peers {
        peer.say(NOWHERE);
    }
    let drained = std::thread::spawn(move || drain(server, FOREVER));
    for mut peer in peers {
        assert!(peer.hear_all().starts_with(b"HTTP/1.1 404"));
    }
    assert!(drained.join().unwrap());
}

#[test]
fn drain_has_its_bounds() {
    let server = serve(|_| {});
    let mut busy = Peer::of(&server);
    busy.say("POST /v1/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n");
    busy.say("expect: 100-continue\r\n\r\n").hear();
    assert!(!drain(server, SHORT));
}

#[test]
fn connection_over_the_limit_waits_for_a_place() {
    let server = serve(|listen| listen.max_connections = 1);
    let mut first = Peer::of(&server);
    first.say(NOWHERE).hear();
    let mut second = Peer::of(&server);
    second.say(NOWHERE);
    second.0.set_read_timeout(Some(SHORT)).unwrap();
    assert!(second.0.read(&mut [0]).is_err(), "served over the limit");
    second.0.set_read_timeout(Some(FOREVER)).unwrap();
    drop(first);
    assert!(second.hear().starts_with("HTTP/1.1 404"));
}

/// A door with a bug behind it.
struct Faulty;

impl Door for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn knows(&self, _: &Request<Incoming>) -> bool {
        true
    }

    fn open(&self, request: Request<Incoming>, _: &Caller) -> Opening {
        assert!(request.uri().path() != "/bug", "a bug");
        Opening::Answered(Response::new(ResponseBody::whole("well")))
    }
}

#[test]
fn panic_costs_its_own_request_alone() {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));
    let (schema, _) = Schema::builder().add_descriptor_set("bookshelf", set).build();
    let runtime = Runtime::of_door(schema.unwrap(), Box::new(Faulty));
    let server = start(runtime, Listen::at("127.0.0.1:0".parse().unwrap()));
    let mut peer = Peer::of(&server);
    let answer = peer.say("GET /bug HTTP/1.1\r\nhost: a\r\n\r\n").hear();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(
        answer.ends_with(
            r#"{"code":13,"message":"the gateway failed on this request","details":[]}"#
        )
    );
    assert!(peer.say(NOWHERE).hear().ends_with("well"));
}

/// A backend with a bug on the way to it.
struct Bug;

impl Upstream for Bug {
    fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        panic!("a bug")
    }
}

fn buggy() -> Server {
    let runtime = bookshelf().answered_by(&(Arc::new(Bug) as Arc<dyn Upstream>));
    start(runtime, Listen::at("127.0.0.1:0".parse().unwrap()))
}

#[test]
fn panic_is_told_in_the_callers_own_protocol() {
    let server = buggy();
    let mut peer = Peer::of(&server);
    let (get, post) = ("GET /v1/shelves/a/books/b", "POST /bookshelf.v1.Bookshelf");
    for (request, header, body, status, kind, said) in [
        (get, "accept: */*", "", 500, "application/json", r#"{"code":13,"message":"the ga"#),
        (
            get,
            "accept: application/problem+json",
            "",
            500,
            "application/problem+json",
            r#""status":500,"detail":"the gateway failed"#,
        ),
        (
            &format!("{post}/Ping"),
            "content-type: application/proto",
            "",
            500,
            "application/json",
            r#"{"code":"internal","message":"the gateway failed"#,
        ),
        (
            &format!("{post}/Chat"),
            "content-type: application/connect+proto",
            "",
            200,
            "application/connect+proto",
            r#"{"error":{"code":"internal","message":"the gateway failed"#,
        ),
        (
            &format!("{post}/Ping"),
            "content-type: application/grpc-web-text+proto",
            "AAAAAAA=",
            200,
            "application/grpc-web-text+proto",
            "grpc-status: 13",
        ),
    ] {
        let length = body.len();
        let heard = peer
            .say(&format!(
                "{request} HTTP/1.1\r\nhost: a\r\n{header}\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .hear();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{header}: {heard}");
        assert!(heard.contains(&format!("content-type: {kind}\r\n")), "{header}: {heard}");
        assert!(heard.contains(said), "{header}: {heard}");
    }
}

#[test]
fn panic_is_told_to_grpc_in_trailers() {
    let server = buggy();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = server.addresses()[0].ip().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post("http://a/bookshelf.v1.Bookshelf/Ping")
            .header("content-type", "application/grpc+proto")
            .body(())
            .unwrap();
        let mut client = client.ready().await.unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data("\0\0\0\0\0".into(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["grpc-status"], "13");
        assert_eq!(answer.headers()["content-type"], "application/grpc+proto");
    });
}
