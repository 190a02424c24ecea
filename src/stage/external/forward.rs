//! Asks by plain HTTP, as nginx' `auth_request`, Traefik's forward-auth and Envoy do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header::CONTENT_TYPE,
    uri::PathAndQuery,
};

use super::{
    account::Account,
    names::Names,
    settings,
    verdict::{self, Pass, Verdict},
};
use crate::{
    callout::http::Client,
    stage::names::{is_reserved, may_be_set},
};

/// A service that is asked by HTTP.
pub(super) struct Forward {
    pub(super) client: Arc<Client>,
    pub(super) uri: Uri,
    pub(super) as_called: bool,
}

impl Forward {
    /// Makes the service of its settings; `client` knows where it may be.
    pub(super) fn new(settings: &settings::Http, client: Arc<Client>) -> Result<Self, String> {
        let uri = client.check(&settings.url)?;
        Ok(Self { client, uri, as_called: settings.as_called })
    }

    /// Asks about a call; `to_backend` are the headers of the answer that are the backend's.
    ///
    /// # Errors
    /// Why there is no verdict, in a sentence for the log.
    pub(super) fn ask<'a>(
        &'a self,
        account: &Account<'_>,
        to_backend: &'a Names,
    ) -> BoxFuture<'a, Result<Verdict, String>> {
        let request = self.request(account);
        Box::pin(async move { read(&self.client.send(request?).await?, to_backend) })
    }

    fn request(&self, account: &Account<'_>) -> Result<Request<Bytes>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in account.headers() {
            if !is_reserved(name.as_str()) {
                headers.append(name.clone(), value.clone());
            }
        }
        // What the gateway tells of the call, whatever the caller has sent by these names.
        let source = account.source().map(|(address, _)| address).unwrap_or_default();
        for (name, value) in [
            ("x-forwarded-method", account.method()),
            ("x-forwarded-uri", account.path()),
            ("x-forwarded-host", account.host()),
            ("x-forwarded-proto", account.scheme()),
            ("x-forwarded-for", &source),
            ("x-transom-method", &account.exchange.method.full_name),
        ] {
            headers.remove(name);
            let value = HeaderValue::from_str(value).map_err(|error| format!("{name}: {error}"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let body = account.message.clone();
        let method = match (&body, self.as_called) {
            (_, true) => account.method().parse().map_err(|_| "the method is none".to_owned())?,
            (Some(_), false) => Method::POST,
            (None, false) => Method::GET,
        };
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        }
        let mut request = Request::new(body.unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = self.target(account)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The URL, with the call's path and query behind it where that is asked for.
    fn target(&self, account: &Account<'_>) -> Result<Uri, String> {
        if !self.as_called {
            return Ok(self.uri.clone());
        }
        let path = format!("{}{}", self.uri.path().trim_end_matches('/'), account.path());
        let mut parts = self.uri.clone().into_parts();
        let path = PathAndQuery::try_from(path);
        parts.path_and_query = Some(path.map_err(|error| format!("the path: {error}"))?);
        Uri::from_parts(parts).map_err(|error| format!("the path: {error}"))
    }
}

/// Reads an answer.
///
/// # Errors
/// It can't be acted on: neither a pass nor a refusal of the caller.
fn read(answer: &Response<Bytes>, to_backend: &Names) -> Result<Verdict, String> {
    let status = answer.status();
    let headers = || answer.headers().iter().filter(|(name, _)| may_be_set(name.as_str()));
    if status.is_success() {
        let mut pass = Pass::default();
        for (name, value) in headers() {
            if to_backend.have(name.as_str()) {
                pass.to_backend.push((name.clone(), value.clone(), true));
            } else {
                pass.to_caller.push((name.clone(), value.clone()));
            }
        }
        return Ok(Verdict::Pass(pass));
    }
    // Its own trouble is no decision about the caller.
    if status.is_server_error() {
        return Err(format!("the service answered {status}"));
    }
    let denied = verdict::deny(status, answer.body());
    let denied = denied.ok_or_else(|| format!("the service answered {status}"))?;
    Ok(Verdict::Deny(
        headers()
            .fold(denied, |denied, (name, value)| denied.with_header(name.clone(), value.clone())),
    ))
}
