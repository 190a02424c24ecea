//! Asks over HTTP and HTTPS: issuers for keys and about tokens, services that decide about calls.
//!
//! Who is asked decides who may call, so nobody on the way to it is trusted: no plain HTTP unless
//! that is switched on, no redirects, a bounded answer in bounded time.

use std::{fmt, path::Path, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use ring::digest;
use rustls::ClientConfig;

use crate::authorities::Authorities;

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// Connections that nobody needs are closed after so long.
const IDLE: Duration = Duration::from_secs(60);

type Connections = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks over HTTP/1.1, with and without TLS.
pub struct Client {
    authorities: Authorities,
    allow_http: bool,
    timeout: Duration,
    /// Made when they are needed: so are the authorities.
    connections: OnceLock<Connections>,
}

impl Client {
    /// Makes ready to ask; an answer may take so long, the connection included.
    ///
    /// # Errors
    /// What is wrong with the file of authorities.
    pub fn new(ca: Option<&Path>, allow_http: bool, timeout: Duration) -> Result<Self, String> {
        let authorities = Authorities::read(ca)?;
        Ok(Self { authorities, allow_http, timeout, connections: OnceLock::new() })
    }

    /// What tells it from another client: whom it trusts, how it asks and how long it waits.
    pub fn terms(&self) -> String {
        let mut trusted = digest::Context::new(&digest::SHA256);
        let own = self.authorities.own();
        own.unwrap_or_default().iter().for_each(|one| trusted.update(one));
        let trusted = own.map(|_| trusted.finish());
        format!("{trusted:?} {} {:?}", self.allow_http, self.timeout)
    }

    /// Whether a URL may be asked.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn check(&self, url: &str) -> Result<Uri, String> {
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

    /// Sends a request and takes the whole answer, whatever its status.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence for the log, where its secrets are no secrets: the
    /// query is left out.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let asked = shown(request.uri());
        let request = request.map(Full::new);
        let connections = self.connections()?;
        let exchange = async {
            let response = connections.request(request).await.map_err(|error| cause(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| format!("its answer broke off: {error}"))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(outcome) => {
                outcome.map_err(|error: String| format!("{asked} can't be read: {error}"))
            }
            Err(_) => Err(format!("{asked} did not answer within {:?}", self.timeout)),
        }
    }

    fn connections(&self) -> Result<&Connections, String> {
        if let Some(connections) = self.connections.get() {
            return Ok(connections);
        }
        let config = ClientConfig::clone(&*self.authorities.client()?);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(self.connections.get_or_init(|| {
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(connector)
        }))
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

/// A URL as far as it may be told: queries and user names are where secrets stand.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_unless_told_otherwise() {
        let client = |http| Client::new(None, http, Duration::from_secs(1)).unwrap();
        assert!(client(false).check("https://id.example/keys").is_ok());
        assert!(client(true).check("http://id.example/keys").is_ok());
        for (url, told) in [
            ("http://id.example/keys", "without TLS"),
            ("ftp://id.example/keys", "no URL of HTTP"),
            ("id.example", "no URL of HTTP"),
            ("https:///keys", "no URL"),
            ("not a url", "no URL"),
        ] {
            let message = client(false).check(url).unwrap_err();
            assert!(message.contains(told), "{url}: {message}");
        }
        assert!(Client::new(Some(Path::new("/nowhere")), false, Duration::ZERO).is_err());
    }

    #[test]
    fn clients_that_trust_others_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let of = |http, seconds| Client::new(Some(&file), http, Duration::from_secs(seconds));
        let terms = |http, seconds| of(http, seconds).unwrap().terms();
        let authority = || {
            let key = rcgen::KeyPair::generate().unwrap();
            rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
        };
        std::fs::write(&file, authority()).unwrap();
        let before = terms(false, 1);
        assert_eq!(terms(false, 1), before);
        assert!(terms(true, 1) != before && terms(false, 2) != before);
        // The same file, with another authority in it.
        std::fs::write(&file, authority()).unwrap();
        assert_ne!(terms(false, 1), before);
        assert_ne!(Client::new(None, false, Duration::from_secs(1)).unwrap().terms(), before);
    }

    #[test]
    fn what_is_told_of_a_url_has_no_secrets() {
        let uri = Uri::from_static("https://ada:hidden@id.example:8443/keys?token=hidden");
        assert_eq!(shown(&uri), "https://id.example:8443/keys");
    }
}
