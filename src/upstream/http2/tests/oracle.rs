//! Any calls against the `h2` crate's server: what one side says is what the other hears.

use std::task::Poll;

use bytes::Buf;
use http::{Request, Response};
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

/// One call, as both sides are to see it.
#[derive(Clone, Debug)]
struct Plan {
    metadata: Vec<(String, String, bool)>,
    request: Vec<Vec<u8>>,
    head: Vec<(String, String)>,
    reply: Vec<Vec<u8>>,
    trailers: Option<Vec<(String, String)>>,
}

fn text() -> impl Strategy<Value = (String, String)> {
    // Some repeat, so that the tables are of use.
    let name = prop_oneof![Just("x-same".to_owned()), "x-[a-z]{1,12}"];
    let value =
        prop_oneof![Just("same".to_owned()), "[ -~]{0,40}".prop_map(|v| v.trim().to_owned())];
    (name, value)
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(text(), 0..8)
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let length = prop_oneof![8 => 0_usize..200, 2 => 0_usize..20_000, 1 => 60_000_usize..200_000];
    let message = (length, any::<u8>()).prop_map(|(length, octet)| vec![octet; length]);
    prop::collection::vec(message, 0..6)
}

fn plan() -> impl Strategy<Value = Plan> {
    let metadata = prop::collection::vec((text(), any::<bool>()), 0..8)
        .prop_map(|all| all.into_iter().map(|((n, v), secret)| (n, v, secret)).collect());
    (metadata, messages(), fields(), messages(), prop::option::of(fields())).prop_map(
        |(metadata, request, head, reply, trailers)| Plan {
            metadata,
            request,
            head,
            reply,
            trailers,
        },
    )
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    map
}

fn listed(map: &HeaderMap) -> FieldList {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| framed(message).copy_to_bytes(message.len() + 5)).collect()
}

/// Answers a call as planned, and checks what was asked.
async fn serve(
    plan: Plan,
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) {
    let (parts, mut body) = request.into_parts();
    assert_eq!((parts.uri.path(), parts.method.as_str()), ("/a.B/C", "POST"));
    assert_eq!(parts.uri.authority().unwrap(), "backend:1");
    let asked: Vec<_> =
        plan.metadata.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
    assert_eq!(parts.headers, map(&asked));
    let mut heard = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        heard.extend_from_slice(&piece);
    }
    assert_eq!(heard, frames(&plan.request));
    let mut head = Response::new(());
    *head.headers_mut() = map(&plan.head);
    let mut stream = respond.send_response(head, false).unwrap();
    let last = plan.reply.len();
    for (place, message) in plan.reply.iter().enumerate() {
        let is_end = place + 1 == last && plan.trailers.is_none();
        let frame = frames(std::slice::from_ref(message));
        stream.send_data(frame.into(), is_end).unwrap();
    }
    match plan.trailers {
        Some(trailers) => stream.send_trailers(map(&trailers)).unwrap(),
        None if last == 0 => stream.send_data(Bytes::new(), true).unwrap(),
        None => {}
    }
}

/// Makes a call as planned, and checks what came back.
async fn make(client: &Client, plan: Plan) {
    let mut metadata = HeaderMap::new();
    for (name, value, is_secret) in &plan.metadata {
        let mut value: HeaderValue = value.parse().unwrap();
        value.set_sensitive(*is_secret);
        metadata.append(name.parse::<HeaderName>().unwrap(), value);
    }
    let at_hand = (plan.request.len() == 1).then(|| framed(&plan.request[0]));
    let follows = at_hand.is_none();
    let Opened::Stream(mut reply) = client.open(&head(&metadata), at_hand) else { panic!() };
    let sending = async {
        if !follows {
            return;
        }
        let mut side = reply.request_side();
        for message in &plan.request {
            assert!(poll_fn(|cx| side.poll_room(cx)).await);
            side.send(framed(message));
        }
        side.finish();
    };
    sending.await;
    let outcome = outcome(&mut reply).await;
    assert_eq!(outcome.lost, None);
    assert_eq!(outcome.status, Some(200));
    assert_eq!(outcome.fields, listed(&map(&plan.head)));
    assert_eq!(outcome.data, frames(&plan.reply));
    assert_eq!(outcome.trailers, plan.trailers.map(|trailers| listed(&map(&trailers))));
}

/// All calls of one connection, at once.
async fn run(plans: Vec<Plan>, window: u32, frame: u32, pipe: usize) {
    let (ours, theirs) = tokio::io::duplex(pipe);
    let (client, mut link) = Client::new(ours);
    let served = plans.clone();
    let server = tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.initial_window_size(window).max_frame_size(frame).header_table_size(window % 5000);
        let mut connection = builder.handshake::<_, Bytes>(theirs).await.unwrap();
        let mut served = served.into_iter();
        let mut serving = Vec::new();
        while let Some(call) = connection.accept().await {
            let (request, respond) = call.unwrap();
            serving.push(tokio::spawn(serve(served.next().unwrap(), request, respond)));
        }
        for call in serving {
            call.await.unwrap();
        }
    });
    // As the clusters do. What is sent before can take more than the window that the peer is about to
    // tell of, and h2 gives back nothing of that.
    let greeted = poll_fn(|cx| match link.poll(cx) {
        Poll::Ready(end) => panic!("{end:?}"),
        Poll::Pending if link.is_greeted() => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    });
    soon(greeted).await;
    let driver = tokio::spawn(poll_fn(move |cx| link.poll(cx)));
    let calls = plans.into_iter().map(|plan| make(&client, plan));
    soon(futures_util::future::join_all(calls)).await;
    drop(client);
    assert_eq!(soon(driver).await.unwrap(), crate::upstream::http2::End::Closed);
    soon(server).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn calls_are_heard_as_they_are_made(
        plans in prop::collection::vec(plan(), 1..8),
        window in prop_oneof![200_u32..2000, Just(65_535), Just(1 << 20)],
        frame in prop_oneof![Just(16_384_u32), Just(100_000)],
        pipe in prop_oneof![64_usize..4096, Just(1 << 20)],
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(plans, window, frame, pipe));
    }
}
