//! A gateway before several backends, and backends that count their calls.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use futures_util::future::Either;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use super::bad_day::load::Door;
use crate::support::{
    Gateway, Response,
    backend::{self, Answer, Asked, EMPTY_FRAME},
    http1, rig, within,
};

/// A gateway, and the folder of its configuration.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    _folder: TempDir,
}

impl Site {
    /// Before these backends, with settings of the upstream and a policy for the bookshelf, both in
    /// YAML's flow form.
    pub(crate) async fn before(backends: &[SocketAddr], upstream: &str, policy: &str) -> Self {
        let upstream = format!("bookshelf: {{ {}, {upstream} }}", endpoints(backends));
        Self::with(&upstream, &format!("\"bookshelf.v1.*\": {{ {policy} }}")).await
    }

    /// With these upstreams and policies, each a line of YAML.
    pub(crate) async fn with(upstreams: &str, services: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = write(&folder, "127.0.0.1:0", upstreams, services);
        let gateway = Gateway::serve(&["--config", &config]).await;
        Self { gateway, _folder: folder }
    }

    /// Where it is reached.
    pub(crate) fn door(&self) -> Door {
        Door::Tcp(self.gateway.address)
    }

    /// Calls on until so many in a row were all answered and none of them came to this backend.
    pub(crate) async fn avoids(&self, backend: &Counted) {
        within("the backend to be left out", async {
            loop {
                let before = backend.calls();
                let mut answered = 0;
                while answered < 30 && self.call().await.status == 200 {
                    answered += 1;
                }
                if answered == 30 && backend.calls() == before {
                    return;
                }
            }
        })
        .await;
    }

    /// Calls on until this backend is called.
    pub(crate) async fn reaches(&self, backend: &Counted) {
        let before = backend.calls();
        within("the backend to be called", async {
            while backend.calls() == before {
                self.call().await;
            }
        })
        .await;
    }

    /// A call that may be repeated, for its rule is a DELETE.
    pub(crate) async fn call(&self) -> Response {
        let path = "/v1/shelves/a/books/b";
        http1::request(self.gateway.address, "DELETE", path, &[], b"").await
    }

    /// A call that may not, for its rule is a POST.
    pub(crate) async fn post(&self) -> Response {
        let headers = [("content-type", "application/json")];
        let path = "/v1/shelves/a/books";
        http1::request(self.gateway.address, "POST", path, &headers, b"{}").await
    }
}

/// Writes a configuration into a folder; gives its path.
pub(crate) fn write(folder: &TempDir, listen: &str, upstreams: &str, services: &str) -> String {
    let set = rig::write_descriptor_set(folder);
    let config = folder.path().join("transom.yaml");
    let text = format!(
        "listen:\n  - address: {listen}\nworkers: 1\nschema:\n  - descriptor_set: {set}\n\
         upstreams:\n  {}\nservices:\n  {}\n",
        upstreams.replace('\n', "\n  "),
        services.replace('\n', "\n  "),
    );
    fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

/// The endpoints of an upstream, as its settings name them.
pub(crate) fn endpoints(backends: &[SocketAddr]) -> String {
    let urls: Vec<_> = backends.iter().map(|address| format!("http://{address}")).collect();
    format!("endpoints: [{}]", urls.join(", "))
}

/// A backend that counts its calls and answers each by its number, from 0.
#[derive(Clone)]
pub(crate) struct Counted {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Counted {
    pub(crate) async fn start<F, T>(act: F) -> Self
    where
        F: Fn(usize, Asked, Answer) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self::start_beside(|_| false, |_, _| async {}, act).await
    }

    /// The same, but requests that `is_aside` knows are answered by `aside` and don't count.
    pub(crate) async fn start_beside<F, T, G, U>(
        is_aside: impl Fn(&Asked) -> bool + Clone + Send + Sync + 'static,
        aside: G,
        act: F,
    ) -> Self
    where
        F: Fn(usize, Asked, Answer) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
        G: Fn(Asked, Answer) -> U + Clone + Send + Sync + 'static,
        U: Future<Output = ()> + Send + 'static,
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let address = backend::http2(move |asked, reply| match is_aside(&asked) {
            true => Either::Left(aside(asked, reply)),
            false => Either::Right(act(count.fetch_add(1, SeqCst), asked, reply)),
        })
        .await;
        Self { address, calls }
    }

    /// One that always answers with the empty message.
    pub(crate) async fn sound() -> Self {
        Self::start(|_, _, reply| succeed(reply)).await
    }

    /// One that fails with this code so many times, then answers.
    pub(crate) async fn failing(times: usize, code: &'static str) -> Self {
        Self::start(move |number, _, reply| async move {
            if number < times {
                fail(reply, &[("grpc-status", code)]).await
            } else {
                succeed(reply).await
            }
        })
        .await
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

/// Answers with the empty message.
pub(crate) async fn succeed(reply: Answer) {
    backend::succeed(reply, EMPTY_FRAME).await;
}

/// Answers with trailers alone.
pub(crate) async fn fail(mut reply: Answer, ends: &[(&'static str, &str)]) {
    let mut head = backend::head();
    head.headers_mut().insert("grpc-message", "not%20now".parse().unwrap());
    head.headers_mut().extend(backend::trailers(ends));
    let _ = reply.send_response(head, true);
}

/// Holds calls back until it is opened, and notes those that were given up.
#[derive(Clone)]
pub(crate) struct Hold {
    open: watch::Sender<bool>,
    /// Told of each call that was cancelled while it was held.
    pub(crate) cancelled: Arc<Notify>,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self { open: watch::Sender::new(false), cancelled: Arc::default() }
    }

    /// Lets all through, and whoever comes.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Answers once it is open.
    pub(crate) async fn answer(self, mut reply: Answer) {
        let mut open = self.open.subscribe();
        let left = std::future::poll_fn(|cx| reply.poll_reset(cx));
        tokio::select! {
            _ = open.wait_for(|open| *open) => {}
            _ = left => {
                self.cancelled.notify_one();
                return;
            }
        }
        succeed(reply).await;
    }
}
