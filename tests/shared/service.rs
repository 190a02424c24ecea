//! A rate limit service as those for Envoy are: a gRPC server, asked by the gateway.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code as Status, Request, Response, transport::Server};
use transom::{
    callout::types::envoy::{
        config::core::v3::HeaderValue,
        service::ratelimit::v3::{
            RateLimitRequest, RateLimitResponse,
            rate_limit_response::{Code, DescriptorStatus, RateLimit},
            rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
        },
    },
    cli::demo::bookshelf::types::bookshelf::v1::GetBookRequest,
};

use super::BOOK;
use crate::support::Rig;

/// Allows each descriptor as much.
const ALLOWED: u32 = 3;

/// A service that counts by the text of descriptors.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<HashMap<String, u32>>>);

#[tonic::async_trait]
impl RateLimitService for Counter {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, tonic::Status> {
        let request = request.into_inner();
        let mut counts = self.0.lock().unwrap();
        let mut judge = |descriptor: &_| {
            let count = counts.entry(format!("{} {descriptor:?}", request.domain)).or_default();
            *count += request.hits_addend;
            let code = if *count > ALLOWED { Code::OverLimit } else { Code::Ok };
            DescriptorStatus {
                code: code.into(),
                current_limit: Some(RateLimit { requests_per_unit: ALLOWED, name: String::new() }),
                limit_remaining: ALLOWED.saturating_sub(*count),
                duration_until_reset: Some(prost_types::Duration { seconds: 40, nanos: 0 }),
            }
        };
        let statuses: Vec<_> = request.descriptors.iter().map(&mut judge).collect();
        let over = statuses.iter().any(|status| status.code() == Code::OverLimit);
        let header = |key: &str, value: &str| HeaderValue {
            key: key.into(),
            value: value.into(),
            raw_value: Vec::new(),
        };
        Ok(Response::new(RateLimitResponse {
            overall_code: if over { Code::OverLimit } else { Code::Ok }.into(),
            statuses,
            response_headers_to_add: vec![header("x-limits", "told")],
            request_headers_to_add: vec![header("x-echo-tier", "gold")],
        }))
    }
}

/// The service, and the runtime that ends with all its connections.
async fn start() -> (Counter, std::net::SocketAddr, Runtime) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.into_std().unwrap();
    let counter = Counter::default();
    let service = RateLimitServiceServer::new(counter.clone());
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    (counter, address, runtime)
}

#[tokio::test]
async fn rate_limit_service_decides_for_every_protocol_until_it_is_gone() {
    let (counter, address, serving) = start().await;
    let rig = Rig::with_upstreams(
        &[format!("limits: {{ endpoints: [\"http://{address}\"] }}")],
        "rate_limit: { limits: { per_tenant: { rate: 5/d, key: { header: x-tenant } } }, \
         store: { service: { upstream: limits, domain: books, answer_timeout: 20s } } }",
    )
    .await;
    let get = async || rig.request("GET", BOOK, &[("x-tenant", "acme")], b"").await;
    let response = get().await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!((response.header("x-limits"), response.header("x-echo-tier")), ("told", "gold"));
    assert_eq!(response.header("ratelimit"), "\"per_tenant\";r=2;t=40");
    let mut client = rig.grpc().await;
    let call = || {
        let mut request = Request::new(GetBookRequest { name: BOOK[4..].into() });
        request.metadata_mut().insert("x-tenant", "acme".parse().unwrap());
        request
    };
    for _ in 0..2 {
        client.get_book(call()).await.unwrap();
    }
    let refused = client.get_book(call()).await.unwrap_err();
    assert_eq!(refused.code(), Status::ResourceExhausted);
    let refused = get().await;
    refused.refusal(429, 8);
    assert_eq!((refused.header("retry-after"), refused.header("x-limits")), ("40", "told"));
    // Another tenant is another descriptor.
    let other = rig.request("GET", BOOK, &[("x-tenant", "other")], b"").await;
    assert_eq!(other.status, 200);
    let told = counter.0.lock().unwrap().keys().min().cloned().unwrap();
    for part in ["books ", "generic_key", "per_tenant", "header.x-tenant", "acme"] {
        assert!(told.contains(part), "{told}");
    }
    // Without it the gateway counts by the policy's own rate, what it let through included.
    serving.shutdown_background();
    let mut passed = 0;
    for _ in 0..6 {
        passed += u32::from(get().await.status == 200);
    }
    assert_eq!(passed, 2, "five, and three were let through before");
}
