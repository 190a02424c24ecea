//! Every page of the operator's port, in one table.

use std::future::Future;

use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, header};

use super::{
    Office, clusters, pages,
    port::{Answer, text},
    ready,
};

/// One page.
pub struct Page {
    /// `GET`, which goes for `HEAD` too, or `POST`.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What it is for, a sentence without a full stop.
    pub summary: &'static str,
    answer: fn(Office) -> BoxFuture<'static, Answer>,
}

/// Makes a page that waits for nothing.
macro_rules! now {
    ($page:path) => {
        |office| Box::pin(std::future::ready($page(&office)))
    };
}

/// Every page, in the order in which they are listed.
pub static PAGES: &[Page] = &[
    Page { method: "GET", path: "/", summary: "This list", answer: |_| boxed(async { index() }) },
    Page {
        method: "GET",
        path: "/live",
        summary: "200 while the program runs",
        answer: now!(ready::live),
    },
    Page {
        method: "GET",
        path: "/ready",
        summary: "200 while it serves, 503 while it drains, with details",
        answer: now!(ready::ready),
    },
    Page {
        method: "GET",
        path: "/config",
        summary: "The configuration in force, secrets left out",
        answer: now!(pages::config),
    },
    Page {
        method: "GET",
        path: "/routes",
        summary: "The HTTP routes and the methods behind them",
        answer: now!(pages::routes),
    },
    Page {
        method: "GET",
        path: "/clusters",
        summary: "The upstreams and the state of their endpoints",
        answer: now!(clusters::clusters),
    },
    Page {
        method: "GET",
        path: "/metrics",
        summary: "Everything that is counted, for Prometheus",
        answer: now!(pages::metrics),
    },
    Page {
        method: "POST",
        path: "/reload",
        summary: "Reads the configuration anew, and tells what came of it",
        answer: |office| boxed(pages::reload(office)),
    },
    Page {
        method: "POST",
        path: "/drain",
        summary: "Ends the program as SIGTERM does: what is in flight may finish",
        answer: now!(pages::drain),
    },
];

fn boxed(answer: impl Future<Output = Answer> + Send + 'static) -> BoxFuture<'static, Answer> {
    Box::pin(answer)
}

/// The page for a request.
pub(super) async fn answer<B>(office: &Office, request: &Request<B>) -> Answer {
    let path = request.uri().path();
    let Some(page) = PAGES.iter().find(|page| page.path == path) else {
        return text(StatusCode::NOT_FOUND, format!("there is no page `{path}`\n\n{}", list()));
    };
    let is_meant = match *request.method() {
        Method::GET | Method::HEAD => page.method == "GET",
        Method::POST => page.method == "POST",
        _ => false,
    };
    if is_meant {
        return (page.answer)(office.clone()).await;
    }
    let message = format!("`{path}` wants {}\n", page.method);
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, message);
    let allow = if page.method == "GET" { "GET, HEAD" } else { page.method };
    answer.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static(allow));
    answer
}

fn index() -> Answer {
    text(StatusCode::OK, list())
}

fn list() -> String {
    let line = |page: &Page| format!("{:4} {:9} {}\n", page.method, page.path, page.summary);
    PAGES.iter().map(line).collect()
}
