//! What the tests of all stages need: an exchange, and backends that answer as a test wants.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Extensions, uri::PathAndQuery};
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep};

use super::{Blueprint, Chain, STAGES, Stage};
use crate::{
    callout::Upstreams,
    error::Error,
    exchange::{Exchange, Limits, MessageStream, Messages, Metadata, Reply, Upstream},
    lasting::Lasting,
    schema::{Idempotency, Method},
};

/// A method that takes and gives `google.protobuf.Empty`.
pub(crate) fn method(server_streaming: bool) -> Method {
    let empty = DescriptorPool::global().get_message_by_name("google.protobuf.Empty");
    let empty = empty.expect("the global pool has the well-known types");
    Method {
        index: 0,
        service: "test.Service".into(),
        full_name: "test.Service.Call".into(),
        path: PathAndQuery::from_static("/test.Service/Call"),
        input: empty.clone(),
        output: empty,
        client_streaming: false,
        server_streaming,
        idempotency: Idempotency::Unknown,
        rules: Box::default(),
    }
}

/// The message type of this name in a `.proto` source, which may import the bundled files.
pub(crate) fn message(source: &str, name: &str) -> prost_reflect::MessageDescriptor {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("test.proto"), source).expect("a file");
    let (schema, problems) =
        crate::schema::Schema::builder().add_proto_folder(folder.path()).build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
    schema.pool().get_message_by_name(name).expect("a message of the source")
}

/// A call of that method with one empty message.
pub(crate) fn exchange(metadata: Metadata, deadline: Option<Instant>) -> Exchange {
    Exchange {
        method: Arc::new(method(false)),
        metadata,
        messages: Messages::one(Bytes::new()),
        deadline,
        limits: Limits::default(),
        codings: crate::coding::Codings::NONE,
        worker: 0,
        extensions: Extensions::new(),
        journal: None,
    }
}

/// The stage of this name, made from settings.
pub(crate) fn build(name: &str, settings: Option<Value>, method: &Method) -> super::Built {
    let entry = STAGES.iter().find(|entry| entry.name == name).expect("a stage of the table");
    let (settings, lasting) = (settings.as_ref(), &Lasting::new());
    (entry.build)(&Blueprint {
        settings,
        method,
        place: name,
        places: &|inside| format!("{name}.{inside}"),
        folder: std::path::Path::new(""),
        lasting,
        upstreams: &Upstreams::default(),
    })
}

/// A chain of one stage before a backend.
pub(crate) fn chain(stage: Box<dyn Stage>, upstream: impl Upstream + 'static) -> Chain {
    Chain::new(vec![stage], Arc::new(upstream))
}

/// A backend that answers with what a function makes of the exchange.
pub(crate) fn answers(
    answer: impl Fn(Exchange) -> Result<Reply, Error> + Send + Sync,
) -> impl Upstream {
    Answers(answer)
}

struct Answers<F>(F);

impl<F: Fn(Exchange) -> Result<Reply, Error> + Send + Sync> Upstream for Answers<F> {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        let outcome = (self.0)(exchange);
        Box::pin(async move { outcome })
    }
}

/// A backend that answers with one message after a while, and notes whether it was let finish.
pub(crate) struct Slow {
    pub(crate) after: Duration,
    pub(crate) finished: Arc<AtomicBool>,
}

impl Upstream for Slow {
    fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            sleep(self.after).await;
            self.finished.store(true, Ordering::SeqCst);
            Ok(Reply { metadata: Metadata::new(), messages: Messages::one(Bytes::new()) })
        })
    }
}

/// A stream with a message each period, without an end unless `count` gives one.
pub(crate) struct Ticks {
    timer: Pin<Box<Sleep>>,
    period: Duration,
    count: Option<usize>,
    dropped: Arc<AtomicBool>,
}

impl Ticks {
    /// `dropped` becomes true when the stream is given up.
    pub(crate) fn new(period: Duration, count: Option<usize>, dropped: Arc<AtomicBool>) -> Self {
        Self { timer: Box::pin(sleep(period)), period, count, dropped }
    }
}

impl MessageStream for Ticks {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.count == Some(0) {
            return Poll::Ready(None);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let next = Instant::now() + self.period;
        self.timer.as_mut().reset(next);
        self.count = self.count.map(|count| count - 1);
        Poll::Ready(Some(Ok(Bytes::from_static(b"tick"))))
    }

    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        [(http::HeaderName::from_static("ticked"), http::HeaderValue::from_static("yes"))]
            .into_iter()
            .collect()
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}
