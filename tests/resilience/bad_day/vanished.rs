//! Addresses that swallow whatever is sent to them.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpSocket, TcpStream},
    sync::watch,
};

use super::{CALLS, RETRY, among, endure, load::Door, namespace::Namespace, survive};
use crate::{
    resilience::site::{Counted, Site, write},
    support::{Gateway, backend},
};

const UPSTREAM: &str =
    "outlier: { consecutive_errors: 3 }, keepalive: { interval: 1s, timeout: 1s }";

const POLICY: &str = "retry: { attempts: 5, per_try_timeout: 1s, backoff: { initial: 5ms } }";

/// An address that answers no attempt to connect: its queue is full, so the kernel drops them.
struct Full {
    address: SocketAddr,
    _queue: Vec<tokio::task::JoinHandle<std::io::Result<TcpStream>>>,
    _listener: tokio::net::TcpListener,
}

impl Full {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        // One is queued, or two; the others would be.
        let queue = (0..4).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        Self { address, _queue: queue, _listener: listener }
    }
}

#[tokio::test]
async fn bad_day_blackholed_connect_fails_no_call() {
    let hole = Full::new();
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let site = Site::before(&among(hole.address, sound), "connect_timeout: 1s", RETRY).await;
    endure("one of three blackholed: no answer to SYN", &site).await;
}

#[tokio::test]
async fn bad_day_address_that_vanishes_fails_no_call() {
    match Network::new().await {
        Some(network) => network.vanish().await,
        // Where nobody may have a namespace, connections fall silent without one.
        None => fall_silent().await,
    }
}

/// A gateway with two backends in one namespace, and one backend in another.
struct Network {
    near: Namespace,
    far: Namespace,
}

/// The far backend's address.
const FAR: &str = "10.83.0.2";

impl Network {
    async fn new() -> Option<Self> {
        let near = Namespace::new().await?;
        let far = near.beside().await?;
        let link = format!("link add near type veth peer name far netns {}", far.process());
        let there = near.ip("link set lo up").await
            && near.ip(&link).await
            && near.ip("addr add 10.83.0.1/24 dev near").await
            && near.ip("link set near up").await
            && far.ip("link set lo up").await
            && far.ip(&format!("addr add {FAR}/24 dev far")).await
            && far.ip("link set far up").await;
        there.then_some(Self { near, far })
    }

    async fn vanish(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (near, far) = (self.near.entrance(), self.far.entrance());
        let demo = |listen: String, entrance| async move {
            Gateway::run_behind(entrance, &["demo", "--listen", &listen], folder).await
        };
        let backends = [
            demo("127.0.0.1:0".into(), &near).await,
            demo(format!("{FAR}:0"), &far).await,
            demo("127.0.0.1:0".into(), &near).await,
        ];
        let urls: Vec<_> = backends.iter().map(|one| one.urls[0].clone()).collect();
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("gateway.sock");
        let config = write(
            &files,
            &format!("unix:{}", path.display()),
            &format!("bookshelf: {{ endpoints: [{}], {UPSTREAM} }}", urls.join(", ")),
            &format!("\"bookshelf.v1.*\": {{ {POLICY} }}"),
        );
        let _gateway = Gateway::run_behind(&near, &["serve", "--config", &config], folder).await;
        let fault = "one of three blackholed: its address vanishes";
        survive(fault, &Door::Unix(path), async |load| {
            load.calls(CALLS).await;
            assert!(self.far.ip(&format!("addr del {FAR}/24 dev far")).await);
            load.calls(2 * CALLS).await;
        })
        .await;
    }
}

/// The same by a relay that stops to pass anything on.
async fn fall_silent() {
    let sound = [Counted::sound().await.address, Counted::sound().await.address];
    let behind = Counted::sound().await;
    let silence = Arc::new(watch::Sender::new(false));
    let (target, told) = (behind.address, silence.clone());
    let relay = backend::raw(move |mut stream| {
        let mut told = told.subscribe();
        async move {
            let mut onward = TcpStream::connect(target).await.unwrap();
            let silent = async { drop(told.wait_for(|silent| *silent).await) };
            tokio::select! {
                _ = copy_bidirectional(&mut stream, &mut onward) => return,
                () = silent => {}
            }
            std::future::pending().await
        }
    })
    .await;
    let site = Site::before(&among(relay, sound), UPSTREAM, POLICY).await;
    survive("one of three blackholed: its connections fall silent", &site.door(), async |load| {
        load.calls(CALLS).await;
        assert!(behind.calls() > 0);
        silence.send_replace(true);
        load.calls(2 * CALLS).await;
    })
    .await;
}
