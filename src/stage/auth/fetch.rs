//! Asks issuers for documents: keys, and what they say about tokens.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request,
    header::{ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
};

use crate::callout::http::Client;

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct Fetcher(Client);

/// What an issuer has answered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    /// How long it may be kept (RFC 9111 §5.2.2), if that is said.
    pub(super) max_age: Option<Duration>,
}

impl Fetcher {
    /// Makes ready to ask.
    ///
    /// # Errors
    /// What is wrong with the file of authorities.
    pub(super) fn new(
        ca: Option<&Path>,
        allow_http: bool,
        timeout: Duration,
    ) -> Result<Self, String> {
        Client::new(ca, allow_http, timeout).map(Self)
    }

    /// Whether a URL may be asked.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn check(&self, url: &str) -> Result<http::Uri, String> {
        self.0.check(url)
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Why there is none, in a sentence for the log.
    pub(super) async fn get(&self, url: &str) -> Result<Fetched, String> {
        let request = Request::get(self.check(url)?).header(ACCEPT, "application/json");
        self.ask(request, Bytes::new()).await
    }

    /// Sends a form, under the name of a client (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// Why there is no answer, in a sentence for the log.
    pub(super) async fn post_form(
        &self,
        url: &str,
        authorization: HeaderValue,
        form: String,
    ) -> Result<Fetched, String> {
        let request = Request::post(self.check(url)?)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, authorization);
        self.ask(request, form.into()).await
    }

    async fn ask(&self, request: http::request::Builder, body: Bytes) -> Result<Fetched, String> {
        let request = request.body(body).map_err(|error| error.to_string())?;
        let url = request.uri().clone();
        let response = self.0.send(request).await?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("{url} can't be read: it answered {}", response.status()));
        }
        let max_age = max_age(response.headers());
        Ok(Fetched { body: response.into_body(), max_age })
    }
}

/// How long an answer may be kept: `max-age` less its `Age`; not at all with `no-store` and
/// `no-cache`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|one| one.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => found = value.trim_matches('"').parse::<u64>().ok(),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse::<u64>().ok());
    found.map(|seconds| Duration::from_secs(seconds.saturating_sub(age.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_of_answers_are_read() {
        let age = |lines: &[(http::HeaderName, &str)]| {
            let headers = lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            max_age(&headers.collect()).map(|age| age.as_secs())
        };
        assert_eq!(age(&[]), None);
        assert_eq!(age(&[(CACHE_CONTROL, "public, max-age=600")]), Some(600));
        assert_eq!(age(&[(CACHE_CONTROL, "Max-Age=\"600\""), (AGE, "100")]), Some(500));
        assert_eq!(age(&[(CACHE_CONTROL, "max-age=600, no-store")]), Some(0));
        assert_eq!(age(&[(CACHE_CONTROL, "max-age=soon")]), None);
    }
}
