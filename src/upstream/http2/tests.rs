//! The client against scripted peers, hostile ones among them, and against the `h2` crate's server.

mod flow;
mod hostile;
mod oracle;
mod peer;

use std::{
    future::{Future, poll_fn},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::{Client, ErrorCode, Event, FieldList, Lost, Opened, ReplySide, RequestHead};
use crate::frame::Framed;

/// Fails the test if the future hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("the test hangs")
}

fn head(headers: &HeaderMap) -> RequestHead<'_> {
    RequestHead { is_secure: false, authority: "backend:1", path: "/a.B/C", headers }
}

fn framed(message: &[u8]) -> Framed {
    Framed::new(Bytes::copy_from_slice(message)).unwrap()
}

/// Opens a call with this body, or with one that follows.
fn open(client: &Client, body: Option<&[u8]>) -> ReplySide {
    match client.open(&head(&HeaderMap::new()), body.map(framed)) {
        Opened::Stream(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// What came of a call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    status: Option<u16>,
    fields: FieldList,
    data: Vec<u8>,
    trailers: Option<FieldList>,
    lost: Option<Lost>,
}

async fn event(reply: &mut ReplySide) -> Event {
    soon(poll_fn(|cx| reply.poll_event(cx))).await
}

/// Reads a reply to its end.
async fn outcome(reply: &mut ReplySide) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        match event(reply).await {
            Event::Head(head) => {
                outcome.status = Some(head.status.as_u16());
                outcome.fields = head.fields;
            }
            Event::Data(piece) => outcome.data.extend_from_slice(&piece),
            Event::End(end) => {
                match end {
                    Ok(trailers) => outcome.trailers = trailers,
                    Err(lost) => outcome.lost = Some(lost),
                }
                return outcome;
            }
        }
    }
}

fn field(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}
