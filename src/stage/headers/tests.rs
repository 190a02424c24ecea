//! Changes of headers both ways, and settings that are refused.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::{
    error::{Code, Error},
    exchange::{Messages, Metadata, Reply},
    stage::testing::{answers, build, chain, exchange, method},
};

fn metadata(pairs: &[(&'static str, &'static str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in pairs {
        metadata.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    metadata
}

fn values(metadata: &Metadata, name: &str) -> Vec<String> {
    metadata.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// Sends a call with `x-old` and `x-kept` through the stage; gives what the backend saw.
async fn request(changes: Value) -> Metadata {
    let stage = build("headers", Some(json!({ "request": changes })), &method(false));
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let chain = chain(
        stage.unwrap().unwrap(),
        answers(move |exchange| {
            sender.lock().unwrap().send(exchange.metadata).unwrap();
            Ok(Reply { metadata: Metadata::new(), messages: Messages::one(Bytes::new()) })
        }),
    );
    let sent = metadata(&[("x-old", "1"), ("x-old", "2"), ("x-kept", "k")]);
    chain.call(exchange(sent, None)).await.unwrap();
    receiver.recv().unwrap()
}

#[tokio::test]
async fn headers_request_add_keeps_what_is_there() {
    let seen = request(json!({ "add": { "x-old": ["3", "4"], "X-New": "n" } })).await;
    assert_eq!(values(&seen, "x-old"), ["1", "2", "3", "4"]);
    assert_eq!(values(&seen, "x-new"), ["n"]);
    assert_eq!(values(&seen, "x-kept"), ["k"]);
}

#[tokio::test]
async fn headers_request_set_replaces_every_value() {
    let seen = request(json!({ "set": { "x-old": "only" } })).await;
    assert_eq!(values(&seen, "x-old"), ["only"]);
}

#[tokio::test]
async fn headers_request_remove_takes_every_value() {
    let seen = request(json!({ "remove": ["X-Old", "x-absent"] })).await;
    assert_eq!(seen, metadata(&[("x-kept", "k")]));
}

#[tokio::test]
async fn headers_changes_go_remove_then_set_then_add() {
    let changes = json!({ "add": { "x-old": "c" }, "set": { "x-old": "b" }, "remove": ["x-old"] });
    assert_eq!(values(&request(changes).await, "x-old"), ["b", "c"]);
}

#[tokio::test]
async fn headers_response_changes_replies_and_errors() {
    let settings = json!({ "response": { "set": { "x-served": "yes" }, "remove": ["x-secret"] } });
    let stage = || build("headers", Some(settings.clone()), &method(false)).unwrap().unwrap();
    let replies = chain(
        stage(),
        answers(|_| {
            let metadata = metadata(&[("x-secret", "s"), ("x-kept", "k")]);
            Ok(Reply { metadata, messages: Messages::none() })
        }),
    );
    let fails = chain(
        stage(),
        answers(|_| {
            let metadata = metadata(&[("x-secret", "s"), ("x-kept", "k")]);
            Err(Error::new(Code::Aborted, "test", "no").with_metadata(metadata))
        }),
    );
    let want = metadata(&[("x-kept", "k"), ("x-served", "yes")]);
    let reply = replies.call(exchange(Metadata::new(), None)).await.unwrap();
    assert_eq!(reply.metadata, want);
    let error = fails.call(exchange(Metadata::new(), None)).await.err().unwrap();
    assert_eq!(error.metadata(), &want);
    assert_eq!(error.code(), Code::Aborted);
}

#[test]
fn headers_without_changes_is_no_stage() {
    for settings in [None, Some(json!({})), Some(json!({ "request": {}, "response": {} }))] {
        assert!(build("headers", settings, &method(false)).unwrap().is_none());
    }
}

fn finding(settings: Value) -> (String, String) {
    match build("headers", Some(settings), &method(false)) {
        Err(finding) => finding,
        Ok(_) => panic!("bad settings were taken"),
    }
}

#[test]
fn headers_of_the_protocol_are_refused() {
    for name in [
        "grpc-timeout",
        "TE",
        "Content-Type",
        "host",
        "connection",
        ":path",
        "connect-timeout-ms",
        "transfer-encoding",
        "content-length",
        "upgrade",
    ] {
        let (path, message) = finding(json!({ "request": { "remove": ["x-fine", name] } }));
        assert_eq!(path, "request.remove[1]");
        assert!(message.contains("belongs to the protocol"), "{message}");
        let (path, _) = finding(json!({ "response": { "add": { name: "v" } } }));
        assert_eq!(path, format!("response.add.{name}"));
    }
}

#[test]
fn headers_settings_that_are_wrong_say_where_and_what() {
    for (settings, path, part) in [
        (
            json!({ "request": { "set": { "a b": "v" } } }),
            "request.set.\"a b\"",
            "not a header name",
        ),
        (json!({ "request": { "set": { "": "v" } } }), "request.set.", "not a header name"),
        (json!({ "request": { "set": { "x-a": "line\nbreak" } } }), "request.set.x-a", "printable"),
        (json!({ "request": { "set": { "x-a": "é" } } }), "request.set.x-a", "printable"),
        (json!({ "request": { "add": { "x-bin": "%%%" } } }), "request.add.x-bin", "base64"),
        (json!({ "request": { "set": { "X-A": "1", "x-a": "2" } } }), "request.set.x-a", "twice"),
        (json!({ "request": { "set": { "x-a": 5 } } }), "request.set.x-a", "expected a string"),
        (json!({ "request": { "add": { "x-a": 5 } } }), "request.add.x-a", "quote a number"),
        (
            json!({ "request": { "add": { "x-a": [5] } } }),
            "request.add.x-a[0]",
            "expected a string",
        ),
        (json!({ "request": { "drop": [] } }), "request.drop", "unknown field `drop`"),
        (json!({ "answer": {} }), "answer", "unknown field `answer`"),
    ] {
        let (found, message) = finding(settings);
        assert_eq!(found, path, "{message}");
        assert!(message.contains(part), "{found}: {message}");
    }
}

#[tokio::test]
async fn headers_binary_values_are_base64_padded_or_not() {
    let seen = request(json!({ "set": { "a-bin": "AAE=", "b-bin": "AAE" } })).await;
    assert_eq!(
        (values(&seen, "a-bin"), values(&seen, "b-bin")),
        (vec!["AAE=".into()], vec!["AAE".into()])
    );
}
