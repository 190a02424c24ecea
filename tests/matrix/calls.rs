//! The calls of the matrix: what is asked, and what has to come back by whichever door.

use serde_json::{Value, json};

/// Which sides stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Unary,
    ServerStream,
    ClientStream,
    Bidi,
}

/// How the call ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Ok,
    /// The backend refuses before its first message.
    EarlyError,
    /// The backend fails once messages have gone through.
    LateError,
    /// The caller's deadline passes first.
    Deadline,
    /// The caller goes away in the middle.
    CallerLeaves,
}

pub(super) const KINDS: [Kind; 4] =
    [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi];

/// A call, and what has to come back.
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) end: End,
    /// Of `bookshelf.v1.Bookshelf`.
    pub(super) method: &'static str,
    /// The HTTP method and the target that REST has for it. All that is asked stands in the target
    /// where the method is GET.
    pub(super) rest: (&'static str, &'static str),
    /// What is asked, as JSON.
    pub(super) asks: Vec<Value>,
    /// The field of the answers that is looked at.
    pub(super) field: &'static str,
    /// What the answers have there.
    pub(super) answers: Vec<Value>,
    /// gRPC's code.
    pub(super) code: u16,
    /// The details: type, and a part of what it says.
    pub(super) details: &'static [(&'static str, &'static str)],
    /// Headers that the caller brings besides.
    pub(super) brings: Vec<(&'static str, String)>,
    /// The trailer `x-bookshelf-sent`.
    pub(super) sent: Option<&'static str>,
}

impl Call {
    /// Whether the caller could go on asking when the call ends.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.kind, Kind::ClientStream | Kind::Bidi)
            && matches!(self.end, End::Deadline | End::CallerLeaves)
    }

    /// Whether the answer is a stream.
    pub(super) fn streams_answers(&self) -> bool {
        matches!(self.kind, Kind::ServerStream | Kind::Bidi)
    }

    fn answered(mut self, answers: &[&str]) -> Self {
        self.answers = answers.iter().map(|answer| json!(answer)).collect();
        self
    }

    fn failed(mut self, code: u16, details: &'static [(&'static str, &'static str)]) -> Self {
        (self.code, self.details) = (code, details);
        self
    }
}

/// The call of this kind with this end; the reason if there can be none.
pub(super) fn call(kind: Kind, end: End) -> Result<Call, &'static str> {
    match kind {
        Kind::Unary => unary(end),
        Kind::ServerStream => Ok(server_stream(end)),
        Kind::ClientStream => Ok(client_stream(end)),
        Kind::Bidi => Ok(bidi(end)),
    }
}

const TIDES: &str = "shelves/science/books/tides";
const LETTERS: &str = "shelves/fiction/books/letters";
const LIGHT: &str = "shelves/fiction/books/light-above-the-door";

fn unary(end: End) -> Result<Call, &'static str> {
    let call = |method, rest, ask, field| Call {
        kind: Kind::Unary,
        end,
        method,
        rest,
        asks: vec![ask],
        field,
        answers: Vec::new(),
        code: 0,
        details: &[],
        brings: Vec::new(),
        sent: None,
    };
    match end {
        End::Ok => {
            let path = "/v1/shelves/science/books/tides";
            Ok(call("GetBook", ("GET", path), json!({ "name": TIDES }), "name").answered(&[TIDES]))
        }
        End::EarlyError => {
            let ask = json!({ "code": 9, "message": "not yet: é", "details": true });
            let details =
                &[("google.rpc.ErrorInfo", "AS_ASKED"), ("google.rpc.BadRequest", "asks for")];
            Ok(call("Fail", ("POST", "/v1/fail"), ask, "").failed(9, details))
        }
        End::LateError => Err("an error can't follow the only message, for that ends the call"),
        End::Deadline | End::CallerLeaves => {
            let waits = call("Wait", ("GET", "/v1/wait/3600s"), json!({ "delay": "3600s" }), "");
            Ok(waits.failed(4, &[]))
        }
    }
}

fn server_stream(end: End) -> Call {
    let call = |path, ask| Call {
        kind: Kind::ServerStream,
        end,
        method: "WatchBooks",
        rest: ("GET", path),
        asks: vec![ask],
        field: "name",
        answers: Vec::new(),
        code: 0,
        details: &[],
        brings: Vec::new(),
        sent: None,
    };
    let shelf = "shelves/fiction";
    match end {
        End::Ok => {
            let mut watch = call("/v1/shelves/fiction/books:watch", json!({ "parent": shelf }));
            watch.sent = Some("2");
            watch.answered(&[LETTERS, LIGHT])
        }
        End::EarlyError => call("/v1/shelves/BAD/books:watch", json!({ "parent": "shelves/BAD" }))
            .failed(3, &[("google.rpc.BadRequest", "parent")]),
        End::LateError => {
            let path = "/v1/shelves/fiction/books:watch?fail_after=1";
            let details = &[("google.rpc.ErrorInfo", "WATCH_FAILED"), ("google.rpc.RetryInfo", "")];
            call(path, json!({ "parent": shelf, "failAfter": 1 }))
                .answered(&[LETTERS])
                .failed(14, details)
        }
        End::Deadline | End::CallerLeaves => {
            let path = "/v1/shelves/fiction/books:watch?follow=true";
            call(path, json!({ "parent": shelf, "follow": true }))
                .answered(&[LETTERS, LIGHT])
                .failed(4, &[])
        }
    }
}

fn client_stream(end: End) -> Call {
    let import = |asks| Call {
        kind: Kind::ClientStream,
        end,
        method: "ImportBooks",
        rest: ("POST", "/v1/shelves/new/books:import"),
        asks,
        field: "imported",
        answers: Vec::new(),
        code: 0,
        details: &[],
        brings: Vec::new(),
        sent: None,
    };
    let book = |title: &str| json!({ "parent": "shelves/new", "book": { "title": title } });
    let nameless = json!({ "parent": "shelves/new" });
    let details = &[("google.rpc.BadRequest", "book")];
    match end {
        End::Ok => {
            let mut import = import(vec![book("One"), book("Two"), book("Three")]);
            import.answers = vec![json!(3)];
            import
        }
        End::EarlyError => import(vec![nameless]).failed(3, details),
        End::LateError => import(vec![book("One"), book("Two"), nameless]).failed(3, details),
        End::Deadline | End::CallerLeaves => import(vec![book("One")]).failed(4, &[]),
    }
}

fn bidi(end: End) -> Call {
    let chat = |path, asks| Call {
        kind: Kind::Bidi,
        end,
        method: "Chat",
        rest: ("POST", path),
        asks,
        field: "text",
        answers: Vec::new(),
        code: 0,
        details: &[],
        brings: Vec::new(),
        sent: None,
    };
    let path = "/v1/shelves/science/books/tides:chat";
    let lost = "shelves/science/books/lost";
    let say = |book: &str, text: &str| json!({ "book": book, "text": text });
    let details = &[("google.rpc.ResourceInfo", "shelves/science/books/lost")];
    match end {
        End::Ok => {
            let asks = vec![say(TIDES, "one"), say("", "two"), say(LETTERS, "three")];
            chat(path, asks).answered(&["one", "two", "three"])
        }
        End::EarlyError => {
            chat("/v1/shelves/science/books/lost:chat", vec![say(lost, "one")]).failed(5, details)
        }
        End::LateError => chat(path, vec![say(TIDES, "one"), say("", "two"), say(lost, "three")])
            .answered(&["one", "two"])
            .failed(5, details),
        End::Deadline | End::CallerLeaves => {
            chat(path, vec![say(TIDES, "one")]).answered(&["one"]).failed(4, &[])
        }
    }
}
