//! Each page of the operator's port, and who may ask for it.

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use transom::admin::PAGES;

use crate::support::{Gateway, gateway::run_to_end, grpc, http1, operated::Operated, within};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

#[tokio::test]
async fn admin_lists_its_pages_and_answers_each_by_its_method_alone() {
    let operated = Operated::start("").await;
    let list = operated.ask("GET", "/").await.text().to_owned();
    for page in PAGES {
        assert!(list.contains(&format!("{:4} {:9} {}\n", page.method, page.path, page.summary)));
        let other = if page.method == "GET" { "POST" } else { "GET" };
        let answer = operated.ask(other, page.path).await;
        assert_eq!(answer.status, 405, "{other} {}", page.path);
        assert!(answer.header("allow").starts_with(page.method));
        if page.path != "/drain" {
            let answer = operated.ask(page.method, page.path).await;
            assert_eq!(answer.status, 200, "{}: {}", page.path, answer.text());
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    assert_eq!(operated.ask("GET", "/else").await.status, 404);
    assert_eq!(operated.ask("DELETE", "/config").await.status, 405);
}

#[tokio::test]
async fn admin_is_not_for_web_pages() {
    let operated = Operated::start("").await;
    for header in [
        ("origin", "http://127.0.0.1:9901"),
        ("sec-fetch-site", "cross-site"),
        ("host", "rebound.example.com"),
    ] {
        for (method, path) in [("POST", "/drain"), ("POST", "/reload"), ("GET", "/config")] {
            let mut connection = http1::Connection::over(
                tokio::net::TcpStream::connect(operated.admin).await.unwrap(),
                if header.0 == "host" { header.1 } else { "localhost" },
            );
            let headers = if header.0 == "host" { vec![] } else { vec![header] };
            connection.send_request(method, path, &headers, b"").await;
            assert_eq!(connection.response_to(method).await.status, 403, "{header:?} {path}");
        }
    }
    assert_eq!(operated.ready().await["ready"], true);
}

#[tokio::test]
async fn admin_shows_the_configuration_without_secrets() {
    let policy = "services: { '*': { headers: { request: { set: { authorization: 'Bearer hunter2', \
                  x-key: '${file:key}' } } } } }\n";
    let operated = Operated::start_with(|folder, configuration| {
        std::fs::write(folder.path().join("key"), "hunter3\n").unwrap();
        configuration + policy
    })
    .await;
    let answer = operated.ask("GET", "/config").await;
    let set = &answer.json()["services"]["*"]["headers"]["request"]["set"];
    assert_eq!(set["authorization"], "***");
    assert_eq!(set["x-key"], "${file:key}");
    assert!(!answer.text().contains("hunter"), "{}", answer.text());
    // The file of a secret is part of the configuration.
    operated.write("key", "hunter4\n");
    assert_eq!(operated.reload().await["result"], "taken");
}

#[tokio::test]
async fn admin_shows_routes_and_clusters() {
    let operated = Operated::start("").await;
    let routes = operated.ask("GET", "/routes").await.text().to_owned();
    let set = operated.path("api.binpb");
    let shown = run_to_end(&["routes", "--descriptor-set", set.to_str().unwrap()]).await;
    assert_eq!(routes, String::from_utf8(shown.stdout).unwrap());
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.ok();
    let clusters = operated.ask("GET", "/clusters").await.json();
    let endpoint = &clusters["clusters"][0]["endpoints"][0];
    assert_eq!(clusters["clusters"][0]["name"], "bookshelf");
    assert_eq!(endpoint["address"], operated.upstream.to_string());
    assert_eq!((&endpoint["requests"], &endpoint["in_use"]), (&1.into(), &true.into()));
}

#[tokio::test]
async fn admin_drain_is_told_at_once_and_lets_calls_finish() {
    let mut operated = Operated::start("").await;
    let mut stream = http1::Connection::open(operated.gateway.address).await;
    let path = "/v1/shelves/fiction/books:watch?interval=0.3s";
    stream.send_request("GET", path, &[("accept", "application/x-ndjson")], b"").await;
    assert_eq!(stream.response_head().await.status, 200);
    let mut health = HealthClient::new(grpc::channel(operated.gateway.address).await);
    let ask = HealthCheckRequest::default();
    let mut watch = within("a watch", health.watch(ask)).await.unwrap().into_inner();
    let mut status = async || within("a status", watch.message()).await.unwrap();
    assert_eq!(status().await.unwrap().status(), ServingStatus::Serving);

    // On one connection, so that it is open when the port's own socket is gone.
    let mut admin = http1::Connection::open(operated.admin).await;
    admin.send_request("POST", "/drain", &[], b"").await;
    assert_eq!(admin.response_to("POST").await.status, 202);
    admin.send_request("GET", "/ready", &[], b"").await;
    let ready = admin.response_to("GET").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["draining"]), (503, &true.into()));
    assert_eq!(status().await.unwrap().status(), ServingStatus::NotServing);
    assert!(status().await.is_none(), "the watch ends with the drain");
    while !stream.chunk().await.expect("the whole stream").is_empty() {}
    assert_eq!(operated.gateway.wait().await.code(), Some(0));
}

#[tokio::test]
async fn admin_is_off_unless_configured_and_warns_where_others_reach_it() {
    let operated = Operated::start("").await;
    assert!(!operated.gateway.log().contains("can be reached by others"));
    let text = operated.configuration();
    operated.write(
        "open.yaml",
        text.replace("admin: { address: 127.0.0.1", "admin: { address: 0.0.0.0"),
    );
    let check =
        run_to_end(&["check", "--config", operated.path("open.yaml").to_str().unwrap()]).await;
    let told = String::from_utf8(check.stderr).unwrap() + &String::from_utf8(check.stdout).unwrap();
    assert!(told.contains("admin.address") && told.contains("can be reached by others"), "{told}");
    let none = text.replace("admin: { address: 127.0.0.1:0 }\n", "");
    operated.write("none.yaml", none);
    let gateway = Gateway::serve(&["--config", operated.path("none.yaml").to_str().unwrap()]).await;
    assert_eq!(gateway.admin(), None);
}
