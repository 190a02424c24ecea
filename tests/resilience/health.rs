//! Endpoints that say of themselves how they are.

use bytes::Bytes;
use tokio::sync::watch;

use super::site::{Counted, Site, fail, succeed};
use crate::support::backend::{self, Answer, Asked};

const SERVING: u8 = 1;
const NOT_SERVING: u8 = 2;

/// A backend with a health service, which says what it is told to. Checks don't count as calls.
struct Patient {
    counted: Counted,
    status: watch::Sender<u8>,
}

impl Patient {
    async fn start(has_watch: bool) -> Self {
        let status = watch::Sender::new(SERVING);
        let told = status.clone();
        let counted = Counted::start_beside(
            move |asked: &Asked| asked.uri().path().starts_with("/grpc.health.v1.Health/"),
            move |asked, reply| examine(asked, reply, told.subscribe(), has_watch),
            |_, _, reply| succeed(reply),
        )
        .await;
        Self { counted, status }
    }
}

/// Answers `Check` and, if it is there, `Watch`.
async fn examine(
    asked: Asked,
    mut reply: Answer,
    mut status: watch::Receiver<u8>,
    has_watch: bool,
) {
    let is_watch = asked.uri().path().ends_with("/Watch");
    if is_watch && !has_watch {
        return fail(reply, &[("grpc-status", "12")]).await;
    }
    let Ok(mut stream) = reply.send_response(backend::head(), false) else { return };
    loop {
        // A HealthCheckResponse in its frame.
        let now = *status.borrow_and_update();
        let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, now]);
        if stream.send_data(message, false).is_err() {
            return;
        }
        if !is_watch {
            let _ = stream.send_trailers(backend::trailers(&[("grpc-status", "0")]));
            return;
        }
        let left = std::future::poll_fn(|cx| stream.poll_reset(cx));
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            _ = left => return,
        }
    }
}

async fn flip(has_watch: bool, interval: &str) {
    let (one, other) = (Patient::start(has_watch).await, Patient::start(has_watch).await);
    let backends = [one.counted.address, other.counted.address];
    let upstream = format!(
        "health: {{ interval: {interval}, no_traffic_interval: {interval}, unhealthy_threshold: 1, \
         healthy_threshold: 1 }}, balance: {{ kind: round_robin, panic_threshold: 0 }}"
    );
    let site = Site::before(&backends, &upstream, "").await;
    site.reaches(&one.counted).await;
    one.status.send_replace(NOT_SERVING);
    site.avoids(&one.counted).await;
    one.status.send_replace(SERVING);
    site.reaches(&one.counted).await;
    other.status.send_replace(NOT_SERVING);
    site.avoids(&other.counted).await;
}

#[tokio::test]
async fn health_watched_backend_is_left_and_taken_back_as_it_says() {
    // What counts is told: no check is due while the test runs.
    flip(true, "1h").await;
}

#[tokio::test]
async fn health_backend_without_watch_is_asked() {
    flip(false, "50ms").await;
}

#[tokio::test]
async fn health_backend_without_health_service_is_called() {
    let backend = Counted::start_beside(
        |asked: &Asked| asked.uri().path().starts_with("/grpc.health.v1.Health/"),
        |_, reply| async move { fail(reply, &[("grpc-status", "12")]).await },
        |_, _, reply| succeed(reply),
    )
    .await;
    let upstream = "health: { interval: 10ms }, balance: { kind: round_robin, panic_threshold: 0 }";
    let site = Site::before(&[backend.address], upstream, "").await;
    for _ in 0..50 {
        assert_eq!(site.call().await.status, 200);
    }
}
