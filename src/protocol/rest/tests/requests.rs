//! Requests to messages.

use http::Request;

use super::{Broken, Kitchen, piece};
use crate::{
    error::Code,
    protocol::rule::{OnCollision, Settings, UnknownParameters},
};

fn post(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/json")
}

fn form(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/x-www-form-urlencoded")
}

#[tokio::test]
async fn path_query_and_body_make_one_message() {
    let kitchen = Kitchen::new();
    assert_eq!(
        kitchen.message(post("/cook/soup"), r#"{"weight":2,"name":"x"}"#).await,
        r#"{"name":"soup","weight":2}"#,
        "the path wins"
    );
    let request = Request::get("/dishes/soup?weight=3&tags=a&tags=b+c&name=x");
    let message = kitchen.message(request, "").await;
    assert_eq!(message, r#"{"name":"soup","weight":3,"tags":["a","b c"]}"#);
    assert_eq!(
        kitchen.message(Request::put("/side/soup?weight=3"), r#"{"name":"bread"}"#).await,
        r#"{"name":"soup","weight":3,"side":{"name":"bread"}}"#
    );
    assert_eq!(
        kitchen.message(Request::put("/side/bread/of"), r#"{"name":"x","weight":1}"#).await,
        r#"{"side":{"name":"bread","weight":1}}"#
    );
    assert_eq!(kitchen.message(Request::put("/tags"), r#"["a"]"#).await, r#"{"tags":["a"]}"#);
}

#[tokio::test]
async fn empty_value_in_the_path_wins_too() {
    let kitchen = Kitchen::new();
    for (path, body, message) in [
        ("/weight/0", r#"{"weight":5}"#, "{}"),
        ("/rating/0", r#"{"rating":"5"}"#, r#"{"rating":"0"}"#),
        ("/time/0s", r#"{"time":"5s"}"#, r#"{"time":"0s"}"#),
        ("/time/1s", r#"{"time":"5.5s"}"#, r#"{"time":"1s"}"#),
        (
            "/at/1970-01-01T00:00:00Z",
            r#"{"at":"2020-01-01T00:00:00.5Z"}"#,
            r#"{"at":"1970-01-01T00:00:00Z"}"#,
        ),
    ] {
        assert_eq!(kitchen.message(post(path), body).await, message, "{path}");
    }
}

#[tokio::test]
async fn list_in_the_path_takes_the_place_of_the_body_s() {
    let kitchen = Kitchen::new();
    for (request, body, message) in [
        (post("/mask/a,b"), r#"{"mask":"c","name":"x"}"#, r#"{"name":"x","mask":"a,b"}"#),
        (post("/mask/a,b"), r#"{"name":"x"}"#, r#"{"name":"x","mask":"a,b"}"#),
        (post("/mask/a,b"), "", r#"{"mask":"a,b"}"#),
        (form("/mask/a,b"), "mask=c&name=x", r#"{"name":"x","mask":"a,b"}"#),
        (
            post("/side/mask/a"),
            r#"{"name":"x","mask":"c","weight":1}"#,
            r#"{"side":{"name":"x","weight":1,"mask":"a"}}"#,
        ),
    ] {
        assert_eq!(kitchen.message(request, body).await, message, "{body}");
    }
}

#[tokio::test]
async fn body_in_pieces_is_one_body() {
    let kitchen = Kitchen::new();
    let body = r#"{"name":"soup","side":{"tags":["é"]}}"#.as_bytes();
    for cut in 0..=body.len() {
        let (first, rest) = body.split_at(cut);
        let pieces = [Ok(first.to_vec().into()), Ok(rest.to_vec().into())];
        let (messages, error) = kitchen.messages(post("/cook"), &pieces).await;
        assert!(error.is_none(), "{cut}: {error:?}");
        assert_eq!(messages, [str::from_utf8(body).unwrap()], "{cut}");
    }
}

#[tokio::test]
async fn body_without_anything_in_it_is_the_empty_message() {
    let kitchen = Kitchen::new();
    assert_eq!(kitchen.message(Request::post("/cook"), "").await, "{}");
    assert_eq!(kitchen.message(post("/cook"), " \n").await, "{}");
    assert_eq!(kitchen.message(form("/cook/soup"), "").await, r#"{"name":"soup"}"#);
    assert_eq!(kitchen.message(Request::put("/side/soup"), "").await, r#"{"name":"soup"}"#);
    let (messages, error) = kitchen.messages(post("/cook"), &[piece(""), piece("")]).await;
    assert!(error.is_none());
    assert_eq!(messages, ["{}"]);
}

#[tokio::test]
async fn body_where_none_belongs_is_refused_unless_it_says_nothing() {
    let kitchen = Kitchen::new();
    for nothing in ["", "{}", " { }\n"] {
        let message = kitchen.message(Request::get("/dishes/soup"), nothing).await;
        assert_eq!(message, r#"{"name":"soup"}"#);
    }
    let error = kitchen.refusal(Request::get("/dishes/soup"), r#"{"weight":1}"#).await;
    assert_eq!(error.reason(), "unexpected_body");
}

#[tokio::test]
async fn form_fills_the_message_or_the_field() {
    let kitchen = Kitchen::new();
    assert_eq!(
        kitchen.message(form("/cook/soup"), "side.name=a+b&weight=1&tags=x&tags=y&name=z").await,
        r#"{"name":"soup","weight":1,"side":{"name":"a b"},"tags":["x","y"]}"#
    );
    let put = |path: &str| form(path).method("PUT");
    assert_eq!(
        kitchen.message(put("/side/soup"), "name=bread").await,
        r#"{"name":"soup","side":{"name":"bread"}}"#
    );
    assert_eq!(
        kitchen.message(form("/cook"), r#" {"name":"said to be a form by habit"}"#).await,
        r#"{"name":"said to be a form by habit"}"#
    );
    assert_eq!(kitchen.refusal(put("/tags"), "a=b").await.http_status(), 415);
    for bad in ["weight=x", "weight=1&weight=2", "nothing=1", "name=%zz", "name=%ff"] {
        let error = kitchen.refusal(form("/cook"), bad).await;
        assert_eq!(error.code(), Code::InvalidArgument, "{bad}");
    }
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    let kitchen = Kitchen::new();
    let get = Request::get;
    for (request, body, word) in [
        (get("/dishes/x?weight=heavy"), "", "weight"),
        (get("/dishes/x?nothing=1"), "", "nothing"),
        (get("/dishes/x?weight=1&weight=2"), "", "weight"),
        (get("/dishes/x?tags=%f"), "", "tags"),
        (post("/cook?weight=1"), "{}", "weight"),
        (Request::put("/side/x?side.name=y"), "{}", "side.name"),
        (post("/weight/heavy"), "{}", "weight"),
        (post("/cook"), r#"{"side":{"nothing":1}}"#, "$.side.nothing"),
        (post("/cook"), "{\n  \"weight\": 1.5}", "line 2"),
    ] {
        let error = kitchen.refusal(request, body).await;
        assert_eq!(error.http_status(), 400, "{word}");
        assert!(error.message().contains(word), "{}", error.message());
    }
}

#[tokio::test]
async fn collision_is_told_where_the_policy_asks() {
    let kitchen = Kitchen::with_parameters(Settings {
        on_collision: OnCollision::Reject,
        ..Settings::default()
    });
    assert_eq!(
        kitchen.message(post("/cook/soup"), r#"{"name":"soup"}"#).await,
        r#"{"name":"soup"}"#
    );
    for (path, body) in [
        ("/mask/a,b", r#"{"mask":"a,b"}"#),
        ("/time/5s", r#"{"time":"5s"}"#),
        ("/rating/5", r#"{"rating":"5"}"#),
        ("/rating/0", r#"{"rating":"0"}"#),
    ] {
        assert_eq!(kitchen.message(post(path), body).await, body, "{path}");
    }
    for (request, body) in [
        (post("/cook/soup"), r#"{"name":"x"}"#),
        (post("/mask/a,b"), r#"{"mask":"a"}"#),
        (post("/time/5s"), r#"{"time":"5.1s"}"#),
        (post("/rating/5"), r#"{"rating":"0"}"#),
        (form("/cook/soup"), "name=x"),
        (Request::get("/dishes/soup?name=x"), ""),
        (Request::put("/side/bread/of"), r#"{"name":"x"}"#),
    ] {
        assert_eq!(kitchen.refusal(request, body).await.reason(), "collision");
    }
}

#[tokio::test]
async fn parameters_are_ignored_as_the_policy_says() {
    let some = Settings { ignored_parameters: vec!["utm".into()], ..Settings::default() };
    let kitchen = Kitchen::with_parameters(some);
    assert_eq!(kitchen.message(Request::post("/cook?utm=1"), "{}").await, "{}");
    let error = kitchen.refusal(Request::post("/cook?other=1"), "{}").await;
    assert_eq!(error.reason(), "bad_parameter");

    let all = Settings { unknown_parameters: UnknownParameters::Ignore, ..Settings::default() };
    let kitchen = Kitchen::with_parameters(all);
    assert_eq!(kitchen.message(Request::post("/cook?other=1&x.y=2"), "{}").await, "{}");
}

#[tokio::test]
async fn body_over_the_limit_is_413_however_it_comes() {
    let kitchen = Kitchen::with_limit(20);
    let fits = r#"{"name":"123456789"}"#;
    let over = r#"{"name":"1234567890"}"#;
    assert_eq!(kitchen.message(post("/cook"), fits).await, fits);
    assert_eq!(kitchen.answered(post("/cook"), &[piece(over)]).await.status(), 413);
    for pieces in [[piece(&over[..5]), piece(&over[5..])], [piece(over), piece("")]] {
        let (messages, error) = kitchen.messages(post("/cook"), &pieces).await;
        assert!(messages.is_empty());
        assert_eq!(error.unwrap().http_status(), 413);
    }
    let line = format!("{fits}\n{over}\n");
    let request = Request::post("/order/x").header("content-type", "application/x-ndjson");
    let (messages, error) = kitchen.messages(request, &[piece(&line)]).await;
    assert_eq!(messages.len(), 1, "the limit is a message's, not the stream's");
    assert_eq!(error.unwrap().http_status(), 413);
}

#[tokio::test]
async fn body_that_breaks_off_is_an_error() {
    let kitchen = Kitchen::new();
    for request in [post("/cook"), post("/order/x"), Request::put("/film/x")] {
        let pieces = [piece("[{}"), Err(Broken)];
        let (_, error) = kitchen.messages(request, &pieces).await;
        assert_eq!(error.unwrap().reason(), "broken_body");
    }
}

#[tokio::test]
async fn streams_cut_at_each_byte_have_the_same_messages() {
    let kitchen = Kitchen::new();
    for (kind, stream) in [
        ("application/json", "[{\"tags\":[\"a]\\\"\"]} ,{\"weight\":1},\n{}]"),
        ("application/x-ndjson", "{\"tags\":[\"a]\\\"\"]}\n\r\n{\"weight\":1}\r\n{}"),
        ("application/json-seq", "\x1e{\"tags\":[\"a]\\\"\"]}\n\x1e{\"weight\":1}\n\x1e{}\n"),
    ] {
        for cut in 0..=stream.len() {
            let pieces = [piece(&stream[..cut]), piece(&stream[cut..])];
            let request = Request::post("/order/soup").header("content-type", kind);
            let (messages, error) = kitchen.messages(request, &pieces).await;
            assert!(error.is_none(), "{kind} at {cut}: {error:?}");
            let expected = [r#"{"name":"soup","tags":["a]\""]}"#, r#"{"weight":1}"#, "{}"];
            assert_eq!(messages, expected, "{kind} at {cut}");
        }
    }
}

#[tokio::test]
async fn stream_that_goes_wrong_says_at_which_message() {
    let kitchen = Kitchen::new();
    for (stream, count, words) in [
        (r#"[{},{"nothing":1}]"#, 1, "message 2 of the body is not valid: $.nothing"),
        ("[{},", 1, "the stream ends before"),
        ("[{}", 1, "the stream ends before"),
        ("[{} {}]", 1, "expected ',' or ']'"),
        ("{}", 0, "expected '['"),
    ] {
        let (messages, error) = kitchen.messages(post("/order/x"), &[piece(stream)]).await;
        assert_eq!(messages.len(), count, "{stream}");
        let error = error.unwrap();
        assert_eq!(error.http_status(), 400);
        assert!(error.message().contains(words), "{}", error.message());
    }
    for empty in ["", " ", "[]"] {
        let (messages, error) = kitchen.messages(post("/order/x"), &[piece(empty)]).await;
        assert!(messages.is_empty() && error.is_none());
    }
}

#[tokio::test]
async fn raw_body_fills_its_field_whole() {
    let kitchen = Kitchen::new();
    let request = Request::put("/photo/x?width=3").header("content-type", "image/png");
    let (messages, error) = kitchen.messages(request, &[piece("ab"), piece("c")]).await;
    assert!(error.is_none());
    let file = r#"{"contentType":"image/png","data":"YWJj"}"#;
    assert_eq!(messages, [format!(r#"{{"name":"x","file":{file},"width":3}}"#)]);
    let message = kitchen.message(Request::put("/photo/x"), "").await;
    assert_eq!(message, r#"{"name":"x","file":{}}"#);
}

#[tokio::test]
async fn raw_stream_tells_path_and_type_with_its_first_piece() {
    let kitchen = Kitchen::new();
    let request = || Request::put("/film/x").header("content-type", "video/mp4");
    let (messages, error) = kitchen.messages(request(), &[piece("ab"), piece("c")]).await;
    assert!(error.is_none());
    assert_eq!(
        messages,
        [
            r#"{"name":"x","file":{"contentType":"video/mp4","data":"YWI="}}"#,
            r#"{"file":{"data":"Yw=="}}"#
        ]
    );
    let (messages, error) = kitchen.messages(request(), &[]).await;
    assert!(error.is_none());
    assert_eq!(messages, [r#"{"name":"x","file":{"contentType":"video/mp4"}}"#]);
}
