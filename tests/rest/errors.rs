//! Errors: one shape, the right status, nothing that leaks.

use serde_json::json;

use crate::support::Rig;

#[tokio::test]
async fn every_code_has_its_http_status() {
    let rig = Rig::start().await;
    for (code, status) in [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ] {
        let response = rig.get(&format!("/v1/fail/{code}?message=as%20said")).await;
        assert_eq!(response.refusal(status, code), "as said");
    }
}

#[tokio::test]
async fn message_of_any_text_arrives_as_it_was() {
    let rig = Rig::start().await;
    let text = "100 % \"quoted\"\nnew line é 😀 \u{1}";
    let json = json!({ "code": 9, "message": text }).to_string();
    assert_eq!(rig.send("POST", "/v1/fail", &json).await.refusal(400, 9), text);
}

#[tokio::test]
async fn details_are_decoded() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/fail/5?details=true").await;
    response.refusal(404, 5);
    assert_eq!(
        response.json()["details"],
        json!([
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "AS_ASKED",
                "domain": "bookshelf.v1",
                "metadata": { "code": "5" },
            },
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": "code", "description": "asks for a failure" }],
            },
        ])
    );
}

#[tokio::test]
async fn detail_of_a_type_that_nobody_knows_is_base64() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/fail/5?unknown_detail=true").await;
    response.refusal(404, 5);
    let want = json!([{ "@type": "type.googleapis.com/bookshelf.v1.Unheard", "value": "CAE=" }]);
    assert_eq!(response.json()["details"], want);
}

#[tokio::test]
async fn retry_info_is_retry_after_too() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/fail/14?retry_seconds=7").await;
    response.refusal(503, 14);
    assert_eq!(response.header("retry-after"), "7");
}

#[tokio::test]
async fn problem_json_is_given_to_who_asks_for_it() {
    let rig = Rig::start().await;
    let headers = [("accept", "application/problem+json")];
    for path in ["/v1/fail/5?message=gone&details=true", "/nowhere"] {
        let response = rig.request("GET", path, &headers, b"").await;
        assert_eq!(response.status, 404);
        assert_eq!(response.header("content-type"), "application/problem+json");
        let json = response.json();
        assert_eq!((&json["status"], &json["title"]), (&json!(404), &json!("Not Found")));
        assert_eq!((&json["code"], &json["detail"]), (&json!(5), &json["message"]));
        assert!(json["details"].is_array() && json["type"].is_string(), "{json}");
    }
}

#[tokio::test]
async fn refusal_is_never_passed_on() {
    let rig = Rig::start().await;
    rig.get("/nowhere").await.refusal(404, 5);
    rig.request("PUT", "/v1/books", &[], b"").await.refusal(405, 12);
    rig.get("/v1/books?colour=red").await.refusal(400, 3);
    rig.send("POST", "/v1/fail", "{").await.refusal(400, 3);
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn error_over_http2_looks_the_same() {
    let rig = Rig::start().await;
    let mut connection = rig.http2().await;
    let response = connection.request("GET", "/v1/fail/7?message=no", &[], b"").await;
    assert_eq!(response.refusal(403, 7), "no");
    assert!(response.complete && response.trailers.is_empty());
}

#[tokio::test]
async fn success_has_no_header_of_grpc() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/books").await;
    response.ok();
    for name in response.headers.keys() {
        assert!(!name.as_str().starts_with("grpc-"), "{:?}", response.headers);
    }
}
