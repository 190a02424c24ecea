//! The page of metrics: every sample of it parsed, and what calls do to it.

use std::collections::HashMap;

use transom::meter::{Kind, SERIES, Series};

use crate::support::{grpc, http1, operated::Operated};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// A page as a scraper reads it: the type of each family, and the samples.
struct Scrape {
    types: HashMap<String, String>,
    samples: HashMap<String, f64>,
}

/// Reads the text format, and stops at anything that is none.
fn parse(text: &str) -> Scrape {
    let mut scrape = Scrape { types: HashMap::new(), samples: HashMap::new() };
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(scrape.types.insert(name.into(), kind.into()).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            assert!(labels.ends_with('}'), "{line}");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| scrape.types.contains_key(*family));
            assert!(scrape.types.contains_key(family.unwrap_or(name)), "{line}: of no family");
            let value = value.parse().unwrap();
            assert!(scrape.samples.insert(sample.into(), value).is_none(), "{sample} twice");
        }
    }
    scrape
}

impl Scrape {
    #[track_caller]
    fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }
}

async fn scrape(operated: &Operated) -> Scrape {
    parse(&operated.metrics().await)
}

const GET_BOOK: &str = r#"service="bookshelf.v1.Bookshelf",method="GetBook""#;

fn requests(method: &str, protocol: &str, code: &str) -> String {
    format!(r#"transom_requests_total{{{method},protocol="{protocol}",code="{code}"}}"#)
}

#[tokio::test]
async fn metrics_count_each_call_once_at_its_end() {
    let operated = Operated::start("").await;
    let address = operated.gateway.address;
    let get = async |path: &str| http1::request(address, "GET", path, &[], b"").await;
    get(BOOK).await.ok();
    get(BOOK).await.ok();
    get("/v1/shelves/fiction/books/none").await.refusal(404, 5);
    get("/no/such/route?secret=hunter2").await.refusal(404, 5);
    // What is refused before the call opens is that of the method which was meant.
    let text = [("content-type", "text/plain")];
    let create = http1::request(address, "POST", "/v1/shelves/fiction/books", &text, b"?").await;
    assert_eq!(create.status, 415);
    let mut client = grpc::client(address).await;
    let name = "shelves/fiction/books/letters".to_owned();
    let ask = transom::cli::demo::bookshelf::types::bookshelf::v1::GetBookRequest { name };
    client.get_book(ask).await.unwrap();
    let mut stream = http1::Connection::open(address).await;
    let watch = "/v1/shelves/fiction/books:watch?follow=true";
    stream.send_request("GET", watch, &[("accept", "application/x-ndjson")], b"").await;
    assert_eq!(stream.response_head().await.status, 200);
    stream.chunks_until("letters").await;

    let before = scrape(&operated).await;
    assert_eq!(before.value(&requests(GET_BOOK, "rest", "OK")), 2.0);
    assert_eq!(before.value(&requests(GET_BOOK, "rest", "NOT_FOUND")), 1.0);
    assert_eq!(before.value(&requests(GET_BOOK, "grpc", "OK")), 1.0);
    let unknown = r#"service="unknown",method="unknown""#;
    assert_eq!(before.value(&requests(unknown, "rest", "NOT_FOUND")), 1.0);
    let create_book = r#"service="bookshelf.v1.Bookshelf",method="CreateBook""#;
    assert_eq!(before.value(&requests(create_book, "rest", "INVALID_ARGUMENT")), 1.0);
    let count = format!("transom_request_duration_seconds_count{{{GET_BOOK}}}");
    assert_eq!(before.value(&count), 4.0);
    let watch_books = r#"service="bookshelf.v1.Bookshelf",method="WatchBooks""#;
    let in_flight = format!("transom_requests_in_flight{{{watch_books}}}");
    assert_eq!(before.value(&in_flight), 1.0);
    assert!(!before.samples.contains_key(&requests(watch_books, "rest", "CANCELLED")));
    let endpoint = format!(r#"cluster="bookshelf",endpoint="{}""#, operated.upstream);
    assert_eq!(before.value(&format!("transom_endpoint_in_flight{{{endpoint}}}")), 1.0);
    assert_eq!(before.value(&format!("transom_endpoint_in_use{{{endpoint}}}")), 1.0);
    assert_eq!(before.value(r#"transom_downstream_connections{listener="127.0.0.1:0"}"#), 2.0);

    drop(stream);
    let waiting = async { while scrape(&operated).await.value(&in_flight) != 0.0 {} };
    crate::support::within("the end of the stream", waiting).await;
    let after = scrape(&operated).await;
    assert_eq!(after.value(&requests(watch_books, "rest", "CANCELLED")), 1.0);
    assert!(!after.samples.keys().any(|sample| sample.contains("hunter2")));
}

#[tokio::test]
async fn metrics_go_on_over_a_reload() {
    let operated = Operated::start("").await;
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.ok();
    operated
        .write("transom.yaml", operated.configuration() + "services: { '*': { timeout: 9s } }\n");
    assert_eq!(operated.reload().await["result"], "taken");
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.ok();
    let scrape = scrape(&operated).await;
    assert_eq!(scrape.value(&requests(GET_BOOK, "rest", "OK")), 2.0);
    let endpoint = format!(r#"cluster="bookshelf",endpoint="{}""#, operated.upstream);
    assert_eq!(scrape.value(&format!("transom_endpoint_requests_total{{{endpoint}}}")), 2.0);
    assert_eq!(scrape.value(r#"transom_reloads_total{result="taken"}"#), 1.0);
}

#[tokio::test]
async fn metrics_are_those_of_the_table_and_of_the_readme() {
    let policy = "retry: {}, admission: {}, rate_limit: { limits: { all: { rate: 99/h } }, \
                  store: { redis: { url: 'redis://127.0.0.1:1' } } }, \
                  ext_authz: { http: { url: 'http://127.0.0.1:1', allow_http: true }, \
                  on_failure: open }";
    let operated = Operated::start(&format!("services: {{ '*': {{ {policy} }} }}\n")).await;
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.ok();
    let scrape = scrape(&operated).await;
    let readme = include_str!("../../README.md");
    for Series { name, kind, labels, help } in SERIES {
        assert_eq!(scrape.types.get(*name).map(String::as_str), Some(kind.name()), "{name}");
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let row = format!("| `{name}` | {} | {labels} | {help} |", kind.name());
        assert!(readme.contains(&row), "the README has no row\n{row}");
        let sample =
            if *kind == Kind::Histogram { format!("{name}_sum") } else { (*name).to_owned() };
        let is_of = |one: &String| one.split('{').next() == Some(&sample);
        assert!(scrape.samples.keys().any(is_of), "{name}");
    }
    assert_eq!(scrape.types.len(), SERIES.len());
}
