//! The backend behind every gateway: answers encoded beforehand, on the h2 crate alone, so that
//! little of the second CPU goes to it.
//!
//! What comes in is looked at: a gateway that sends the wrong message gets an error.

use std::rc::Rc;

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    answer::frame,
    messages::{self, ITEM, SHOP},
    schema::wire,
    workload,
};

const NOT_FOUND: u8 = 5;
const UNIMPLEMENTED: u8 = 12;

/// The requests of all methods that take one by name.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    shop: String,
    #[prost(string, tag = "2")]
    item: String,
}

/// `CreateItemRequest`, with the item as it came.
#[derive(Clone, PartialEq, Message)]
struct Creation {
    #[prost(string, tag = "1")]
    shop: String,
    #[prost(bytes = "bytes", tag = "2")]
    item: Bytes,
}

/// `ListItemsRequest`.
#[derive(Clone, PartialEq, Message)]
struct Listing {
    #[prost(string, tag = "1")]
    shop: String,
    #[prost(int32, tag = "2")]
    page_size: i32,
}

/// Frames that are ready to be sent.
struct Answers {
    item: Bytes,
    list: Bytes,
    stream: Vec<Bytes>,
}

/// Serves until the process ends.
pub(crate) async fn serve() -> Result<(), String> {
    let answers = Rc::new(Answers {
        item: frame(&wire("Item", &messages::item(7))),
        list: frame(&wire("ListItemsResponse", &workload::list())),
        stream: workload::streamed(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    println!("{}", listener.local_addr().map_err(|error| error.to_string())?);
    loop {
        let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
        tokio::task::spawn_local(connection(socket, answers.clone()));
    }
}

async fn connection(socket: TcpStream, answers: Rc<Answers>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut server = h2::server::Builder::new();
    server.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    server.max_concurrent_streams(10_000).max_send_buffer_size(1 << 24);
    // When the load ends, gateways cancel what they have on its way, all of it at once: no attack.
    server.max_pending_accept_reset_streams(10_000).max_local_error_reset_streams(None);
    let mut connection = server.handshake::<_, Bytes>(socket).await.ok()?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call.ok()?;
        tokio::task::spawn_local(answer(request, respond, answers.clone()));
    }
    Some(())
}

/// Answers a call; a peer that is gone needs no answer.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answers: Rc<Answers>,
) -> Option<()> {
    let (head, mut body) = request.into_parts();
    let mut response = Response::new(());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    let path = head.uri.path();
    if let Some(method) = path.strip_prefix("/grpc.health.v1.Health/") {
        return health(method, respond.send_response(response, false).ok()?).await;
    }
    let method = path.strip_prefix("/catalogue.v1.Catalogue/").unwrap_or_default();
    if method == "Talk" {
        let mut sending = respond.send_response(response, false).ok()?;
        while let Some(chunk) = body.data().await {
            let chunk = chunk.ok()?;
            body.flow_control().release_capacity(chunk.len()).ok()?;
            sending.send_data(chunk, false).ok()?;
        }
        return sending.send_trailers(status(0)).ok();
    }
    let message = read(&mut body).await?;
    match frames(method, message, &answers) {
        Ok(frames) => {
            let mut sending = respond.send_response(response, false).ok()?;
            for frame in frames {
                sending.send_data(frame, false).ok()?;
            }
            sending.send_trailers(status(0)).ok()
        }
        Err(code) => {
            response.headers_mut().extend(status(code));
            respond.send_response(response, true).ok().map(drop)
        }
    }
}

/// Says that all is well: once, or to who watches for as long as it does.
async fn health(method: &str, mut sending: SendStream<Bytes>) -> Option<()> {
    const SERVING: &[u8] = &[8, 1];
    sending.send_data(frame(SERVING), false).ok()?;
    if method == "Watch" {
        std::future::poll_fn(|cx| sending.poll_reset(cx)).await.ok()?;
        return Some(());
    }
    sending.send_trailers(status(0)).ok()
}

/// What a unary request or a server stream is answered with, or a gRPC code.
fn frames(method: &str, message: Bytes, answers: &Answers) -> Result<Vec<Bytes>, u8> {
    let framed = message.clone();
    let message = message.slice(5.min(message.len())..);
    let right = |right: bool| if right { Ok(()) } else { Err(NOT_FOUND) };
    match method {
        "GetItem" => {
            let named = Named::decode(message).map_err(|_| NOT_FOUND)?;
            right(named.shop == SHOP && named.item == ITEM)?;
            Ok(vec![answers.item.clone()])
        }
        "CreateItem" => {
            let creation = Creation::decode(message).map_err(|_| NOT_FOUND)?;
            right(creation.shop == SHOP)?;
            Ok(vec![frame(&creation.item)])
        }
        "ListItems" => {
            let listing = Listing::decode(message).map_err(|_| NOT_FOUND)?;
            right(listing.shop == SHOP && listing.page_size as usize == messages::LISTED)?;
            Ok(vec![answers.list.clone()])
        }
        "StreamItems" => {
            right(Listing::decode(message).is_ok_and(|listing| listing.shop == SHOP))?;
            Ok(answers.stream.clone())
        }
        "Echo" => Ok(vec![framed]),
        _ => Err(UNIMPLEMENTED),
    }
}

/// A whole body.
async fn read(body: &mut RecvStream) -> Option<Bytes> {
    let mut whole = Bytes::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        if whole.is_empty() {
            whole = chunk;
            continue;
        }
        // Grows in place: only the first chunk of a large body is copied twice.
        let mut joined = bytes::BytesMut::from(whole);
        joined.extend_from_slice(&chunk);
        whole = joined.freeze();
    }
    Some(whole)
}

fn status(code: u8) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), u16::from(code).into())])
}
