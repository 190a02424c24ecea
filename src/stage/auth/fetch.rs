//! Asks issuers over HTTPS: for keys, and about tokens.
//!
//! An issuer decides who may call, so nobody on the way to it is trusted: no plain HTTP unless that
//! is switched on, no redirects, a bounded answer in bounded time.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// Asks one issuer.
pub(super) struct Fetcher {
    /// The authorities that are trusted, the system's where there are none.
    authorities: Option<Vec<CertificateDer<'static>>>,
    allow_http: bool,
    timeout: Duration,
    /// Made when it is needed: reading the system's authorities takes a while.
    client: OnceLock<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

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
        let authorities = ca.map(read_authorities).transpose()?;
        Ok(Self { authorities, allow_http, timeout, client: OnceLock::new() })
    }

    /// Whether a URL may be asked.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn check(&self, url: &str) -> Result<Uri, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.allow_http => {}
            Some("http") => {
                let mend = "write `https://`, or `allow_http: true` where nobody can listen";
                return Err(format!("`{url}` is asked without TLS: {mend}"));
            }
            _ => return Err(format!("`{url}` is no URL of HTTP: write `https://…`")),
        }
        match uri.host() {
            Some(host) if !host.is_empty() => Ok(uri),
            _ => Err(format!("`{url}` names no host: write `https://host/…`")),
        }
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Why there is none, in a sentence for the log.
    pub(super) async fn get(&self, url: &str) -> Result<Fetched, String> {
        let request = Request::get(self.check(url)?).header(ACCEPT, "application/json");
        self.ask(url, request, Bytes::new()).await
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
        self.ask(url, request, form.into()).await
    }

    async fn ask(
        &self,
        url: &str,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Fetched, String> {
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let client = self.client()?;
        let exchange = async {
            let response = client.request(request).await.map_err(|error| cause(&error))?;
            if response.status() != http::StatusCode::OK {
                return Err(format!("it answered {}", response.status()));
            }
            let max_age = max_age(response.headers());
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| format!("its answer broke off: {error}"))?;
            Ok(Fetched { body: body.to_bytes(), max_age })
        };
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, exchange).await {
            Ok(outcome) => outcome.map_err(|error| format!("{url} can't be read: {error}")),
            Err(_) => Err(format!("{url} did not answer within {timeout:?}")),
        }
    }

    fn client(&self) -> Result<&Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(own) => drop(roots.add_parsable_certificates(own.iter().cloned())),
            None => {
                let system = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(system.certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(self.client.get_or_init(|| Client::builder(TokioExecutor::new()).build(connector)))
    }
}

/// The authorities of a PEM file.
fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            format!("`{shown}` can't be read: {error}; name a file of certificates")
        })?;
    match found.is_empty() {
        true => Err(format!("`{shown}` has no certificate in PEM; name a file of certificates")),
        false => Ok(found),
    }
}

/// The innermost words of an error: the outer ones only say that there is one.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
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

    #[test]
    fn only_https_is_asked_unless_told_otherwise() {
        let fetcher = |http| Fetcher::new(None, http, Duration::from_secs(1)).unwrap();
        assert!(fetcher(false).check("https://id.example/keys").is_ok());
        assert!(fetcher(true).check("http://id.example/keys").is_ok());
        for (url, told) in [
            ("http://id.example/keys", "without TLS"),
            ("ftp://id.example/keys", "no URL of HTTP"),
            ("id.example", "no URL of HTTP"),
            ("https:///keys", "no URL"),
            ("not a url", "no URL"),
        ] {
            let message = fetcher(false).check(url).unwrap_err();
            assert!(message.contains(told), "{url}: {message}");
        }
        assert!(Fetcher::new(Some(Path::new("/nowhere")), false, Duration::ZERO).is_err());
    }
}
