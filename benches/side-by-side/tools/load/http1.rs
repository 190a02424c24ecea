//! HTTP/1.1, written by hand: the fewer cycles the load takes, the more the gateway gets to do.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{pace::Turns, tally::Tally};
use crate::workload::Workload;

/// A connection that is kept.
pub(super) struct Connection {
    socket: TcpStream,
    request: Vec<u8>,
    /// What came in and is not read.
    input: BytesMut,
    body: BytesMut,
}

/// One call on a connection of its own; gives the body.
pub(super) async fn once(workload: &Workload, target: SocketAddr) -> Result<Bytes, String> {
    let mut connection = Connection::open(workload, target).await?;
    connection.call().await?;
    Ok(connection.body.freeze())
}

/// Calls again and again.
pub(super) async fn call_on(
    workload: &Workload,
    target: SocketAddr,
    turns: Turns,
    tally: &Tally,
) -> Result<(), String> {
    let mut connection = Connection::open(workload, target).await?;
    loop {
        let due = turns.next().await;
        connection.call().await?;
        tally.count(due, connection.body.len())?;
    }
}

impl Connection {
    /// Connects; nothing is sent yet.
    pub(super) async fn open(workload: &Workload, target: SocketAddr) -> Result<Self, String> {
        let socket = TcpStream::connect(target).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let (input, body) = (BytesMut::with_capacity(1 << 16), BytesMut::new());
        Ok(Self { socket, request: written(workload, target), input, body })
    }

    /// Sends the request, reads the whole answer, which must be 200.
    pub(super) async fn call(&mut self) -> Result<(), String> {
        self.socket.write_all(&self.request).await.map_err(|error| error.to_string())?;
        let end = self.find(b"\r\n\r\n").await?;
        let head = self.input.split_to(end + 4);
        self.body.clear();
        let length = value(&head, b"content-length").map(|value| value.parse::<usize>());
        match length {
            Some(Ok(length)) => self.take(length).await?,
            _ if value(&head, b"transfer-encoding") == Some("chunked") => self.chunks().await?,
            _ => return Err(format!("no length: {}", String::from_utf8_lossy(&head))),
        }
        if !head.starts_with(b"HTTP/1.1 200 ") {
            let texts = [String::from_utf8_lossy(&head), String::from_utf8_lossy(&self.body)];
            return Err(texts.concat());
        }
        Ok(())
    }

    async fn chunks(&mut self) -> Result<(), String> {
        loop {
            let end = self.find(b"\r\n").await?;
            let line = std::str::from_utf8(&self.input[..end]).unwrap_or_default();
            let length = usize::from_str_radix(line, 16).map_err(|_| format!("chunk: {line}"))?;
            self.input.advance(end + 2);
            self.take(length).await?;
            while self.input.len() < 2 {
                self.more().await?;
            }
            self.input.advance(2);
            if length == 0 {
                return Ok(());
            }
        }
    }

    /// Moves so many bytes into the body.
    async fn take(&mut self, mut length: usize) -> Result<(), String> {
        loop {
            let part = self.input.len().min(length);
            self.body.extend_from_slice(&self.input[..part]);
            self.input.advance(part);
            length -= part;
            if length == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// Where these bytes are, once they have come.
    async fn find(&mut self, bytes: &[u8]) -> Result<usize, String> {
        loop {
            if let Some(at) = memmem::find(&self.input, bytes) {
                return Ok(at);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), String> {
        self.input.reserve(1 << 16);
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) => Err("the connection was closed".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The request as it goes over the wire.
fn written(workload: &Workload, target: SocketAddr) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {target}\r\n", workload.method, workload.path);
    for (name, value) in workload.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !workload.body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", workload.body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &workload.body].concat()
}

/// The value of a header, from a head as it came.
fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let lines = head.split(|&byte| byte == b'\n');
    let mut found = lines.filter_map(|line| {
        let (first, rest) = line.split_at_checked(name.len())?;
        first.eq_ignore_ascii_case(name).then_some(rest.strip_prefix(b":")?)
    });
    std::str::from_utf8(found.next()?.trim_ascii()).ok()
}
