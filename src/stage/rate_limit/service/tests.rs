//! A rate limit service that answers in every way that one may.

use std::sync::Mutex;

use futures_util::future::{BoxFuture, pending};
use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    callout::types::envoy::service::ratelimit::v3::rate_limit_response::RateLimit,
    error::{Code as Status, Error},
    exchange::{Exchange, Messages, Reply},
    stage::{
        Chain,
        rate_limit::tests::{Bench, call, count, empty, refused},
        testing::{answers, chain},
    },
};

type Respond = Box<dyn Fn() -> Option<Result<RateLimitResponse, Error>> + Send + Sync>;

/// A service that notes what it is asked, and answers or stays silent.
struct Fake {
    asked: Arc<Mutex<Vec<RateLimitRequest>>>,
    respond: Respond,
}

impl Upstream for Fake {
    fn call(&self, mut exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            assert_eq!(exchange.method.path.as_str(), METHOD);
            let question = exchange.messages.next().await.unwrap()?;
            self.asked.lock().unwrap().push(RateLimitRequest::decode(question).unwrap());
            match (self.respond)() {
                Some(response) => {
                    let messages = Messages::one(response?.encode_to_vec().into());
                    Ok(Reply { metadata: Metadata::new(), messages })
                }
                None => pending().await,
            }
        })
    }
}

/// A stage that asks a service, before a backend that says what headers it got.
fn bench(
    more: &Value,
    respond: impl Fn() -> Option<Result<RateLimitResponse, Error>> + Send + Sync + 'static,
) -> (Bench, Chain, Arc<Mutex<Vec<RateLimitRequest>>>) {
    let mut settings = json!({
        "limits": {
            "calls": { "rate": "2/d", "key": [{ "header": "x-who" }, { "header": "x-none" }] },
            "all": { "quota": "2/month" },
        },
        "cost": 1,
        "store": { "service": { "upstream": "limits", "domain": "books" } },
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let bench = Bench::default();
    let stage = bench.stage(&settings, false);
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let fake: Arc<dyn Upstream> =
        Arc::new(Fake { asked: asked.clone(), respond: Box::new(respond) });
    bench.upstreams.seat(|_| Some(fake.clone()));
    let backend = answers(|exchange| Ok(Reply { metadata: exchange.metadata, ..empty() }));
    (bench, chain(Box::new(stage), backend), asked)
}

fn status(code: Code, remaining: u32) -> DescriptorStatus {
    let limit = RateLimit { requests_per_unit: 10, name: "ten".into() };
    DescriptorStatus {
        code: code.into(),
        current_limit: Some(limit),
        limit_remaining: remaining,
        duration_until_reset: Some(prost_types::Duration { seconds: 7, nanos: 0 }),
    }
}

fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.into(), value: value.into(), raw_value: Vec::new() }
}

fn response(code: Code, statuses: Vec<DescriptorStatus>) -> RateLimitResponse {
    let overall_code = code.into();
    RateLimitResponse { overall_code, statuses, ..RateLimitResponse::default() }
}

#[tokio::test]
async fn service_is_asked_by_descriptors_and_its_headers_go_along() {
    let respond = || {
        Some(Ok(RateLimitResponse {
            response_headers_to_add: vec![pair("X-Told", "yes"), pair("grpc-status", "0")],
            request_headers_to_add: vec![
                pair("x-tier", "gold"),
                pair("host", "evil"),
                pair("", ""),
            ],
            ..response(Code::Ok, vec![status(Code::Ok, 3), DescriptorStatus::default()])
        }))
    };
    let (_bench, chain, asked) = bench(&json!({ "cost": 2 }), respond);
    let exchange = call(&[("x-who", "ada"), ("x-tier", "made up")]);
    let reply = chain.call(exchange).await.ok().unwrap();
    let header = |name: &str| {
        let values = reply.metadata.get_all(name).into_iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(" ")
    };
    assert_eq!((header("x-tier").as_str(), header("x-told").as_str()), ("gold", "yes"));
    assert_eq!((header("grpc-status").as_str(), header("host").as_str()), ("", ""));
    // Of the limit that the service has; of the other one it said nothing.
    assert_eq!(header("ratelimit"), "\"all\";r=3;t=7");
    let asked = asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.domain.as_str(), asked.hits_addend), ("books", 2));
    let entries = |place: usize| {
        let entries = asked.descriptors[place].entries.iter();
        entries.map(|entry| format!("{}={}", entry.key, entry.value)).collect::<Vec<_>>()
    };
    // In the order of their names.
    assert_eq!(entries(0), ["generic_key=all"]);
    assert_eq!(entries(1), ["generic_key=calls", "header.x-who=ada", "header.x-none=-"]);
}

#[tokio::test]
async fn service_that_refuses_is_obeyed_whatever_it_says_of_each_limit() {
    for (statuses, seconds) in [
        (vec![status(Code::Ok, 5), status(Code::OverLimit, 0)], 7),
        (vec![status(Code::OverLimit, 0)], 7),
        (vec![status(Code::Ok, 5), status(Code::Ok, 5)], 7),
        (Vec::new(), 1),
    ] {
        let told = statuses.clone();
        let (_bench, chain, _) = bench(&json!({}), move || {
            Some(Ok(RateLimitResponse {
                response_headers_to_add: vec![pair("x-told", "no")],
                ..response(Code::OverLimit, told.clone())
            }))
        });
        let error = refused(&chain, call(&[])).await;
        assert_eq!(error.code(), Status::ResourceExhausted);
        let header = |name: &str| error.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("retry-after"), seconds.to_string(), "{statuses:?}");
        assert_eq!(header("x-told"), "no");
    }
}

#[tokio::test(start_paused = true)]
async fn service_without_an_answer_leaves_it_to_the_policy() {
    let silent: fn() -> Option<Result<RateLimitResponse, Error>> = || None;
    let failing: fn() -> _ = || Some(Err(Error::unavailable("gone", "it is gone")));
    let vague: fn() -> _ = || Some(Ok(response(Code::Unknown, Vec::new())));
    for respond in [silent, failing, vague] {
        let (_bench, chain, _) = bench(&json!({}), respond);
        assert_eq!(count(&chain, 5, || call(&[])).await, 2, "counted here");
        let (_bench, chain, _) = bench(&json!({ "on_failure": "open" }), respond);
        assert_eq!(count(&chain, 5, || call(&[])).await, 5);
        let (_bench, chain, _) = bench(&json!({ "on_failure": "closed" }), respond);
        assert_eq!(refused(&chain, call(&[])).await.reason(), "rate_limit_unavailable");
    }
}

#[test]
fn service_settings_say_whom_to_ask_for_what() {
    let limits = json!({ "a": { "rate": "1/s" } });
    for (store, path) in [
        (json!({ "service": { "upstream": "nobody" } }), "store.service.upstream"),
        (json!({ "service": { "upstream": "limits", "domain": "" } }), "store.service.domain"),
        (
            json!({ "service": { "upstream": "limits", "answer_timeout": "0s" } }),
            "store.service.answer_timeout",
        ),
        (json!({ "redis": { "url": "host" } }), "store.redis.url"),
    ] {
        let settings = json!({ "limits": limits, "store": store });
        let (found, message) = Bench::default().try_stage(&settings, false).err().unwrap();
        assert_eq!(found, path, "{message}");
    }
}
