//! Which pages may connect.
//!
//! A browser lets any page open a WebSocket to any host, with the host's cookies, and only says in
//! `Origin` which page it was (RFC 6455 §10.2, RFC 6454 §7). So the check is ours. Callers that are
//! no browsers send none, and gain nothing by making one up.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, StatusCode, Uri, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    error::{Code, Error, Origin as Cause},
    protocol::websocket::Settings,
};

/// Whose pages may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Everybody's.
    Any,
    /// Those of this origin, as a browser writes it: `https://app.example:8443`, or `null`.
    One(String),
}

impl Origin {
    /// Reads an origin as a policy has it.
    fn read(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Any),
            "null" => Some(Self::One(text.into())),
            _ => {
                let uri = text.parse::<Uri>().ok()?;
                // The parser adds a slash where none was written.
                let is_bare = uri.path() == "/" && uri.query().is_none() && !text.ends_with('/');
                serialise(&uri).filter(|_| is_bare).map(Self::One)
            }
        }
    }

    fn is(&self, serial: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one == serial,
        }
    }
}

/// `scheme://host[:port]` in lower case, without the scheme's own port.
fn serialise(uri: &Uri) -> Option<String> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if authority.as_str().contains('@') {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let host = bare_host(&scheme, authority.as_str());
    Some(format!("{scheme}://{host}"))
}

/// A host with its port, in lower case, without the scheme's own port.
fn bare_host(scheme: &str, authority: &str) -> String {
    let own = if scheme == "https" || scheme == "wss" { ":443" } else { ":80" };
    authority.strip_suffix(own).unwrap_or(authority).to_ascii_lowercase()
}

/// Refuses a page that may not connect. `host` is how the caller called us.
///
/// # Errors
/// PERMISSION_DENIED, HTTP 403.
pub(super) fn check(
    headers: &HeaderMap,
    host: Option<&str>,
    settings: &Settings,
) -> Result<(), Error> {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let uri = origin.parse::<Uri>().ok();
    let serial = uri.as_ref().and_then(serialise);
    let is_own = || {
        let scheme = uri.as_ref()?.scheme_str()?.to_ascii_lowercase();
        let rest = serial.as_ref()?.strip_prefix(&format!("{scheme}://"))?;
        Some(rest == bare_host(&scheme, host?))
    };
    let serial = serial.as_deref().unwrap_or(origin);
    let is_listed = || settings.origins.iter().any(|one| one.is(serial));
    if origins.next().is_none() && (is_listed() || is_own().unwrap_or(false)) {
        return Ok(());
    }
    let shown = &origin[..origin.floor_char_boundary(200)];
    let message = format!(
        "pages of origin `{shown}` may not connect here; `websocket.origins` of the method's \
         policy names those that may"
    );
    Err(Error::new(Code::PermissionDenied, "origin_refused", message)
        .with_origin(Cause::Downstream)
        .with_http(StatusCode::FORBIDDEN))
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OriginReader)
    }
}

struct OriginReader;

impl de::Visitor<'_> for OriginReader {
    type Value = Origin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an origin such as `https://app.example`, or `*`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Origin, E> {
        Origin::read(text).ok_or_else(|| {
            let host = text.split("://").last().unwrap_or_default();
            let host = host.split('/').next().filter(|host| !host.is_empty());
            let host = host.unwrap_or("app.example");
            E::custom(format!(
                "`{text}` is no origin; write scheme and host as a browser does, \
                 `https://{host}` for example, or `*` for every page"
            ))
        })
    }
}

impl JsonSchema for Origin {
    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Scheme and host of a page, or `*` for every page.",
            "type": "string",
            "examples": ["https://app.example", "http://localhost:3000", "*"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(origin: &str, host: &str, listed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        let origins = listed.iter().map(|one| Origin::read(one).unwrap()).collect();
        let settings = Settings { origins, ..Settings::default() };
        check(&headers, Some(host), &settings).is_ok()
    }

    #[test]
    fn page_of_the_host_itself_may_connect() {
        assert!(passes("https://api.example", "api.example", &[]));
        assert!(passes("https://API.example", "api.Example:443", &[]));
        assert!(passes("http://api.example:8080", "api.example:8080", &[]));
        assert!(passes("http://[::1]:8080", "[::1]:8080", &[]));
        assert!(!passes("https://api.example", "api.example:80", &[]));
        assert!(!passes("https://api.example.evil.example", "api.example", &[]));
        assert!(!passes("https://evil.example", "api.example", &[]));
        assert!(!passes("null", "api.example", &[]));
        assert!(!passes("api.example", "api.example", &[]));
        assert!(!passes("", "api.example", &[]));
    }

    #[test]
    fn page_of_a_listed_origin_may_connect() {
        let listed = ["https://app.example", "http://localhost:3000", "null"];
        assert!(passes("https://app.example", "api.example", &listed));
        assert!(passes("http://localhost:3000", "api.example", &listed));
        assert!(passes("null", "api.example", &listed));
        assert!(passes("https://api.example", "api.example", &listed), "its own, as before");
        assert!(!passes("http://app.example", "api.example", &listed), "another scheme");
        assert!(!passes("https://app.example:8443", "api.example", &listed), "another port");
        assert!(passes("https://evil.example", "api.example", &["*"]));
    }

    #[test]
    fn caller_without_an_origin_may_connect_and_with_two_may_not() {
        let mut headers = HeaderMap::new();
        assert!(check(&headers, None, &Settings::default()).is_ok());
        headers.append(header::ORIGIN, "https://a.example".parse().unwrap());
        headers.append(header::ORIGIN, "https://a.example".parse().unwrap());
        let error = check(&headers, Some("a.example"), &Settings::default()).unwrap_err();
        assert_eq!(error.http_status(), 403);
    }

    #[test]
    fn origin_of_a_policy_is_scheme_and_host_alone() {
        for good in ["*", "null", "https://a.example", "HTTPS://A.example:443", "http://[::1]:1"] {
            assert!(Origin::read(good).is_some(), "{good}");
        }
        for bad in ["", "a.example", "https://", "https://a.example/", "https://a.example/x", "//a"]
        {
            assert_eq!(Origin::read(bad), None, "{bad}");
        }
        assert_eq!(
            Origin::read("HTTPS://A.example:443"),
            Some(Origin::One("https://a.example".into()))
        );
    }
}
