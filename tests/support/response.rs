//! A response as a test sees it, from either version of HTTP.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// A response with all of its body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Whether the body came to its proper end.
    pub(crate) complete: bool,
}

impl Response {
    /// The only value of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "`{name}` stands twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {} {}", self.status, self.text()),
        }
    }

    /// The body's lines as JSON.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What lines there are with something on them, be they events or records.
    pub(crate) fn lines_of_data(&self) -> Vec<&str> {
        self.text().lines().filter(|line| !line.is_empty() && !line.starts_with(':')).collect()
    }

    /// The body of a success as JSON.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert!(self.complete);
        self.json()
    }

    /// Checks that this is a refusal with an HTTP status and a gRPC code, in the one shape that
    /// all refusals have; gives its message.
    pub(crate) fn refusal(&self, status: u16, code: u32) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        let json = self.json();
        assert_eq!(json["code"], code, "{json}");
        assert!(json["details"].is_array(), "{json}");
        let message = json["message"].as_str().unwrap();
        assert!(!message.is_empty());
        for name in self.headers.keys() {
            assert!(!name.as_str().starts_with("grpc-"), "`{name}` leaks: {:?}", self.headers);
        }
        message.to_owned()
    }
}
