//! Endpoints that come and go, what becomes known of them, and what outlives a cluster.

use tokio::sync::watch as signal;

use super::*;
use crate::{
    error::Code,
    exchange::Attempt,
    upstream::{Balance, EndpointSet, Health, Kind, Member},
};

/// A backend whose calls wait for the signal before they are echoed.
async fn gated() -> (Backend, signal::Sender<bool>) {
    let (go, wait) = signal::channel(false);
    let backend = backend(move |request, respond| {
        let mut wait = wait.clone();
        async move {
            let _ = wait.wait_for(|go| *go).await;
            echo(request, respond).await;
        }
    })
    .await;
    (backend, go)
}

/// The members of a cluster, in the order of its settings.
fn member(cluster: &Cluster, at: usize) -> Member {
    cluster.endpoints().members[at].clone()
}

/// Calls until every endpoint has a connection, whatever they answer.
async fn connect_all(cluster: &Cluster) {
    let connected = async {
        while cluster.endpoints().members.iter().any(|m| m.endpoint.connections() == 0) {
            drop(call(cluster, unary()).await);
            tokio::task::yield_now().await;
        }
    };
    soon(connected).await;
}

/// Who answers a call.
async fn answering(cluster: &Cluster, exchange: Exchange) -> Arc<str> {
    let journal = exchange.journal.clone().unwrap();
    message(call(cluster, exchange).await).await;
    journal.endpoint.get().unwrap()
}

#[tokio::test]
async fn next_cluster_of_the_name_has_the_same_connections_and_standing() {
    let backend = backend(echo).await;
    let lasting = Lasting::new();
    let settings = settings(&[backend.address]);
    let first = Cluster::new("test", &settings, 1, &lasting).unwrap();
    message(call(&first, unary()).await).await;
    // Another balancing, another weight: the connection is the same.
    let mut changed = settings.clone();
    changed.balance = Balance::of(Kind::Random);
    changed.endpoints[0].weight = 7;
    let second = Cluster::new("test", &changed, 1, &lasting).unwrap();
    drop(first);
    message(call(&second, unary()).await).await;
    assert_eq!(backend.connections(), 1);
    let state = serde_json::to_value(second.state()).unwrap();
    assert_eq!(state["endpoints"][0]["requests"], 2);
    assert_eq!(state["endpoints"][0]["weight"], 7);
    assert_eq!(state["endpoints"][0]["connections"], 1);
    assert_eq!(state["endpoints"][0]["health"], "unknown");
    // What connections depend on has changed: they are made anew.
    changed.connect_timeout = Duration::from_secs(9);
    let third = Cluster::new("test", &changed, 1, &lasting).unwrap();
    message(call(&third, unary()).await).await;
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn removed_endpoint_finishes_its_calls_and_is_closed() {
    let ((old, go), new) = (gated().await, backend(echo).await);
    let cluster = cluster_with(settings(&[old.address, new.address]));
    let (old_member, new_member) = (member(&cluster, 0), member(&cluster, 1));
    // A call that is under way on the endpoint that leaves.
    let calling = cluster.clone();
    let endpoint = old_member.endpoint.clone();
    let running = tokio::spawn(async move { calling.call_at(&endpoint, unary()).await });
    while old_member.endpoint.standing().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let name = old_member.endpoint.name().clone();
    drop(old_member);
    cluster.pool.replace(EndpointSet::new([new_member.clone()]));
    for _ in 0..20 {
        assert_eq!(answering(&cluster, unary()).await, *new_member.endpoint.name());
    }
    let state = cluster.state();
    assert_eq!((state.draining[0].address.as_str(), state.draining[0].in_flight), (&*name, 1));
    go.send(true).unwrap();
    assert_eq!(message(soon(running).await.unwrap()).await, "ask");
    assert!(cluster.state().draining.is_empty());
}

#[tokio::test]
async fn connections_of_a_removed_endpoint_are_closed() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let leaving = raw_backend(move |socket, _| {
        let closed = closed.clone();
        async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(echo(request, respond));
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let staying = backend(echo).await;
    let cluster = cluster_with(settings(&[leaving.address, staying.address]));
    connect_all(&cluster).await;
    let staying = member(&cluster, 1);
    cluster.pool.replace(EndpointSet::new([staying]));
    assert_eq!(soon(closings.recv()).await, Some(()));
}

#[tokio::test]
async fn set_that_changes_under_load_loses_no_call() {
    let mut backends = Vec::new();
    for _ in 0..4 {
        backends.push(backend(echo).await);
    }
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let cluster = cluster_with(settings(&addresses));
    let all = cluster.endpoints().members.to_vec();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                for _ in 0..150 {
                    assert_eq!(message(cluster.call(unary()).await).await, "ask");
                }
            })
        })
        .collect();
    // Each set lacks one or two; each endpoint leaves and comes back many times.
    let mut round = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        round += 1;
        let stays = |(at, member): (usize, &Member)| {
            (at != round % 4 && at != round / 3 % 4).then(|| member.clone())
        };
        cluster.pool.replace(EndpointSet::new(all.iter().enumerate().filter_map(stays)));
        tokio::task::yield_now().await;
    }
    for caller in callers {
        soon(caller).await.unwrap();
    }
    assert!(round > 20, "{round}");
    let state = cluster.state();
    assert!(state.endpoints.iter().all(|endpoint| endpoint.failures == 0), "{state:?}");
}

#[tokio::test]
async fn unhealthy_and_ejected_endpoints_get_no_call() {
    let backends = [backend(echo).await, backend(echo).await, backend(echo).await];
    let mut settings = settings(&backends.each_ref().map(|backend| backend.address));
    settings.balance.0.panic_threshold = 0;
    let cluster = cluster_with(settings);
    connect_all(&cluster).await;
    member(&cluster, 0).endpoint.standing().set_health(Health::Unhealthy);
    let later = tokio::time::Instant::now() + Duration::from_secs(60);
    member(&cluster, 1).endpoint.standing().eject(later);
    for _ in 0..20 {
        assert_eq!(answering(&cluster, unary()).await, *member(&cluster, 2).endpoint.name());
    }
    member(&cluster, 2).endpoint.standing().set_health(Health::Unhealthy);
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_no_endpoint"));
}

#[tokio::test]
async fn next_attempt_goes_to_another_endpoint() {
    let backends = [backend(echo).await, backend(echo).await, backend(echo).await];
    let cluster = cluster_with(settings(&backends.each_ref().map(|backend| backend.address)));
    connect_all(&cluster).await;
    for _ in 0..20 {
        let mut attempt = Attempt::first();
        let mut called = std::collections::HashSet::new();
        for _ in 0..3 {
            let mut exchange = unary();
            exchange.extensions.insert(attempt.clone());
            assert!(called.insert(answering(&cluster, exchange).await), "{called:?}");
            attempt = attempt.following();
        }
    }
}

#[tokio::test]
async fn journal_tells_of_the_attempt_that_answered() {
    let sound = backend(echo).await;
    let failing = backend(|_, mut respond: SendResponse<Bytes>| async move {
        let mut response = Response::new(());
        let trailers = [("grpc-status", "14"), ("content-type", "application/grpc")];
        *response.headers_mut() = headers(&trailers);
        respond.send_response(response, true).unwrap();
    })
    .await;
    let cluster = cluster_with(settings(&[failing.address, sound.address]));
    connect_all(&cluster).await;
    let mut seen = 0;
    while seen < 3 {
        let exchange = unary();
        let journal = exchange.journal.clone().unwrap();
        let Err(error) = call(&cluster, exchange).await else { continue };
        assert_eq!(error.endpoint(), journal.endpoint.get().as_ref());
        assert_eq!(journal.upstream_status.get(), Some(Code::Unavailable));
        let mut again = unary();
        again.journal = Some(journal.clone());
        let first = Attempt::first();
        first.note(error.endpoint().unwrap());
        again.extensions.insert(first.following());
        call(&cluster, again).await.unwrap();
        assert_eq!(*journal.endpoint.get().unwrap(), *sound.address.to_string());
        assert_eq!(journal.upstream_status.get(), Some(Code::Ok));
        seen += 1;
    }
}

#[tokio::test]
async fn ends_of_calls_are_reported() {
    let backend = backend(|request: Request<RecvStream>, mut respond| async move {
        match &*read(request).await {
            b"\0\0\0\0\x03ask" => answer(&mut respond, &[b"one", b"two"]),
            b"\0\0\0\0\x04fail" => {
                let trailers = [("grpc-status", "14"), ("content-type", "application/grpc")];
                let mut response = Response::new(());
                *response.headers_mut() = headers(&trailers);
                respond.send_response(response, true).unwrap();
            }
            _ => respond.send_reset(h2::Reason::INTERNAL_ERROR),
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let standing = member(&cluster, 0).endpoint.standing().clone();
    let counts = || (standing.requests(), standing.failures(), standing.in_flight());
    // A stream counts when it ends, not when it begins.
    let mut reply = call(&cluster, watch()).await.unwrap();
    assert_eq!(counts(), (0, 0, 1));
    assert_eq!(collect(&mut reply.messages).await.0.len(), 2);
    assert_eq!(counts(), (1, 0, 0));
    for (text, failures) in [("fail", 1), ("reset", 2)] {
        let message = Messages::one(Bytes::from_static(text.as_bytes()));
        failing(&cluster, exchange("GetBook", message)).await;
        assert_eq!(standing.failures(), failures, "{text}");
    }
    // A caller that leaves is no failure.
    drop(call(&cluster, watch()).await.unwrap());
    assert_eq!(counts(), (4, 2, 0));
    // What a health check finds out is its own affair.
    let endpoint = member(&cluster, 0).endpoint;
    let message = Messages::one(Bytes::from_static(b"fail"));
    soon(cluster.call_at(&endpoint, exchange("GetBook", message))).await.err().unwrap();
    assert_eq!(counts(), (4, 2, 0));
}

#[tokio::test]
async fn calls_of_one_key_go_to_one_endpoint() {
    use crate::upstream::{Key, Spread, Yes};
    let backends = [backend(echo).await, backend(echo).await, backend(echo).await];
    type Mark = fn(&mut Exchange, &str);
    let keys: [(Key, Mark); 4] = [
        (Key::Header("x-user".into()), |exchange, user| {
            exchange.metadata.insert("x-user", user.parse().unwrap());
        }),
        (Key::Cookie("session".into()), |exchange, user| {
            let cookies = format!("a=b; session={user}; other=x");
            exchange.metadata.insert("cookie", cookies.parse().unwrap());
        }),
        (Key::ClientAddress(Yes), |exchange, user| {
            let list = format!("2001:db8::{user}, 10.0.0.1");
            exchange.metadata.insert("x-forwarded-for", list.parse().unwrap());
        }),
        (Key::Field("name".into()), |exchange, user| {
            let length = u8::try_from(user.len()).unwrap();
            let wire = [&[0x0a, length], user.as_bytes()].concat();
            exchange.messages = Messages::one(wire.into());
        }),
    ];
    for kind in [Kind::RingHash, Kind::Maglev] {
        for (key, mark) in &keys {
            let mut settings = settings(&backends.each_ref().map(|backend| backend.address));
            settings.balance =
                Balance(Spread { kind, key: Some(key.clone()), ..Spread::default() });
            let cluster = cluster_with(settings);
            let mut used = std::collections::HashSet::new();
            for user in 0..12 {
                let marked = || {
                    let mut exchange = unary();
                    mark(&mut exchange, &user.to_string());
                    exchange
                };
                let first = answering(&cluster, marked()).await;
                for _ in 0..3 {
                    assert_eq!(answering(&cluster, marked()).await, first, "{kind:?} {key:?}");
                }
                used.insert(first);
            }
            assert!(used.len() > 1, "{kind:?} {key:?}: all went to one");
        }
    }
}
