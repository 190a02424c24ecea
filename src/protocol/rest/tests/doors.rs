//! What the door answers by itself.

use http::{Request, StatusCode};

use super::{Kitchen, piece, said};

#[tokio::test]
async fn path_without_a_route_is_404() {
    let kitchen = Kitchen::new();
    for path in ["/", "/nothing", "/dishes/", "/dishes/a/b", "/dishes//a", "/cook/a/"] {
        let response = kitchen.answered(Request::get(path), &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let text = said(response.into_body()).await.text;
        assert!(text.starts_with(r#"{"code":5,"message":"no route for GET /"#), "{text}");
    }
}

#[tokio::test]
async fn method_without_a_route_is_405_with_those_that_have_one() {
    let kitchen = Kitchen::new();
    let response = kitchen.answered(Request::delete("/dishes/a"), &[]).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    let response = kitchen.answered(Request::options("/cook"), &[]).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["allow"], "POST, PATCH, OPTIONS");
    assert!(said(response.into_body()).await.text.is_empty());
    let response = kitchen.answered(Request::options("/nothing"), &[]).await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn path_that_is_badly_encoded_is_400() {
    let kitchen = Kitchen::new();
    for path in ["/dishes/%", "/dishes/%zz", "/dishes/%ff", "/nothing/%ff"] {
        let response = kitchen.answered(Request::get(path), &[]).await;
        assert_eq!(response.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn body_of_another_type_is_415_and_told_what_is_taken() {
    let kitchen = Kitchen::new();
    for (request, kind, header) in [
        (Request::post("/cook"), "text/plain", "accept-post"),
        (Request::post("/cook"), "application/x-ndjson", "accept-post"),
        (Request::post("/order/x"), "application/xml", "accept-post"),
        (Request::patch("/cook"), "application/xml", "accept-patch"),
    ] {
        let request = request.header("content-type", kind);
        let response = kitchen.answered(request, &[piece("x")]).await;
        assert_eq!(response.status(), 415);
        let takes = response.headers()[header].to_str().unwrap();
        assert!(takes.starts_with("application/json, application/x-"), "{takes}");
    }
    let request = Request::post("/cook").header("content-encoding", "compress");
    let response = kitchen.answered(request, &[piece("x")]).await;
    assert_eq!(response.status(), 415);
    assert_eq!(response.headers()["accept-encoding"], "zstd,br,gzip,deflate");
}

#[tokio::test]
async fn refusal_of_head_has_a_length_and_no_body() {
    let kitchen = Kitchen::new();
    let get = kitchen.answered(Request::get("/nothing"), &[]).await;
    let length = said(get.into_body()).await.text.len() + "HEAD".len() - "GET".len();
    let head = kitchen.answered(Request::head("/nothing"), &[]).await;
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert_eq!(head.headers()["content-length"], length.to_string());
    assert!(said(head.into_body()).await.text.is_empty());
}

#[tokio::test]
async fn call_knows_its_route_and_its_deadline() {
    let kitchen = Kitchen::new();
    let request = Request::get("/dishes/soup").header("x-request-timeout", "5");
    let call = kitchen.call(request, &[]).await;
    assert_eq!(&*call.route, "/dishes/{name}");
    assert!(call.exchange.deadline.is_some());
    assert_eq!(call.exchange.metadata["x-forwarded-host"], "kitchen.example");
    let request = Request::get("/dishes/soup").header("grpc-timeout", "soon");
    assert_eq!(kitchen.answered(request, &[]).await.status(), 400);
}
