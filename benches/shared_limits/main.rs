//! What a limit adds to a call: counted in this process, and in a Redis that is started for it.
//!
//!     cargo bench --bench shared_limits
//!
//! The stage is called as the gateway calls it, before a backend that answers at once, on one thread:
//! one call after the other, and many at a time. Needs `redis-server`.

#[path = "../../tests/support/redis/server.rs"]
mod server;

use std::{path::Path, sync::Arc, time::Instant};

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use transom::{
    callout::Upstreams,
    cli::demo::bookshelf,
    coding::Codings,
    error::Error,
    exchange::{Exchange, Limits, Messages, Metadata, Reply, Upstream},
    lasting::Lasting,
    schema::{Method, Schema},
    stage::{Blueprint, Chain, STAGES, Stage},
};

use self::server::Server;

/// Calls of each measurement.
const CALLS: usize = 40_000;

/// Answers with nothing.
struct Silent;

impl Upstream for Silent {
    fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async { Ok(Reply { metadata: Metadata::new(), messages: Messages::none() }) })
    }
}

fn method() -> Arc<Method> {
    let schema = Schema::builder().add_descriptor_set("bookshelf", bookshelf::DESCRIPTOR_SET);
    let schema = schema.build().0.expect("the bookshelf's schema");
    schema.method_by_path("/bookshelf.v1.Bookshelf/GetBook").expect("GetBook").clone()
}

/// The stage of these limits, by this store.
fn stage(store: Value, method: &Method, lasting: &Lasting) -> Box<dyn Stage> {
    let settings = json!({
        "limits": {
            "per_tenant": { "rate": "1000000/s", "key": { "header": "x-tenant" } },
            "daily": { "quota": "1000000000/day" },
        },
        "store": store,
    });
    let entry = STAGES.iter().find(|entry| entry.name == "rate_limit").expect("the stage");
    let blueprint = Blueprint {
        settings: Some(&settings),
        method,
        place: "rate_limit",
        places: &|inside| format!("rate_limit.{inside}"),
        folder: Path::new(""),
        lasting,
        upstreams: &Upstreams::default(),
    };
    (entry.build)(&blueprint).unwrap_or_else(|(_, problem)| panic!("{problem}")).expect("a stage")
}

fn call(method: &Arc<Method>) -> Exchange {
    let tenant =
        (http::HeaderName::from_static("x-tenant"), http::HeaderValue::from_static("acme"));
    Exchange {
        method: method.clone(),
        metadata: [tenant].into_iter().collect(),
        messages: Messages::none(),
        deadline: None,
        limits: Limits::default(),
        codings: Codings::NONE,
        worker: 0,
        extensions: http::Extensions::new(),
        journal: None,
    }
}

/// Calls with so many at a time; tells how long they take.
async fn measure(name: &str, chain: &Chain, method: &Arc<Method>, at_once: usize) {
    let begun = Instant::now();
    let caller = async || {
        let mut times = Vec::with_capacity(CALLS / at_once);
        for _ in 0..CALLS / at_once {
            let begun = Instant::now();
            assert!(chain.call(call(method)).await.is_ok(), "nothing is refused here");
            times.push(begun.elapsed());
        }
        times
    };
    let mut times = join_all((0..at_once).map(|_| caller())).await.concat();
    let all = begun.elapsed();
    times.sort_unstable();
    let place = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    let rate = times.len() as f64 / all.as_secs_f64();
    println!(
        "{name:8} {at_once:4} at once   p50 {:8.1} µs   p99 {:8.1} µs   {rate:9.0} calls/s",
        place(0.5),
        place(0.99)
    );
}

fn main() {
    let (method, lasting) = (method(), Lasting::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let server = Server::start(&[]).await;
        let url = format!("unix:{}", server.socket().display());
        let stores = [
            ("none", None),
            ("local", Some(json!("local"))),
            ("redis", Some(json!({ "redis": { "url": url, "answer_timeout": "10s" } }))),
        ];
        for (name, store) in stores {
            let stages = store.map(|store| stage(store, &method, &lasting)).into_iter().collect();
            let chain = Chain::new(stages, Arc::new(Silent));
            for at_once in [1, 16, 256] {
                measure(name, &chain, &method, at_once).await;
            }
        }
    });
}
