//! Backends that misbehave, each in one way, and one that shows what it was asked.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::{RecvStream, server};
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, mpsc},
};

/// An empty message in its frame: five bytes before none.
pub(crate) const EMPTY_FRAME: &[u8] = &[0; 5];

/// A request that a backend has read the head of.
pub(crate) type Asked = Request<RecvStream>;

/// Where the answer goes.
pub(crate) type Answer = server::SendResponse<Bytes>;

/// A port that nobody listens on, and nobody else can take while the socket lives.
pub(crate) fn nobody() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

/// A backend that is given each connection before any byte of it.
pub(crate) async fn raw<F, T>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    raw_on(listener, handle);
    address
}

fn raw_on<F, T>(listener: TcpListener, handle: F)
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Else the kernel holds small answers back until others are acknowledged.
            stream.set_nodelay(true).unwrap();
            tokio::spawn(handle(stream));
        }
    });
}

/// A backend that reads, answers with these bytes whatever it was asked, and closes.
pub(crate) async fn says(bytes: &'static [u8]) -> SocketAddr {
    raw(move |mut stream| async move {
        let mut piece = [0; 4096];
        let _ = stream.read(&mut piece).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        // Read on until the gateway closes, so that its bytes don't reset what was sent.
        while matches!(stream.read(&mut piece).await, Ok(1..)) {}
    })
    .await
}

/// A backend of proper HTTP/2 whose answers a function makes.
pub(crate) async fn http2<F, T>(answer: F) -> SocketAddr
where
    F: Fn(Asked, Answer) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    http2_on(listener, answer);
    address
}

/// The same on a socket that listens already.
pub(crate) fn http2_on<F, T>(listener: TcpListener, answer: F)
where
    F: Fn(Asked, Answer) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    raw_on(listener, move |stream| {
        let answer = answer.clone();
        async move {
            let Ok(mut connection) = server::handshake(stream).await else { return };
            while let Some(Ok((asked, reply))) = connection.accept().await {
                tokio::spawn(answer(asked, reply));
            }
        }
    });
}

/// A backend that answers every call with the empty message, and tells what it was asked.
pub(crate) async fn recorder() -> (SocketAddr, mpsc::UnboundedReceiver<http::request::Parts>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = http2(move |asked: Asked, reply| {
        let sender = sender.clone();
        async move {
            let (head, body) = asked.into_parts();
            read_all(body).await;
            let _ = sender.send(head);
            succeed(reply, EMPTY_FRAME).await;
        }
    })
    .await;
    (address, receiver)
}

/// Reads a request's body to its end.
pub(crate) async fn read_all(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    all
}

/// The head of a proper answer.
pub(crate) fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// Trailers with a status.
pub(crate) fn trailers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for (name, value) in pairs {
        trailers.append(*name, value.parse().unwrap());
    }
    trailers
}

/// Answers properly with these bytes as the body.
pub(crate) async fn succeed(reply: Answer, body: &'static [u8]) {
    answer(reply, head(), body, &[("grpc-status", "0")]).await;
}

/// Answers with head, body and trailers as given.
pub(crate) async fn answer(
    mut reply: Answer,
    head: Response<()>,
    body: &'static [u8],
    ends: &[(&'static str, &str)],
) {
    // A caller that has left makes these fail, and is no concern of the backend's.
    let Ok(mut stream) = reply.send_response(head, false) else { return };
    let _ = stream.send_data(Bytes::from_static(body), false);
    let _ = stream.send_trailers(trailers(ends));
}

/// A backend that answers with the frames that it was sent, in the coding that they came with, and
/// tells that it takes gzip. With `refuses` it refuses them nevertheless.
pub(crate) async fn echo(refuses: bool) -> SocketAddr {
    http2(move |asked: Asked, mut reply: Answer| async move {
        let coding = asked.headers().get("grpc-encoding").cloned();
        let body = read_all(asked.into_body()).await;
        let mut head = head();
        let headers = head.headers_mut();
        headers.insert("grpc-accept-encoding", "identity,gzip".parse().unwrap());
        if let Some(coding) = coding {
            if refuses {
                headers.extend(trailers(&[("grpc-status", "12"), ("grpc-message", "what?")]));
                reply.send_response(head, true).unwrap();
                return;
            }
            headers.insert("grpc-encoding", coding);
        }
        let mut stream = reply.send_response(head, false).unwrap();
        stream.send_data(Bytes::from(body), false).unwrap();
        stream.send_trailers(trailers(&[("grpc-status", "0")])).unwrap();
    })
    .await
}

/// A backend that answers with one empty message, and whose connection breaks off when it is told to.
pub(crate) async fn dying() -> (SocketAddr, Arc<Notify>) {
    let death = Arc::new(Notify::new());
    let told = death.clone();
    let address = raw(move |stream| {
        let told = told.clone();
        async move {
            let Ok(mut connection) = server::handshake(stream).await else { return };
            let mut held = Vec::new();
            let serve = async {
                while let Some(Ok((asked, mut reply))) = connection.accept().await {
                    let mut stream = reply.send_response(head(), false).unwrap();
                    stream.send_data(Bytes::from_static(EMPTY_FRAME), false).unwrap();
                    held.push((asked, stream));
                }
            };
            tokio::select! {
                () = serve => {}
                () = told.notified() => {}
            }
        }
    })
    .await;
    (address, death)
}
