//! Clusters against real backends on real sockets, well-behaved and not.

mod calls;
mod connections;
mod discovery;
mod endpoints;
mod misbehaviour;
mod streams;
mod tls;

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{Extensions, HeaderMap, HeaderName, Request, Response};
use prost_reflect::DescriptorPool;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::{Cluster, Listed, Settings};
use crate::{
    error::Error,
    exchange::{Exchange, Journal, Limits, MessageStream, Messages, Metadata, Reply, Upstream},
    lasting::Lasting,
    schema::{Idempotency, Method},
};

/// No test takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fails the test if the future hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("the test hangs")
}

/// A method of the example service.
fn method(name: &str) -> Arc<Method> {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let set = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));
        DescriptorPool::decode(set.as_slice()).unwrap()
    });
    let service = POOL.get_service_by_name("bookshelf.v1.Bookshelf").unwrap();
    let method = service.methods().find(|method| method.name() == name).unwrap();
    Arc::new(Method {
        index: 0,
        service: service.full_name().into(),
        full_name: method.full_name().into(),
        path: format!("/{}/{name}", service.full_name()).parse().unwrap(),
        input: method.input(),
        output: method.output(),
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        idempotency: Idempotency::Unknown,
        rules: Box::default(),
    })
}

/// A call of the method.
fn exchange(name: &str, messages: Messages) -> Exchange {
    Exchange {
        method: method(name),
        metadata: Metadata::new(),
        messages,
        deadline: None,
        limits: Limits::default(),
        codings: crate::coding::Codings::NONE,
        worker: 0,
        extensions: Extensions::new(),
        journal: Some(Arc::new(Journal::default())),
    }
}

/// A unary call with a small message.
fn unary() -> Exchange {
    exchange("GetBook", Messages::one(Bytes::from_static(b"ask")))
}

/// A call whose reply streams.
fn watch() -> Exchange {
    exchange("WatchBooks", Messages::one(Bytes::from_static(b"ask")))
}

fn settings(addresses: &[SocketAddr]) -> Settings {
    Settings {
        endpoints: addresses.iter().map(SocketAddr::to_string).map(Listed::from).collect(),
        ..Settings::default()
    }
}

fn cluster(address: SocketAddr) -> Arc<Cluster> {
    cluster_with(settings(&[address]))
}

fn cluster_with(settings: Settings) -> Arc<Cluster> {
    Cluster::new("test", &settings, 1, &Lasting::new()).unwrap()
}

async fn call(cluster: &Cluster, exchange: Exchange) -> Result<Reply, Error> {
    soon(cluster.call(exchange)).await
}

/// Calls and expects an error.
async fn failing(cluster: &Cluster, exchange: Exchange) -> Error {
    match call(cluster, exchange).await {
        Ok(_) => panic!("the call went well"),
        Err(error) => error,
    }
}

/// The one message of a reply.
async fn message(reply: Result<Reply, Error>) -> Bytes {
    soon(reply.unwrap().messages.next()).await.unwrap().unwrap()
}

/// All messages of a reply and how they ended.
async fn collect(messages: &mut Messages) -> (Vec<Bytes>, Option<Error>) {
    let mut all = Vec::new();
    while let Some(message) = soon(messages.next()).await {
        match message {
            Ok(message) => all.push(message),
            Err(error) => return (all, Some(error)),
        }
    }
    (all, None)
}

/// A request stream that the test feeds, and a count of the messages taken from it.
fn fed() -> (mpsc::UnboundedSender<Result<Bytes, Error>>, Messages, Arc<AtomicUsize>) {
    struct Fed(mpsc::UnboundedReceiver<Result<Bytes, Error>>, Arc<AtomicUsize>);
    impl MessageStream for Fed {
        fn poll_message(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Bytes, Error>>> {
            let next = self.0.poll_recv(cx);
            if let Poll::Ready(Some(_)) = next {
                self.1.fetch_add(1, SeqCst);
            }
            next
        }
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let taken = Arc::new(AtomicUsize::new(0));
    (sender, Messages::stream(Fed(receiver, taken.clone())), taken)
}

/// A backend that counts its connections.
struct Backend {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Backend {
    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

type Call = (Request<RecvStream>, SendResponse<Bytes>);

/// A backend that runs `handler` for each call.
async fn backend<F, R>(handler: F) -> Backend
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    backend_with(h2::server::Builder::new(), handler).await
}

/// The same with HTTP/2 settings of its own.
async fn backend_with<F, R>(builder: h2::server::Builder, handler: F) -> Backend
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    raw_backend(move |socket, _| {
        let (builder, handler) = (builder.clone(), handler.clone());
        async move {
            let mut connection = builder.handshake::<_, Bytes>(socket).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(handler(request, respond));
            }
        }
    })
    .await
}

/// A backend that runs `handler` for each connection, told its number from 0.
async fn raw_backend<F, R>(handler: F) -> Backend
where
    F: Fn(TcpStream, usize) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(handler(socket, counted.fetch_add(1, SeqCst)));
        }
    });
    Backend { address, connections }
}

/// Serves the calls of one connection that the test holds itself.
async fn accept(connection: &mut h2::server::Connection<TcpStream, Bytes>) -> Call {
    connection.accept().await.unwrap().unwrap()
}

/// A gRPC frame.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn ok_head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

fn ok_trailers() -> HeaderMap {
    headers(&[("grpc-status", "0")])
}

/// Answers with these messages and OK.
fn answer(respond: &mut SendResponse<Bytes>, messages: &[&[u8]]) {
    let mut stream = respond.send_response(ok_head(), false).unwrap();
    for message in messages {
        stream.send_data(frame(message), false).unwrap();
    }
    stream.send_trailers(ok_trailers()).unwrap();
}

/// Reads the request to its end.
async fn read(request: Request<RecvStream>) -> Vec<u8> {
    let mut body = request.into_body();
    let mut all = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all
}

/// Whether a call only asks for an echo.
fn is_echo(request: &Request<RecvStream>) -> bool {
    request.uri().path().ends_with("GetBook")
}

/// Answers every call with what it asked.
async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let body = read(request).await;
    let mut stream = respond.send_response(ok_head(), false).unwrap();
    stream.send_data(body.into(), false).unwrap();
    stream.send_trailers(ok_trailers()).unwrap();
}

/// Waits until the stream is reset and tells why.
async fn reset_of(stream: &mut SendStream<Bytes>) -> h2::Reason {
    poll_fn(|cx| stream.poll_reset(cx)).await.unwrap()
}

/// How many connections the first endpoint of a cluster has.
fn connections(cluster: &Cluster) -> usize {
    cluster.endpoints().members[0].endpoint.connections()
}
