//! Replies to answers that arrive over time.

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::BodyExt;

use super::{Given, Kitchen, reply, said};
use crate::{
    error::{Code, Error},
    exchange::{Messages, Metadata, Reply},
    protocol::{Refusal, ResponseBody, rest::Settings},
};

const FORMS: [(&str, &str, &str); 5] = [
    ("*/*", "[]", r#"[{"weight":1},{}]"#),
    ("application/x-ndjson", "", "{\"weight\":1}\n{}\n"),
    ("application/jsonl", "", "{\"weight\":1}\n{}\n"),
    ("application/json-seq", "", "\u{1e}{\"weight\":1}\n\u{1e}{}\n"),
    ("text/event-stream", "", "data: {\"weight\":1}\n\ndata: {}\n\n"),
];

fn serve(accept: &str) -> http::request::Builder {
    Request::get("/serve").header("accept", accept)
}

fn late() -> Result<Bytes, Error> {
    Err(Error::new(Code::Aborted, "late", "too late"))
}

fn cost() -> Metadata {
    let mut trailers = Metadata::new();
    trailers.insert("x-cost", HeaderValue::from_static("1"));
    trailers
}

impl Kitchen {
    fn two(&self) -> Vec<Result<Bytes, Error>> {
        vec![Ok(self.dish(r#"{"weight":1}"#)), Ok(self.dish("{}"))]
    }
}

#[tokio::test]
async fn messages_are_framed_as_accept_asks() {
    let kitchen = Kitchen::new();
    for (accept, none, two) in FORMS {
        for (messages, text) in [(vec![], none), (kitchen.two(), two)] {
            let backend = reply(messages, Metadata::new());
            let response = kitchen.answer(serve(accept), Ok(backend)).await;
            assert_eq!(response.status(), 200);
            let kind = if accept == "*/*" { "application/json" } else { accept };
            assert_eq!(response.headers()["content-type"], kind);
            let said = said(response.into_body()).await;
            assert_eq!(said.text, text, "{accept}");
            assert!(said.error.is_none() && said.trailers.is_none());
        }
    }
}

#[tokio::test]
async fn error_before_the_first_message_is_a_plain_one() {
    let kitchen = Kitchen::new();
    for (accept, ..) in FORMS {
        let backend = reply(vec![late()], Metadata::new());
        let response = kitchen.answer(serve(accept), Ok(backend)).await;
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    let broken = Bytes::from_static(b"\x01broken");
    let backend = reply(vec![Ok(broken)], Metadata::new());
    let response = kitchen.answer(serve("*/*"), Ok(backend)).await;
    assert_eq!(response.status(), 500, "a first message that can't be written");
}

#[tokio::test]
async fn late_error_is_told_in_the_streams_own_form() {
    let kitchen = Kitchen::new();
    let status = r#"{"code":10,"message":"too late","details":[]}"#;
    for (accept, _, two) in FORMS {
        let mut messages = kitchen.two();
        messages.push(late());
        let backend = reply(messages, cost());
        let response = kitchen.answer(serve(accept), Ok(backend)).await;
        let ResponseBody::Stream(mut body) = response.into_body() else { panic!("no stream") };
        let mut text = String::new();
        let mut error = None;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.push_str(str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(broken) => error = Some(broken.code()),
            }
        }
        let told = body.told();
        let refusal = Refusal { code: Code::Aborted, reason: "late" };
        let end = match accept {
            "*/*" => {
                assert_eq!(error, Some(Code::Aborted), "an array must break off");
                assert_eq!(format!("{text}]"), two);
                continue;
            }
            "text/event-stream" => format!("event: error\ndata: {status}\n\n"),
            "application/json-seq" => format!("\u{1e}{{\"error\":{status}}}\n"),
            _ => format!("{{\"error\":{status}}}\n"),
        };
        assert_eq!(text, format!("{two}{end}"));
        assert_eq!((error, told), (None, Some(refusal)), "{accept}");
    }
}

#[tokio::test]
async fn message_that_can_not_be_written_leaves_no_trace_but_its_error() {
    let kitchen = Kitchen::new();
    let mut messages = kitchen.two();
    messages.push(Ok(Bytes::from_static(b"\x0a\x01a\x01broken")));
    let backend = reply(messages, Metadata::new());
    let response = kitchen.answer(serve("application/jsonl"), Ok(backend)).await;
    let text = said(response.into_body()).await.text;
    let end = text.strip_prefix("{\"weight\":1}\n{}\n").unwrap();
    assert!(end.starts_with("{\"error\":{\"code\":13,"), "{end}");
}

#[tokio::test]
async fn what_is_ready_together_leaves_together_and_nothing_waits_for_more() {
    let kitchen = Kitchen::new();
    let mut messages = kitchen.two();
    messages.extend(kitchen.two());
    let given = Given { messages: messages.into(), trailers: Metadata::new(), waits: false };
    let backend = Reply { metadata: Metadata::new(), messages: Messages::stream(given) };
    let mut body = kitchen.answer(serve("*/*"), Ok(backend)).await.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame, r#"[{"weight":1},{},{"weight":1},{}]"#);

    // The first message, which is here, isn't held back for the second, which isn't.
    let mut messages = Messages::stream(Given {
        messages: kitchen.two().into(),
        trailers: Metadata::new(),
        waits: false,
    });
    let first = messages.next().await.unwrap();
    let rest = Given { messages: kitchen.two().into(), trailers: Metadata::new(), waits: true };
    let backend = Reply {
        metadata: Metadata::new(),
        messages: Messages::stream(Chained { first: Some(first), rest: Box::pin(rest) }),
    };
    let mut body = kitchen.answer(serve("*/*"), Ok(backend)).await.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame, r#"[{"weight":1}"#);
}

/// One message at once, and others when they want.
struct Chained {
    first: Option<Result<Bytes, Error>>,
    rest: std::pin::Pin<Box<Given>>,
}

impl crate::exchange::MessageStream for Chained {
    fn poll_message(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Error>>> {
        match self.first.take() {
            Some(first) => std::task::Poll::Ready(Some(first)),
            None => self.rest.as_mut().poll_message(cx),
        }
    }
}

#[tokio::test]
async fn endless_stream_leaves_in_bounded_writes() {
    let kitchen = Kitchen::new();
    let dish = kitchen.dish(&format!(r#"{{"name":"{}"}}"#, "x".repeat(1000)));
    let messages = (0..1000).map(|_| Ok(dish.clone())).collect();
    let response = kitchen.answer(serve("*/*"), Ok(reply(messages, Metadata::new()))).await;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let length = frame.unwrap().into_data().unwrap().len();
        assert!(length < 40 << 10, "{length}");
    }
}

#[tokio::test]
async fn declared_trailers_are_announced_and_sent() {
    let settings = Settings { response_trailers: vec!["x-cost".into()], ..Settings::default() };
    let kitchen = Kitchen::with_rest(settings);
    let piece = kitchen.wire("google.api.HttpBody", r#"{"data":"YQ=="}"#);
    for (request, messages) in
        [(serve("*/*"), kitchen.two()), (Request::put("/film/x"), vec![Ok(piece)])]
    {
        let response = kitchen.answer(request, Ok(reply(messages, cost()))).await;
        assert_eq!(response.headers()["trailer"], "x-cost");
        assert_eq!(said(response.into_body()).await.trailers, Some(cost()));
    }
}

#[tokio::test]
async fn raw_pieces_are_the_body_and_a_late_error_breaks_it_off() {
    let kitchen = Kitchen::new();
    let piece = |json| Ok(kitchen.wire("google.api.HttpBody", json));
    let film = || Request::put("/film/x");
    let pieces = vec![
        piece(r#"{"contentType":"video/mp4","data":"YQ=="}"#),
        piece("{}"),
        piece(r#"{"data":"Yg=="}"#),
    ];
    let response = kitchen.answer(film(), Ok(reply(pieces, Metadata::new()))).await;
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_eq!(said(response.into_body()).await.text, "ab");

    let pieces = vec![piece(r#"{"data":"YQ=="}"#), late()];
    let response = kitchen.answer(film(), Ok(reply(pieces, Metadata::new()))).await;
    let said_before = said(response.into_body()).await;
    assert_eq!(said_before.text, "a");
    assert_eq!(said_before.error.unwrap().code(), Code::Aborted);

    let response = kitchen.answer(film(), Ok(reply(vec![], Metadata::new()))).await;
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert!(said(response.into_body()).await.text.is_empty());
}
