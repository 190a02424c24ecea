//! The doors that take a request of HTTP and give a response, over HTTP/2: both sides can stream.

use super::{Seen, answers, calls::Call, doors::Door};
use crate::support::{
    Rig,
    http2::{self, Connection, Stream},
    within,
};

/// Sends what is asked; a call that stays open keeps its request body open.
async fn send(connection: &mut Connection, door: Door, call: &Call) -> Stream {
    let (method, target) = door.target(call);
    let headers = door.headers(call);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = door.body(call);
    let end = body.is_empty() && !call.is_open();
    let mut stream = connection.open_stream(method, &target, &headers, end).await;
    if !end {
        stream.send(body, !call.is_open());
    }
    stream
}

/// The whole call.
pub(super) async fn ask(rig: &Rig, door: Door, call: &Call) -> Seen {
    let mut connection = rig.http2().await;
    let response = send(&mut connection, door, call).await.response().await;
    answers::read(door, call, &response)
}

/// Begins the call and leaves it: once a message has come where there is one, else once the backend
/// has it.
pub(super) async fn leave(rig: &Rig, door: Door, call: &Call) {
    let mut connection = rig.http2().await;
    let stream = send(&mut connection, door, call).await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    if call.streams_answers() {
        let (head, _sending, mut body) = stream.head().await.unwrap();
        assert_eq!(head.status, 200);
        let data = http2::data(&mut body).await.expect("a message").unwrap();
        assert!(!data.is_empty());
    }
}
