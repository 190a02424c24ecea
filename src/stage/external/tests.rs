//! A gRPC service's verdicts, and what becomes of a call by them. HTTP stands in `tests/external`.

use std::sync::Mutex;

use futures_util::future::pending;
use http::{HeaderName, HeaderValue};
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::{
    callout::{
        Upstreams,
        types::{
            envoy::{
                config::core::v3::{HeaderValue as Told, HeaderValueOption},
                service::auth::v3::{
                    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
                    check_response::HttpResponse,
                },
                r#type::v3::HttpStatus,
            },
            google::rpc::Status,
        },
    },
    error::Code,
    exchange::{PrincipalKind, Upstream},
    lasting::Lasting,
    meter::{EXT_AUTHZ_CALLS, Meter},
    stage::{Chain, testing},
};

/// The service: says what a function makes of the question, or nothing at all.
struct Service(Box<dyn Fn(CheckRequest) -> Option<CheckResponse> + Send + Sync>);

impl Upstream for Service {
    fn call(&self, mut exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            let message = exchange.messages.next().await.unwrap()?;
            let question = CheckRequest::decode(message).unwrap();
            let Some(answer) = (self.0)(question) else { return pending().await };
            let messages = Messages::one(answer.encode_to_vec().into());
            Ok(Reply { metadata: Metadata::new(), messages })
        })
    }
}

/// What a backend hears of a call.
type Heard = (Metadata, Option<Arc<Principal>>);

/// The stage before a backend that notes what it hears.
struct Site {
    meter: Arc<Meter>,
    chain: Chain,
    heard: Arc<Mutex<Option<Heard>>>,
}

impl Site {
    fn new(
        mut settings: Value,
        service: impl Fn(CheckRequest) -> Option<CheckResponse> + Send + Sync + 'static,
    ) -> Self {
        settings["grpc"] = json!({ "upstream": "authz" });
        let upstreams = Upstreams::new(["authz".to_owned()]);
        let lasting = Lasting::new();
        let meter = Meter::of(&lasting, []);
        let stage = make(&settings, &upstreams, &lasting).unwrap().unwrap();
        let service: Arc<dyn Upstream> = Arc::new(Service(Box::new(service)));
        upstreams.seat(|_| Some(service.clone()));
        let heard: Arc<Mutex<_>> = Arc::default();
        let hears = heard.clone();
        let backend = testing::answers(move |exchange| {
            let principal = exchange.extensions.get::<Arc<Principal>>().cloned();
            *hears.lock().unwrap() = Some((exchange.metadata, principal));
            Ok(Reply { metadata: Metadata::new(), messages: Messages::one(Bytes::new()) })
        });
        Self { meter, chain: testing::chain(stage, backend), heard }
    }

    async fn call(&self, metadata: Metadata) -> Result<Reply, Error> {
        self.chain.call(testing::exchange(metadata, None)).await
    }

    /// What the backend heard by this name.
    fn heard(&self, name: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let (metadata, _) = heard.as_ref().expect("the backend was called");
        let values = metadata.get_all(name).into_iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// How many calls have come to this result.
    fn counted(&self, result: &str) -> u64 {
        let labels = ["test.Service", "Call", result];
        self.meter.counter(&EXT_AUTHZ_CALLS, &labels).value()
    }

    fn is_untouched(&self) -> bool {
        self.heard.lock().unwrap().is_none()
    }
}

fn make(settings: &Value, upstreams: &Upstreams, lasting: &Lasting) -> Built {
    let (method, folder) = (&testing::method(false), std::path::Path::new(""));
    let settings = Some(settings);
    build(&Blueprint {
        settings,
        method,
        place: "ext_authz",
        places: &str::to_owned,
        folder,
        lasting,
        upstreams,
    })
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    let header = Told { key: name.into(), value: value.into(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

fn passes(ok: OkHttpResponse) -> CheckResponse {
    let http_response = Some(HttpResponse::OkResponse(ok));
    CheckResponse { status: Some(Status::default()), http_response, dynamic_metadata: None }
}

fn denies(code: i32, status: i32, headers: Vec<HeaderValueOption>, body: &str) -> CheckResponse {
    let status = Some(HttpStatus { code: status });
    let denied = DeniedHttpResponse { status, headers, body: body.into() };
    CheckResponse {
        status: Some(Status { code, ..Status::default() }),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
        dynamic_metadata: None,
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> Metadata {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    lines.iter().map(line).collect()
}

#[tokio::test]
async fn external_headers_for_the_backend_are_the_service_s_alone() {
    let site = Site::new(json!({ "headers_to_backend": ["x-user", "x-auth-*"] }), |_| {
        let headers = vec![
            header("X-User", "ada"),
            header("x-other", "not listed"),
            header("grpc-timeout", "1n"),
        ];
        let headers_to_remove = vec!["x-debug".to_owned(), "content-type".to_owned()];
        Some(passes(OkHttpResponse { headers, headers_to_remove, ..OkHttpResponse::default() }))
    });
    let brought = headers(&[
        ("x-user", "root"),
        ("x_user", "root"),
        ("x-auth-role", "admin"),
        ("x_auth_role", "admin"),
        ("x-debug", "1"),
        ("x-mine", "kept"),
    ]);
    site.call(brought).await.unwrap();
    assert_eq!(site.heard("x-user"), ["ada"]);
    for gone in ["x_user", "x-auth-role", "x_auth_role", "x-debug", "x-other", "grpc-timeout"] {
        assert_eq!(site.heard(gone), [""; 0], "{gone}");
    }
    assert_eq!(site.heard("x-mine"), ["kept"]);
}

#[tokio::test]
async fn external_denial_has_the_service_s_status_headers_and_text() {
    let site = Site::new(json!({}), |_| {
        let headers = vec![header("Location", "https://login.example"), header("x-inner", "no")];
        Some(denies(16, 302, headers, "log in first"))
    });
    let error = site.call(Metadata::new()).await.err().unwrap();
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::Unauthenticated, 302));
    assert_eq!(error.message(), "log in first");
    assert_eq!(error.headers().len(), 1);
    assert_eq!(error.headers()["location"], "https://login.example");
    assert!(site.is_untouched());
}

#[tokio::test]
async fn external_denial_without_a_status_of_http_is_403_or_what_its_code_says() {
    for (code, status, want) in
        [(7, 0, 403), (16, 0, 401), (8, 0, 429), (13, 0, 403), (7, 200, 403), (7, 451, 451)]
    {
        let site = Site::new(json!({}), move |_| Some(denies(code, status, vec![], "")));
        let error = site.call(Metadata::new()).await.err().unwrap();
        assert_eq!(error.http_status().as_u16(), want, "{code} {status}");
        assert!(site.is_untouched());
    }
}

#[tokio::test(start_paused = true)]
async fn external_service_that_decides_nothing_lets_nobody_in_unless_told_to() {
    type Answer = fn(CheckRequest) -> Option<CheckResponse>;
    let broken: [Answer; 4] = [
        |_| None,
        |_| Some(CheckResponse::default()),
        |_| Some(denies(0, 403, vec![], "")),
        |_| {
            let headers = vec![header("x-user", "a\r\nb")];
            Some(passes(OkHttpResponse { headers, ..OkHttpResponse::default() }))
        },
    ];
    for answer in broken {
        let closed = Site::new(json!({ "headers_to_backend": ["x-user"] }), answer);
        let error = closed.call(Metadata::new()).await.err().unwrap();
        assert_eq!(error.reason(), "external_unavailable");
        assert_eq!((error.code(), error.http_status().as_u16()), (Code::Unavailable, 503));
        assert!(closed.is_untouched());

        let settings = json!({ "on_failure": "open", "headers_to_backend": ["x-user"] });
        let open = Site::new(settings, answer);
        open.call(headers(&[("x-user", "root")])).await.unwrap();
        assert_eq!(open.heard("x-user"), [""; 0], "nobody vouches for it");
    }
    let site = Site::new(json!({ "status_on_failure": 403 }), |_| None);
    let error = site.call(Metadata::new()).await.err().unwrap();
    assert_eq!((error.code(), error.http_status().as_u16()), (Code::PermissionDenied, 403));
}

#[tokio::test(start_paused = true)]
async fn external_calls_are_counted_by_what_came_of_them() {
    let counted = |site: &Site| {
        ["allowed", "denied", "refused", "let_through"].map(|result| site.counted(result))
    };
    // Each call is decided about as its `x-please` says.
    for (on_failure, want) in [("closed", [2, 1, 1, 0]), ("open", [2, 1, 0, 1])] {
        let site = Site::new(json!({ "on_failure": on_failure }), |question| {
            let http = question.attributes.unwrap().request.unwrap().http.unwrap();
            match &*http.headers["x-please"] {
                "pass" => Some(passes(OkHttpResponse::default())),
                "deny" => Some(denies(7, 403, vec![], "")),
                _ => None,
            }
        });
        assert_eq!(counted(&site), [0; 4]);
        for please in ["pass", "deny", "hang", "pass"] {
            // What becomes of the call is no matter here.
            let _ = site.call(headers(&[("x-please", please)])).await;
        }
        assert_eq!(counted(&site), want, "{on_failure}");
    }
}

#[tokio::test]
async fn external_service_hears_what_it_may_of_headers_and_message() {
    let heard: Arc<Mutex<Vec<CheckRequest>>> = Arc::default();
    let hears = heard.clone();
    let settings = json!({
        "send_headers": ["authorization", "x-a*"],
        "message": { "max_bytes": 4, "allow_partial": true },
        "context": { "realm": "library" },
    });
    let site = Site::new(settings, move |question| {
        hears.lock().unwrap().push(question);
        Some(passes(OkHttpResponse::default()))
    });
    let brought = headers(&[("authorization", "Bearer t"), ("x-ab", "1"), ("x-b", "2")]);
    let mut exchange = testing::exchange(brought, None);
    exchange.messages = Messages::one(Bytes::from_static(b"123456"));
    site.chain.call(exchange).await.unwrap();
    let question = heard.lock().unwrap().pop().unwrap().attributes.unwrap();
    let http = question.request.unwrap().http.unwrap();
    let names: Vec<_> = http.headers.keys().map(String::as_str).collect();
    assert_eq!(names, [":authority", ":method", ":path", ":scheme", "authorization", "x-ab"]);
    assert_eq!((http.raw_body.as_slice(), http.size), (&b"1234"[..], 6));
    assert_eq!(question.context_extensions["realm"], "library");
    assert_eq!(question.context_extensions["transom.method"], "test.Service.Call");
}

#[tokio::test]
async fn external_message_that_is_too_large_is_refused_unless_a_part_will_do() {
    let site = Site::new(json!({ "message": { "max_bytes": 4 } }), |_| panic!("it isn't asked"));
    let mut exchange = testing::exchange(Metadata::new(), None);
    exchange.messages = Messages::one(Bytes::from_static(b"12345"));
    let error = site.chain.call(exchange).await.err().unwrap();
    assert_eq!(error.http_status().as_u16(), 413);
    assert!(site.is_untouched());
}

#[tokio::test]
async fn external_metadata_is_a_claim_of_the_caller_that_is_known() {
    let site = Site::new(json!({}), |question| {
        assert_eq!(question.attributes.unwrap().source.unwrap().principal, "ada");
        let plan = prost_types::value::Kind::StringValue("gold".into());
        let plan = ("plan".to_owned(), prost_types::Value { kind: Some(plan) });
        let told = prost_types::Struct { fields: [plan].into() };
        Some(CheckResponse { dynamic_metadata: Some(told), ..passes(OkHttpResponse::default()) })
    });
    let mut exchange = testing::exchange(Metadata::new(), None);
    exchange.extensions.insert(Arc::new(Principal {
        id: "ada".into(),
        issuer: "i".into(),
        kind: PrincipalKind::ApiKey,
        scopes: Vec::new(),
        claims: serde_json::Map::new(),
    }));
    site.chain.call(exchange).await.unwrap();
    let heard = site.heard.lock().unwrap().take().unwrap();
    assert_eq!(heard.1.unwrap().claim("ext_authz.plan"), Some(&json!("gold")));
}

#[tokio::test]
async fn external_headers_for_the_caller_come_with_the_answer() {
    let site = Site::new(json!({ "headers_to_caller": ["x-seen"] }), |_| {
        let told = vec![header("x-seen", "yes"), header("x-inner", "no")];
        Some(passes(OkHttpResponse { response_headers_to_add: told, ..OkHttpResponse::default() }))
    });
    let reply = site.call(Metadata::new()).await.unwrap();
    assert_eq!(reply.metadata, headers(&[("x-seen", "yes")]));
}

#[test]
fn external_settings_that_can_t_be_are_told_of() {
    let upstreams = Upstreams::new(["authz".to_owned()]);
    let grpc = json!({ "upstream": "authz" });
    let http = json!({ "url": "https://auth.example/check" });
    for (settings, path, told) in [
        (json!({}), "", "nothing says who decides"),
        (json!({ "grpc": grpc, "http": http }), "http", "keep `grpc` or `http`"),
        (json!({ "grpc": { "upstream": "b" } }), "grpc.upstream", "there are `authz`"),
        (json!({ "http": { "url": "http://a/b" } }), "http.url", "without TLS"),
        (json!({ "grpc": grpc, "status_on_failure": 200 }), "status_on_failure", "400 to 599"),
        (json!({ "grpc": grpc, "headers_to_backend": ["*"] }), "headers_to_backend[0]", "name"),
        (json!({ "grpc": grpc, "send_headers": ["a b"] }), "send_headers[0]", "no header name"),
        (json!({ "grpc": grpc, "timeout": "0s" }), "timeout", "no time"),
    ] {
        let (at, message) = make(&settings, &upstreams, &Lasting::new()).err().unwrap();
        assert_eq!(at, path, "{message}");
        assert!(message.contains(told), "{message}");
    }
}
