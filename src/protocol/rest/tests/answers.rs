//! Replies to answers that are whole.

use http::{HeaderValue, Request};

use super::{Kitchen, one, reply, said};
use crate::{
    error::{Code, Error},
    exchange::{Messages, Metadata, Reply},
    protocol::{Refusal, rest::Settings},
};

const GET: &str = "/dishes/soup";

fn metadata(pairs: &[(&'static str, &'static str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in pairs {
        metadata.append(*name, HeaderValue::from_static(value));
    }
    metadata
}

#[tokio::test]
async fn message_is_written_as_json_with_the_backends_headers() {
    let kitchen = Kitchen::new();
    let mut backend = one(kitchen.dish(r#"{"name":"soup"}"#));
    backend.metadata = metadata(&[("x-cost", "1"), ("set-cookie", "a"), ("set-cookie", "b")]);
    let response = kitchen.answer(Request::get(GET), Ok(backend)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["x-cost"], "1");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(response.extensions().get::<Refusal>(), None);
    assert_eq!(said(response.into_body()).await.text, r#"{"name":"soup"}"#);
}

#[tokio::test]
async fn head_has_the_length_of_the_answer_and_no_body() {
    let kitchen = Kitchen::new();
    let backend = one(kitchen.dish(r#"{"name":"soup"}"#));
    let response = kitchen.answer(Request::head(GET), Ok(backend)).await;
    assert_eq!(response.headers()["content-length"], "15");
    assert!(said(response.into_body()).await.text.is_empty());
    let response =
        kitchen.answer(Request::head("/serve"), Ok(reply(vec![], Metadata::new()))).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("content-length"));
    assert!(said(response.into_body()).await.text.is_empty());
}

#[tokio::test]
async fn only_declared_trailers_become_headers() {
    let settings = Settings { response_trailers: vec!["x-cost".into()], ..Settings::default() };
    let kitchen = Kitchen::with_rest(settings);
    let trailers = metadata(&[("x-cost", "1"), ("x-secret", "2")]);
    let messages = Messages::one_with_trailers(kitchen.dish("{}"), trailers);
    let backend = Reply { metadata: Metadata::new(), messages };
    let response = kitchen.answer(Request::get(GET), Ok(backend)).await;
    assert_eq!(response.headers()["x-cost"], "1");
    assert!(!response.headers().contains_key("x-secret"));
}

#[tokio::test]
async fn status_of_a_success_is_the_backends_to_say_where_the_policy_allows() {
    let answer = async |allowed: bool, code: &'static str| {
        let settings = Settings { status_from_metadata: allowed, ..Settings::default() };
        let kitchen = Kitchen::with_rest(settings);
        let mut backend = one(kitchen.dish("{}"));
        backend.metadata = metadata(&[("x-http-code", code)]);
        kitchen.answer(Request::get(GET), Ok(backend)).await
    };
    assert_eq!(answer(false, "201").await.status(), 200);
    assert_eq!(answer(true, "201").await.status(), 201);
    for no_success in ["404", "302", "199", "2000", "x"] {
        assert_eq!(answer(true, no_success).await.status(), 200, "{no_success}");
    }
    let nothing = answer(true, "204").await;
    assert_eq!(nothing.status(), 204);
    assert!(!nothing.headers().contains_key("content-type"));
    assert!(said(nothing.into_body()).await.text.is_empty());
}

#[tokio::test]
async fn single_message_counts_only_with_a_good_end() {
    let kitchen = Kitchen::new();
    let late = || Err(Error::new(Code::Aborted, "late", "too late"));
    let dish = || Ok(kitchen.dish("{}"));
    for (messages, status) in [
        (vec![dish()], 200),
        (vec![], 500),
        (vec![late()], 409),
        (vec![dish(), late()], 409),
        (vec![dish(), dish()], 500),
    ] {
        let backend = reply(messages, Metadata::new());
        let response = kitchen.answer(Request::get(GET), Ok(backend)).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.extensions().get::<Refusal>().is_none(), status == 200);
    }
}

#[tokio::test]
async fn error_is_status_json_or_a_problem_and_leaves_its_word_for_the_log() {
    let kitchen = Kitchen::new();
    let error = || Error::new(Code::NotFound, "no_dish", "no such dish");
    let response = kitchen.answer(Request::get(GET), Err(error())).await;
    assert_eq!(response.status(), 404);
    let refusal = Refusal { code: Code::NotFound, reason: "no_dish" };
    assert_eq!(response.extensions().get(), Some(&refusal));
    let text = said(response.into_body()).await.text;
    assert_eq!(text, r#"{"code":5,"message":"no such dish","details":[]}"#);
    let request = Request::get(GET).header("accept", "application/problem+json");
    let response = kitchen.answer(request, Err(error())).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn message_that_does_not_fit_its_schema_is_an_error_of_the_backends() {
    let kitchen = Kitchen::new();
    let response = kitchen.answer(Request::get(GET), Ok(one("\u{1}broken".into()))).await;
    assert_eq!(response.status(), 500);
    let reason = response.extensions().get::<Refusal>().map(|refusal| refusal.reason);
    assert_eq!(reason, Some("bad_response_message"));
}

#[tokio::test]
async fn field_of_the_message_is_the_answer_even_if_it_is_absent() {
    let kitchen = Kitchen::new();
    for (dish, body) in [(r#"{"name":"x","tags":["a"]}"#, r#"["a"]"#), ("{}", "[]")] {
        let backend = one(kitchen.dish(dish));
        let response = kitchen.answer(Request::put("/tags"), Ok(backend)).await;
        assert_eq!(said(response.into_body()).await.text, body);
    }
}

#[tokio::test]
async fn raw_answer_has_its_own_type() {
    let kitchen = Kitchen::new();
    let answer = async |json: &str| {
        let backend = one(kitchen.wire("google.api.HttpBody", json));
        kitchen.answer(Request::put("/photo/x"), Ok(backend)).await
    };
    let response = answer(r#"{"contentType":"text/plain","data":"YWJj"}"#).await;
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(said(response.into_body()).await.text, "abc");
    let response = answer("{}").await;
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer(r#"{"contentType":"a\nb"}"#).await.status(), 500);
}
