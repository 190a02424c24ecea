//! A service decides about calls: Envoy's protocol in Rust and in Python, and plain HTTP.

mod forward;
mod python;
pub(crate) mod service;

use serde_json::json;

use self::service::Service;
use crate::support::Rig;

const BOOK: &str = "/v1/shelves/fiction/books/letters";

#[tokio::test]
async fn external_service_hears_who_calls_what_and_the_backend_hears_the_service() {
    let service = Service::start().await;
    let policy = "ext_authz: { grpc: { upstream: authz }, timeout: 20s, \
                  headers_to_backend: [x-echo-user], headers_to_caller: [x-judged], \
                  message: { max_bytes: 1000 }, context: { realm: library } }";
    let rig = Rig::with_upstreams(&[service.upstream()], policy).await;
    let headers = [("x-please", "pass"), ("x-echo-user", "root"), ("x_echo_user", "root")];
    let path = format!("{BOOK}?name=other");
    let response = rig.request("GET", &path, &headers, b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "ada");
    assert_eq!(response.header("x-judged"), "yes");
    let asked = service.last().attributes.unwrap();
    let http = asked.request.unwrap().http.unwrap();
    assert_eq!((&*http.method, &*http.path, &*http.scheme), ("GET", &*path, "http"));
    assert_eq!((&*http.protocol, http.host.is_empty()), ("HTTP/1.1", false));
    assert_eq!(http.headers["x-please"], "pass");
    let name = b"shelves/fiction/books/letters";
    let has_name = http.raw_body.windows(name.len()).any(|part| part == name);
    assert!(has_name, "the message as it goes to the backend: {:?}", http.raw_body);
    assert_eq!(asked.context_extensions["realm"], "library");
    assert_eq!(asked.context_extensions["transom.method"], "bookshelf.v1.Bookshelf.GetBook");
    let port = |peer: Option<service::Peer>| service::port(peer.unwrap());
    assert_eq!(port(asked.destination), u32::from(rig.gateway.address.port()));
    assert_ne!(port(asked.source), 0);
}

#[tokio::test]
async fn external_service_that_is_gone_lets_nobody_in_or_all_without_its_headers() {
    for (on_failure, status) in [("closed", 503), ("open", 200)] {
        let (nobody, _port) = crate::support::backend::nobody();
        let upstream = format!("authz: {{ endpoints: [\"http://{nobody}\"] }}");
        let policy = format!(
            "ext_authz: {{ grpc: {{ upstream: authz }}, on_failure: {on_failure}, \
             headers_to_backend: [x-echo-user] }}"
        );
        let rig = Rig::with_upstreams(&[upstream], &policy).await;
        let response = rig.request("GET", BOOK, &[("x-echo-user", "root")], b"").await;
        assert_eq!(response.status, status, "{response:?}");
        assert!(!response.headers.contains_key("x-echo-user"), "nobody vouches for it");
        assert_eq!(rig.bookshelf.begun(), u64::from(status == 200));
        if status == 503 {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            assert!(!text.contains(&nobody.to_string()), "no address is told: {text}");
        }
    }
}

#[tokio::test]
async fn external_service_that_is_no_upstream_is_a_problem_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let set = crate::support::rig::write_descriptor_set(&folder);
    let config = folder.path().join("transom.yaml");
    let policy = "ext_authz: { grpc: { upstream: authority } }";
    let address = "127.0.0.1:1".parse().unwrap();
    let text = crate::support::rig::configuration(&set, address, policy);
    std::fs::write(&config, text).unwrap();
    let arguments = ["check", "--config", config.to_str().unwrap()];
    let output = crate::support::gateway::run_to_end(&arguments).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("there is no upstream called `authority`"), "{told}");
    assert!(told.contains("ext_authz.grpc.upstream"), "{told}");
}

#[tokio::test]
async fn external_denial_is_told_with_its_own_status_and_headers() {
    let service = Service::start().await;
    let policy = "ext_authz: { grpc: { upstream: authz }, timeout: 20s }";
    let rig = Rig::with_upstreams(&[service.upstream()], policy).await;
    for (please, status, code) in
        [("401", 401, 16), ("403", 403, 7), ("429", 429, 8), ("302", 302, 16), ("451", 451, 7)]
    {
        let response = rig.request("GET", BOOK, &[("x-please", please)], b"").await;
        assert_eq!(response.refusal(status, code), format!("denied with {please}"));
        assert_eq!(response.header("location"), "https://login.example/");
        assert!(!response.headers.contains_key("x-inner"));
    }
    let body = json!({ "name": "shelves/fiction" }).to_string();
    let connect = rig
        .request("POST", "/bookshelf.v1.Bookshelf/GetBook", &[("x-please", "451")], body.as_bytes())
        .await;
    assert_ne!(connect.status, 200);
    assert_eq!(rig.bookshelf.begun(), 0);
}
