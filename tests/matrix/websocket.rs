//! The doors of WebSocket: a message is a frame, a failure is a Status and a close code.

use tokio_tungstenite::tungstenite::Message;

use super::{
    Seen, answers,
    calls::{Call, Kind},
    doors::Door,
    messages,
};
use crate::{
    support::{Rig, within},
    websocket::client::{Over, Session},
};

/// Opens a session and sends what is asked, and the half-close unless the call stays open.
async fn open(rig: &Rig, door: Door, call: &Call) -> Session {
    let headers = door.headers(call);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let address = rig.gateway.address;
    let mut session = Session::open_over(Over::Http1, address, &Door::path(call), &headers).await;
    for ask in &call.asks {
        let bytes = messages::write(door, call.method, ask);
        session
            .send(match door.is_json() {
                true => Message::text(String::from_utf8(bytes).unwrap()),
                false => Message::binary(bytes),
            })
            .await;
    }
    if matches!(call.kind, Kind::ClientStream | Kind::Bidi) && !call.is_open() {
        session.half_close().await;
    }
    session
}

/// The whole call.
pub(super) async fn ask(rig: &Rig, door: Door, call: &Call) -> Seen {
    let mut session = open(rig, door, call).await;
    // The handshake is answered before the call, and frames have no headers: metadata have no place.
    let mut seen = Seen {
        messages: Vec::new(),
        head: None,
        trailers: None,
        code: 0,
        message: String::new(),
        details: Vec::new(),
    };
    let mut texts = Vec::new();
    let close = loop {
        match session.next().await {
            Message::Binary(bytes) if door == Door::WebSocketProto => {
                seen.messages.push(messages::read(door, call.method, &bytes));
            }
            Message::Text(text) => texts.push(serde_json::from_str(&text).unwrap()),
            Message::Close(Some(close)) => break close,
            other => panic!("no frame of this door: {other:?}"),
        }
    };
    let code = u16::from(close.code);
    if code != 1000 {
        // The Status comes right before the close, as text in both subprotocols.
        answers::fail_json(&mut seen, &texts.pop().expect("a Status"));
        assert_eq!(code, 4000 + seen.code, "{seen:?}");
    }
    assert!(door.is_json() || texts.is_empty(), "text among binary messages: {texts:?}");
    seen.messages.extend(texts);
    seen
}

/// Begins the call and leaves it as a process that ends does: without a close frame.
pub(super) async fn leave(rig: &Rig, door: Door, call: &Call) {
    let mut session = open(rig, door, call).await;
    within("the call", rig.bookshelf.wait_for_begun(1)).await;
    if call.streams_answers() {
        let message = session.next().await;
        assert!(message.is_text() || message.is_binary(), "{message:?}");
    }
}
