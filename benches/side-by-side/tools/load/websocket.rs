//! WebSocket: text frames to a method that says everything back, several on their way at once.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, Utf8Bytes},
};

use super::tally::Tally;
use crate::workload::Workload;

/// One message there and back; gives what came.
pub(super) async fn once(workload: &Workload, target: SocketAddr) -> Result<Bytes, String> {
    let (mut socket, message) = open(workload, target).await?;
    socket.send(Message::Text(message)).await.map_err(text)?;
    receive(&mut socket).await
}

/// Says something again whenever something came back.
pub(super) async fn call_on(
    workload: &Workload,
    target: SocketAddr,
    tally: &Tally,
) -> Result<(), String> {
    let (mut socket, message) = open(workload, target).await?;
    for _ in 0..workload.streams {
        socket.feed(Message::Text(message.clone())).await.map_err(text)?;
    }
    socket.flush().await.map_err(text)?;
    loop {
        let length = receive(&mut socket).await?.len();
        tally.count_untimed(length)?;
        socket.send(Message::Text(message.clone())).await.map_err(text)?;
    }
}

async fn open(
    workload: &Workload,
    target: SocketAddr,
) -> Result<(WebSocketStream<TcpStream>, Utf8Bytes), String> {
    let socket = TcpStream::connect(target).await.map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let url = format!("ws://{target}{}", workload.path);
    let (socket, _) = tokio_tungstenite::client_async(url, socket).await.map_err(text)?;
    let message = Utf8Bytes::try_from(workload.body.clone()).map_err(|error| error.to_string())?;
    Ok((socket, message))
}

/// The next text.
async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Result<Bytes, String> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(text.into()),
        Some(Ok(other)) => Err(format!("not a text: {other:?}")),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the connection was closed".into()),
    }
}

fn text(error: Error) -> String {
    match error {
        Error::Http(response) => format!("no WebSocket: status {}", response.status()),
        error => error.to_string(),
    }
}
