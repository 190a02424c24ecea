//! The floor for gRPC: HTTP/2 in, the same streams out again over one connection, nothing looked
//! at. What a gateway on the h2 crate costs above it is the gateway's own.

use std::{net::SocketAddr, rc::Rc};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest, server::SendResponse};
use http::{Request, Response, Uri, Version};
use tokio::net::{TcpListener, TcpStream};

/// The window of a stream, and of a connection.
const WINDOWS: (u32, u32) = (1 << 20, 1 << 24);

/// Relays until the process ends.
pub(crate) async fn serve(listen: SocketAddr, backend: SocketAddr) -> Result<(), String> {
    let socket = TcpStream::connect(backend).await.map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut client = h2::client::Builder::new();
    client.initial_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
    let (sender, upstream) = client.handshake(socket).await.map_err(|error| error.to_string())?;
    tokio::task::spawn_local(upstream);
    let listener = TcpListener::bind(listen).await.map_err(|error| error.to_string())?;
    let authority = Rc::<str>::from(backend.to_string());
    loop {
        let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
        tokio::task::spawn_local(connection(socket, sender.clone(), authority.clone()));
    }
}

async fn connection(
    socket: TcpStream,
    sender: SendRequest<Bytes>,
    authority: Rc<str>,
) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut server = h2::server::Builder::new();
    server.initial_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
    let mut connection = server.handshake::<_, Bytes>(socket).await.ok()?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call.ok()?;
        tokio::task::spawn_local(relay(request, respond, sender.clone(), authority.clone()));
    }
    Some(())
}

/// One stream there and back; dropping its halves resets what is left of it.
async fn relay(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    sender: SendRequest<Bytes>,
    authority: Rc<str>,
) -> Option<()> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query()?.clone();
    let uri = Uri::builder().scheme("http").authority(&*authority).path_and_query(path);
    head.uri = uri.build().ok()?;
    head.version = Version::HTTP_2;
    let ended = body.is_end_stream();
    let mut ready = sender.ready().await.ok()?;
    let (answer, sending) = ready.send_request(Request::from_parts(head, ()), ended).ok()?;
    if !ended {
        tokio::task::spawn_local(pump(body, sending));
    }
    let (head, body) = answer.await.ok()?.into_parts();
    let ended = body.is_end_stream();
    let sending = respond.send_response(Response::from_parts(head, ()), ended).ok()?;
    if ended { Some(()) } else { pump(body, sending).await }
}

/// Passes data on as fast as the other side takes it, then the trailers.
async fn pump(mut from: RecvStream, mut to: SendStream<Bytes>) -> Option<()> {
    while let Some(chunk) = from.data().await {
        let mut chunk = chunk.ok()?;
        from.flow_control().release_capacity(chunk.len()).ok()?;
        let last = from.is_end_stream();
        while !chunk.is_empty() {
            to.reserve_capacity(chunk.len());
            if to.capacity() == 0 {
                std::future::poll_fn(|context| to.poll_capacity(context)).await?.ok()?;
            }
            let part = chunk.split_to(to.capacity().min(chunk.len()));
            to.send_data(part, last && chunk.is_empty()).ok()?;
        }
        if last {
            return Some(());
        }
    }
    match from.trailers().await.ok()? {
        Some(trailers) => to.send_trailers(trailers).ok(),
        None => to.send_data(Bytes::new(), true).ok(),
    }
}
