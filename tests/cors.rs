//! CORS as browsers see it: the headers that let a page call, and read what it is answered.

mod answers;
mod preflight;

use crate::support::{Response, Rig};

/// A page that may call.
const APP: &str = "https://app.example.com";

/// A page that may not.
const EVIL: &str = "https://evil.example";

/// A gateway whose bookshelf [`APP`] may call.
async fn rig() -> Rig {
    Rig::with_policy(
        "cors: { origins: [\"https://app.example.com\", \"https://*.example.org\"], \
         headers: [authorization], expose: [x-cost], credentials: true, max_age: 10m }",
    )
    .await
}

/// Asks whether a page of `origin` may call.
async fn preflight(rig: &Rig, origin: &str, method: &str, path: &str, headers: &str) -> Response {
    let mut asked = vec![("origin", origin), ("access-control-request-method", method)];
    if !headers.is_empty() {
        asked.push(("access-control-request-headers", headers));
    }
    rig.request("OPTIONS", path, &asked, b"").await
}

/// Checks what each header of a list would be to a browser: there or not.
fn lists(response: &Response, list: &str, names: &[&str]) {
    let all: Vec<_> = response.header(list).split(", ").collect();
    for name in names {
        assert!(all.contains(name), "`{name}` is not in `{list}`: {all:?}");
    }
}
