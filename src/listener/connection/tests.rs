//! Connections over a pipe, in paused time: when they rest, and that nobody notices.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{Context, RESTS, serve};
use crate::{
    config::{Listen, Runtime},
    gateway::Gateway,
    protocol::{Caller, Door, Opening, ResponseBody},
    schema::Schema,
};

/// Longer than a connection is idle before it rests; no time passes but what the tests wait for.
const MOMENT: Duration = Duration::from_secs(1);
const GET: &str = "GET /here HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /here HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// A door that answers everything, and takes whatever upgrade is asked for.
struct Plain;

impl Door for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn knows(&self, _: &Request<Incoming>) -> bool {
        true
    }

    fn open(&self, mut request: Request<Incoming>, _: &Caller) -> Opening {
        if !request.headers().contains_key(header::UPGRADE) {
            return Opening::Answered(Response::new(ResponseBody::whole("well")));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
            tokio::io::copy(&mut from, &mut to).await
        });
        let mut response = Response::new(ResponseBody::Empty);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("echo"));
        Opening::Answered(response)
    }
}

/// The peer of a connection.
struct Peer {
    stream: DuplexStream,
    drain: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Peer {
    fn connect() -> Self {
        let set = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));
        let (schema, _) = Schema::builder().add_descriptor_set("bookshelf", set).build();
        let runtime = Runtime::of_door(schema.unwrap(), Box::new(Plain));
        let gateway = Arc::new(Gateway::new(Arc::new(runtime)));
        let listen = Listen::at("127.0.0.1:0".parse().unwrap());
        let (_, leaving) = watch::channel(false);
        let context = Context { gateway, listen, worker: 0, leaving };
        let (stream, theirs) = duplex(64 << 10);
        let (drain, draining) = watch::channel(false);
        let caller = Caller::new(None, "http", 0);
        let served = tokio::spawn(async move {
            serve(theirs, caller, None, &context, draining, Arc::new(())).await
        });
        Self { stream, drain, served }
    }

    async fn say(&mut self, text: &str) -> &mut Self {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self
    }

    /// What the server says until it ends so.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let read = timeout(MOMENT, self.stream.read_buf(&mut heard)).await;
            assert!(read.is_ok_and(|read| read.unwrap() > 0), "{}", heard.escape_ascii());
        }
        String::from_utf8(heard).unwrap()
    }

    async fn hear_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_rests_between_calls_and_is_served_again() {
    let mut peer = Peer::connect();
    for rests in 1..4 {
        assert!(peer.say(GET).await.hear("well").await.starts_with("HTTP/1.1 200"));
        sleep(MOMENT).await;
        assert_eq!(RESTS.get(), rests);
    }
    drop(peer.stream);
    peer.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn busy_connection_does_not_rest() {
    let mut peer = Peer::connect();
    for _ in 0..100 {
        peer.say(GET).await.hear("well").await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(RESTS.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn connection_whose_caller_may_still_be_sending_does_not_rest_soon() {
    let mut peer = Peer::connect();
    peer.say(POST).await.hear("well").await;
    sleep(MOMENT).await;
    assert_eq!(RESTS.get(), 0);
    sleep(MOMENT * 5).await;
    assert_eq!(RESTS.get(), 1);
    peer.say(POST).await.hear("well").await;
}

#[tokio::test(start_paused = true)]
async fn half_a_head_behind_a_call_is_kept_over_a_rest() {
    let mut peer = Peer::connect();
    let (first, second) = GET.split_at(9);
    peer.say(&format!("{GET}{first}")).await.hear("well").await;
    sleep(MOMENT).await;
    peer.say(second).await.hear("well").await;
}

#[tokio::test(start_paused = true)]
async fn byte_by_byte_a_rested_connection_hears_the_same() {
    let mut peer = Peer::connect();
    peer.say(GET).await.hear("well").await;
    sleep(MOMENT).await;
    for byte in GET.split("").filter(|byte| !byte.is_empty()) {
        peer.say(byte).await;
        sleep(Duration::from_millis(200)).await;
    }
    peer.hear("well").await;
}

#[tokio::test(start_paused = true)]
async fn rested_connection_has_its_timeouts() {
    let mut peer = Peer::connect();
    peer.say(GET).await.hear("well").await;
    let before = Instant::now();
    peer.hear_end().await;
    assert_eq!(RESTS.get(), 1);
    assert_eq!(before.elapsed().as_secs(), 300, "idle");
    let mut peer = Peer::connect();
    peer.say(GET).await.hear("well").await;
    sleep(MOMENT).await;
    peer.say("GET").await;
    let before = Instant::now();
    peer.hear_end().await;
    assert_eq!(before.elapsed().as_secs(), 10, "head");
}

#[tokio::test(start_paused = true)]
async fn rested_connection_is_closed_by_the_drain() {
    let mut peer = Peer::connect();
    peer.say(GET).await.hear("well").await;
    sleep(MOMENT).await;
    peer.drain.send(true).unwrap();
    peer.hear_end().await;
    peer.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn upgraded_connection_counts_until_it_is_closed() {
    let mut peer = Peer::connect();
    peer.say(GET).await.hear("well").await;
    sleep(MOMENT).await;
    assert!(peer.say(UPGRADE).await.hear("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    sleep(MOMENT * 1000).await;
    assert_eq!(peer.say("echo").await.hear("echo").await, "echo");
    assert!(!peer.served.is_finished());
    drop(peer.stream);
    peer.served.await.unwrap();
}
