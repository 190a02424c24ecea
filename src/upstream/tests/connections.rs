//! Connections: made on demand, shared, replaced, given up, closed.

use tokio::{io::AsyncReadExt, sync::watch as signal, time::Instant};

use super::*;
use crate::{
    error::Code,
    upstream::{Balance, Kind},
};

/// A port that nobody listens on.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A backend whose calls wait for the signal before they are echoed.
async fn gated(builder: h2::server::Builder) -> (Backend, signal::Sender<bool>) {
    let (go, wait) = signal::channel(false);
    let backend = backend_with(builder, move |request, respond| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            echo(request, respond).await;
        }
    })
    .await;
    (backend, go)
}

fn spawn_call(cluster: &Arc<Cluster>) -> tokio::task::JoinHandle<Result<Reply, Error>> {
    let cluster = cluster.clone();
    tokio::spawn(async move { cluster.call(unary()).await })
}

#[tokio::test]
async fn closed_port_is_unavailable_at_once() {
    let cluster = cluster(closed_port().await);
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_refused"));
    assert!(!error.message().contains("127.0.0.1"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("127.0.0.1"), "{source}");
}

#[tokio::test]
async fn name_without_addresses_is_unavailable() {
    let settings = Settings { endpoints: vec!["nowhere.invalid:1".into()], ..Settings::default() };
    let error = failing(&cluster_with(settings), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_unresolved"));
}

#[tokio::test]
async fn name_is_tried_at_all_its_addresses() {
    // `localhost` is ::1 and 127.0.0.1 on most machines; the backend listens on the latter.
    let backend = backend(echo).await;
    let endpoint = format!("http://localhost:{}", backend.address.port());
    let settings = Settings { endpoints: vec![endpoint.into()], ..Settings::default() };
    assert_eq!(message(call(&cluster_with(settings), unary()).await).await, "ask");
}

#[tokio::test]
async fn failed_dial_is_not_repeated_before_its_pause_is_over() {
    let backend = raw_backend(|socket, _| async move { drop(socket) }).await;
    let cluster = cluster(backend.address);
    let started = Instant::now();
    for _ in 0..200 {
        assert_eq!(failing(&cluster, unary()).await.code(), Code::Unavailable);
    }
    // Pauses of 80 ms and more, doubling: few dials fit into the time that the calls took.
    let fitting = 1 + started.elapsed().as_millis() as usize / 80;
    assert!(backend.connections() <= fitting, "{} dials", backend.connections());
}

#[tokio::test]
async fn endpoint_that_comes_up_is_found_after_the_pause() {
    let address = closed_port().await;
    let cluster = cluster(address);
    failing(&cluster, unary()).await;
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(echo(request, respond));
        }
    });
    let answered = async {
        while call(&cluster, unary()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(answered).await;
}

#[tokio::test]
async fn calls_that_wait_share_one_dial() {
    let backend = backend(echo).await;
    let cluster = cluster(backend.address);
    let calls: Vec<_> = (0..50).map(|_| spawn_call(&cluster)).collect();
    for running in calls {
        assert_eq!(message(soon(running).await.unwrap()).await, "ask");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn caller_that_leaves_while_it_waits_spoils_no_dial() {
    let (go, wait) = signal::channel(false);
    let backend = raw_backend(move |socket, _| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(echo(request, respond));
            }
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let leaving = spawn_call(&cluster);
    while backend.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let staying = spawn_call(&cluster);
    tokio::task::yield_now().await;
    leaving.abort();
    assert!(leaving.await.is_err_and(|error| error.is_cancelled()));
    go.send(true).unwrap();
    assert_eq!(message(soon(staying).await.unwrap()).await, "ask");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn silent_backend_fails_within_the_connect_timeout() {
    let backend = raw_backend(|mut socket, _| async move {
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let settings =
        Settings { connect_timeout: Duration::from_millis(50), ..settings(&[backend.address]) };
    let error = failing(&cluster_with(settings), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_connect_timeout"));
}

#[tokio::test]
async fn deadline_ends_the_wait_for_a_connection() {
    let backend = raw_backend(|mut socket, _| async move {
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let cluster = cluster(backend.address);
    let mut exchange = unary();
    exchange.deadline = Some(Instant::now() + Duration::from_millis(50));
    assert_eq!(failing(&cluster, exchange).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn limit_of_streams_opens_further_connections_up_to_the_bound() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let (backend, go) = gated(builder).await;
    let cluster = cluster_with(Settings { connections: 3, ..settings(&[backend.address]) });
    let calls: Vec<_> = (0..20).map(|_| spawn_call(&cluster)).collect();
    while backend.connections() < 3 {
        tokio::task::yield_now().await;
    }
    go.send(true).unwrap();
    for running in calls {
        assert_eq!(message(soon(running).await.unwrap()).await, "ask");
    }
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn callers_that_leave_the_line_block_nobody() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let (backend, go) = gated(builder).await;
    let cluster = cluster_with(Settings { connections: 1, ..settings(&[backend.address]) });
    let first = spawn_call(&cluster);
    let leaving: Vec<_> = (0..1000).map(|_| spawn_call(&cluster)).collect();
    let last = spawn_call(&cluster);
    tokio::task::yield_now().await;
    for running in leaving {
        running.abort();
        let _ = running.await;
    }
    go.send(true).unwrap();
    for running in [first, last] {
        assert_eq!(message(soon(running).await.unwrap()).await, "ask");
    }
}

#[tokio::test]
async fn endpoints_take_turns() {
    let (one, two) = (backend(echo).await, backend(echo).await);
    let settings = Settings {
        balance: Balance::of(Kind::RoundRobin),
        ..settings(&[one.address, two.address])
    };
    let cluster = cluster_with(settings);
    // The first calls make the connections.
    while cluster.endpoints().members.iter().any(|member| member.endpoint.connections() == 0) {
        call(&cluster, unary()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut served = std::collections::HashMap::new();
    for _ in 0..10 {
        let exchange = unary();
        let journal = exchange.journal.clone().unwrap();
        call(&cluster, exchange).await.unwrap();
        *served.entry(journal.endpoint.get().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(served.into_values().collect::<Vec<_>>(), [5, 5]);
}

#[tokio::test]
async fn connections_stay_within_their_limit_whatever_endpoints_there_are() {
    let backends = [backend(echo).await, backend(echo).await, backend(echo).await];
    let settings = Settings {
        balance: Balance::of(Kind::RoundRobin),
        breaker: crate::upstream::Limits { max_connections: 1, ..Default::default() },
        ..settings(&backends.each_ref().map(|backend| backend.address))
    };
    let cluster = cluster_with(settings);
    for _ in 0..20 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    let connected = |cluster: &Cluster| -> Vec<usize> {
        let set = cluster.endpoints();
        set.members.iter().map(|member| member.endpoint.connections()).collect()
    };
    assert_eq!(connected(&cluster).iter().sum::<usize>(), 1);
    // Whom that one leads to may not be called any more: another is made all the same.
    let set = cluster.endpoints();
    let called = connected(&cluster).iter().position(|count| *count == 1).unwrap();
    let later = tokio::time::Instant::now() + Duration::from_secs(60);
    set.members[called].endpoint.standing().eject(later);
    for _ in 0..20 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    assert_eq!(connected(&cluster).iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn dead_endpoint_costs_no_call_while_another_lives() {
    let backend = backend(echo).await;
    let cluster = cluster_with(settings(&[closed_port().await, backend.address]));
    for _ in 0..50 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
}

#[tokio::test]
async fn silent_endpoint_delays_one_call_at_most() {
    let silent = raw_backend(|mut socket, _| async move {
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let backend = backend(echo).await;
    let settings = Settings {
        connect_timeout: Duration::from_millis(300),
        ..settings(&[silent.address, backend.address])
    };
    let cluster = cluster_with(settings);
    call(&cluster, unary()).await.unwrap();
    let started = Instant::now();
    let mut slow = 0;
    // Long enough for the dial to fail, the pause to end and the next dial to hang.
    while started.elapsed() < Duration::from_millis(800) {
        let begun = Instant::now();
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
        slow += usize::from(begun.elapsed() > Duration::from_millis(250));
    }
    assert_eq!(slow, 0);
    assert!(silent.connections() >= 2);
}

#[tokio::test]
async fn connection_that_was_closed_is_replaced() {
    let backend = raw_backend(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (request, respond) = accept(&mut connection).await;
        let answered = tokio::spawn(echo(request, respond));
        // Drives the connection until the answer is out, then drops it without a word.
        let served = async { while connection.accept().await.is_some() {} };
        tokio::select! { _ = served => {}, _ = async {
            answered.await.unwrap();
            for _ in 0..10 { tokio::task::yield_now().await; }
        } => {} }
    })
    .await;
    let cluster = cluster(backend.address);
    for round in 1..=5 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
        // The end of the connection arrives after the answer.
        while connections(&cluster) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(backend.connections(), round);
    }
}

#[tokio::test]
async fn connection_that_ends_before_its_age_leaves_nobody_waiting() {
    let backend = raw_backend(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (request, respond) = accept(&mut connection).await;
        let answered = tokio::spawn(echo(request, respond));
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
        answered.await.unwrap();
    })
    .await;
    let age = Some(Duration::from_secs(3600));
    let cluster =
        cluster_with(Settings { max_connection_age: age, ..settings(&[backend.address]) });
    for _ in 0..30 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    assert!(backend.connections() > 20);
    let alone = async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 10 {
            tokio::task::yield_now().await;
        }
    };
    soon(alone).await;
}

#[tokio::test]
async fn goaway_lets_calls_finish_and_moves_the_next_ones() {
    let (go, wait) = signal::channel(false);
    let (seen, mut calls) = mpsc::unbounded_channel();
    let backend = raw_backend(move |socket, number| {
        let (mut wait, seen) = (wait.clone(), seen.clone());
        async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let (request, respond) = accept(&mut connection).await;
            tokio::spawn(async move {
                if number == 0 {
                    wait.wait_for(|go| *go).await.unwrap();
                }
                echo(request, respond).await;
            });
            if number == 0 {
                connection.graceful_shutdown();
            }
            seen.send(number).unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(echo(request, respond));
            }
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let old = spawn_call(&cluster);
    assert_eq!(soon(calls.recv()).await, Some(0));
    while backend.connections() < 2 {
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    }
    go.send(true).unwrap();
    assert_eq!(message(soon(old).await.unwrap()).await, "ask");
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn goaway_in_the_middle_of_many_calls_loses_none() {
    // Each connection says goodbye after some calls, whatever is under way by then.
    let backend = raw_backend(|socket, _| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let mut served = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(echo(request, respond));
            served += 1;
            if served == 7 {
                connection.graceful_shutdown();
            }
        }
    })
    .await;
    let cluster = cluster(backend.address);
    for _ in 0..20 {
        let calls: Vec<_> = (0..10).map(|_| spawn_call(&cluster)).collect();
        for running in calls {
            assert_eq!(message(soon(running).await.unwrap()).await, "ask");
        }
    }
    assert!(backend.connections() > 10);
}

#[tokio::test]
async fn refused_call_is_tried_again_on_another_connection() {
    let backend = raw_backend(|socket, number| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            match number {
                0 => respond.send_reset(h2::Reason::REFUSED_STREAM),
                _ => drop(tokio::spawn(echo(request, respond))),
            }
        }
    })
    .await;
    let cluster = cluster(backend.address);
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(backend.connections(), 2);
    assert_eq!(collect(&mut call(&cluster, watch()).await.unwrap().messages).await.0, ["ask"]);
}

#[tokio::test]
async fn call_that_is_always_refused_is_unavailable() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let backend = backend(move |_, mut respond| {
        counted.fetch_add(1, SeqCst);
        async move { respond.send_reset(h2::Reason::REFUSED_STREAM) }
    })
    .await;
    let cluster = cluster(backend.address);
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_reset"));
    assert_eq!((tries.load(SeqCst), cluster.state().sent_again), (3, 2));
    // A stream of requests has been consumed and can't be sent again.
    let (_feed, messages, _) = fed();
    assert_eq!(failing(&cluster, exchange("ImportBooks", messages)).await.code(), error.code());
    assert_eq!(tries.load(SeqCst), 4);
}

#[tokio::test]
async fn ping_without_answer_ends_the_connection() {
    // A backend that goes silent after its handshake: the socket stays open, nothing is read.
    let backend = raw_backend(|socket, number| async move {
        let mut connection = h2::server::handshake::<_>(socket).await.unwrap();
        let (request, respond) = accept(&mut connection).await;
        if number == 0 {
            std::future::pending::<()>().await;
        }
        tokio::spawn(echo(request, respond));
        while connection.accept().await.is_some() {}
    })
    .await;
    let keepalive = crate::upstream::Keepalive {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(50),
    };
    let cluster =
        cluster_with(Settings { keepalive: Some(keepalive), ..settings(&[backend.address]) });
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_lost"));
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
}

#[tokio::test]
async fn pings_that_are_answered_keep_the_connection() {
    let (backend, go) = gated(h2::server::Builder::new()).await;
    let keepalive = crate::upstream::Keepalive {
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
    };
    let cluster =
        cluster_with(Settings { keepalive: Some(keepalive), ..settings(&[backend.address]) });
    let running = spawn_call(&cluster);
    tokio::time::sleep(Duration::from_millis(200)).await;
    go.send(true).unwrap();
    assert_eq!(message(soon(running).await.unwrap()).await, "ask");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn dropped_cluster_lets_calls_finish_and_then_closes() {
    let (go, wait) = signal::channel(false);
    let (seen, mut closed) = mpsc::unbounded_channel();
    let backend = raw_backend(move |socket, _| {
        let (mut wait, seen) = (wait.clone(), seen.clone());
        async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let (request, mut respond) = accept(&mut connection).await;
            drop(request);
            tokio::spawn(async move {
                let mut stream = respond.send_response(ok_head(), false).unwrap();
                wait.wait_for(|go| *go).await.unwrap();
                stream.send_data(frame(b"late"), false).unwrap();
                stream.send_trailers(ok_trailers()).unwrap();
            });
            while connection.accept().await.is_some() {}
            seen.send(()).unwrap();
        }
    })
    .await;
    let cluster = cluster(backend.address);
    let mut reply = call(&cluster, watch()).await.unwrap();
    drop(cluster);
    go.send(true).unwrap();
    assert_eq!(collect(&mut reply.messages).await.0, ["late"]);
    soon(closed.recv()).await.unwrap();
}

#[tokio::test]
async fn workers_have_connections_of_their_own() {
    let backend = backend(echo).await;
    let cluster = Cluster::new("test", &settings(&[backend.address]), 3, &Lasting::new()).unwrap();
    for worker in [0, 1, 2, 0, 1, 2] {
        let exchange = Exchange { worker, ..unary() };
        assert_eq!(message(call(&cluster, exchange).await).await, "ask");
    }
    assert_eq!(backend.connections(), 3);
}
