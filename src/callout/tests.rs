//! The seam by which a stage asks an upstream: names, seats, and answers of every kind.

use bytes::Bytes;
use futures_util::future::{BoxFuture, pending};
use prost::Message as _;

use super::{
    types::{envoy::service::auth::v3::*, google::rpc::Status},
    *,
};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Answers with what a function makes of the message.
struct Answers<F>(F);

impl<F: Fn(Bytes) -> Result<Messages, Error> + Send + Sync> Upstream for Answers<F> {
    fn call(&self, mut exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            assert!(exchange.deadline.is_some());
            let message = exchange.messages.next().await.unwrap()?;
            Ok(Reply { metadata: Metadata::new(), messages: (self.0)(message)? })
        })
    }
}

struct Silent;

impl Upstream for Silent {
    fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(pending())
    }
}

fn callout(upstream: impl Upstream + 'static) -> Callout {
    Callout::new(method(CHECK).unwrap(), Arc::new(upstream))
}

async fn ask(callout: &Callout) -> Result<CheckResponse, Error> {
    let timeout = Duration::from_secs(1);
    let occasion = Occasion { metadata: Metadata::new(), timeout, deadline: None, worker: 0 };
    callout.ask(&CheckRequest::default(), occasion).await
}

#[tokio::test]
async fn callout_answer_is_read_and_what_is_none_is_an_error() {
    let status = Status { code: 7, ..Status::default() };
    let answer = CheckResponse { status: Some(status), ..CheckResponse::default() };
    let bytes = Bytes::from(answer.encode_to_vec());
    let good = callout(Answers(move |_| Ok(Messages::one(bytes.clone()))));
    assert_eq!(ask(&good).await.unwrap(), answer);
    for messages in [Messages::none as fn() -> _, || Messages::one(Bytes::from_static(b"\xff"))] {
        let bad = callout(Answers(move |_| Ok(messages())));
        assert_eq!(ask(&bad).await.unwrap_err().reason(), "callout_broken");
    }
    let failing = callout(Answers(|_| Err(Error::unavailable("gone", "it is gone"))));
    assert_eq!(ask(&failing).await.unwrap_err().reason(), "gone");
}

#[tokio::test(start_paused = true)]
async fn callout_to_someone_silent_ends_with_its_time_out() {
    let begun = Instant::now();
    let error = ask(&callout(Silent)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn upstreams_are_seated_later_and_unknown_ones_are_told_of() {
    let upstreams = Upstreams::new(["authz".to_owned(), "books".to_owned()]);
    let seat = Callout::new(method(CHECK).unwrap(), upstreams.named("authz").unwrap());
    assert_eq!(ask(&seat).await.unwrap_err().reason(), "upstream_unseated");
    upstreams.seat(|name| {
        assert_eq!(name, "authz");
        Some(Arc::new(Answers(|_| Ok(Messages::one(Bytes::new())))))
    });
    assert_eq!(ask(&seat).await.unwrap(), CheckResponse::default());
    let told = upstreams.named("author").err().unwrap();
    assert_eq!(told, "there is no upstream called `author`: there are `authz`, `books`");
    assert!(Upstreams::default().named("a").err().unwrap().contains("add it to `upstreams`"));
}
