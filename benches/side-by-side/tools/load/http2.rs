//! HTTP/2 with prior knowledge, for REST and for gRPC, on the h2 crate.

use std::{net::SocketAddr, rc::Rc};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Request, Version};
use tokio::{net::TcpStream, task::JoinSet};

use super::{pace::Turns, tally::Tally};
use crate::workload::{Protocol, Workload};

/// One call on a connection of its own; gives the body.
pub(super) async fn once(workload: &Workload, target: SocketAddr) -> Result<Bytes, String> {
    let (sender, _connection) = open(target).await?;
    let mut body = BytesMut::new();
    call(&sender, &request(workload, target), workload, |chunk| body.extend_from_slice(chunk))
        .await?;
    Ok(body.freeze())
}

/// Calls again and again, on all streams of one connection.
pub(super) async fn call_on(
    workload: Workload,
    target: SocketAddr,
    turns: Turns,
    tally: Rc<Tally>,
) -> Result<(), String> {
    let (sender, mut tasks) = open(target).await?;
    for _ in 0..workload.streams {
        let (workload, sender) = (workload.clone(), sender.clone());
        let (turns, tally) = (turns.clone(), tally.clone());
        tasks.spawn_local(async move {
            let request = request(&workload, target);
            loop {
                let due = turns.next().await;
                let mut length = 0;
                call(&sender, &request, &workload, |chunk| length += chunk.len()).await?;
                tally.count(due, length)?;
            }
        });
    }
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        _ => Err("the connection ended".into()),
    }
}

/// A connection, and the task that drives it.
async fn open(
    target: SocketAddr,
) -> Result<(SendRequest<Bytes>, JoinSet<Result<(), String>>), String> {
    let socket = TcpStream::connect(target).await.map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut client = h2::client::Builder::new();
    client.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    client.max_send_buffer_size(1 << 24);
    let opened = client.handshake(socket).await;
    let (sender, connection) = opened.map_err(|error| error.to_string())?;
    let mut tasks = JoinSet::new();
    tasks.spawn_local(async move { connection.await.map_err(|error| error.to_string()) });
    Ok((sender, tasks))
}

fn request(workload: &Workload, target: SocketAddr) -> Request<()> {
    let mut request = Request::builder()
        .method(&workload.method)
        .uri(format!("http://{target}{}", workload.path))
        .version(Version::HTTP_2);
    for (name, value) in workload.headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Sends the request, gives every chunk of the answer, which must be 200 and end well.
async fn call(
    sender: &SendRequest<Bytes>,
    request: &Request<()>,
    workload: &Workload,
    mut take: impl FnMut(&[u8]),
) -> Result<(), String> {
    let text = |error: h2::Error| error.to_string();
    let mut sender = sender.clone().ready().await.map_err(text)?;
    let empty = workload.body.is_empty();
    let (answer, mut sending) = sender.send_request(request.clone(), empty).map_err(text)?;
    if !empty {
        sending.send_data(workload.body.clone(), true).map_err(text)?;
    }
    let (head, mut body) = answer.await.map_err(text)?.into_parts();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(text)?;
        body.flow_control().release_capacity(chunk.len()).map_err(text)?;
        take(&chunk);
    }
    if head.status != http::StatusCode::OK {
        return Err(format!("status {}", head.status));
    }
    if workload.protocol == Protocol::Grpc {
        let trailers = body.trailers().await.map_err(text)?;
        let status = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
        if status.is_none_or(|status| status != "0") {
            let message = head.headers.get("grpc-message");
            return Err(format!("grpc-status {status:?}, {message:?}"));
        }
    }
    Ok(())
}
