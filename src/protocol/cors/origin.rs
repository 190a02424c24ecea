//! Origins as a policy names them, and whether a page's is one of them.
//!
//! ```text
//! https://app.example.com       that one
//! https://*.example.com         every name below, at any depth, but not example.com itself
//! http://localhost:*            any port
//! null                          pages of no origin: files, sandboxed frames
//! *                             all
//! ```
//!
//! A page's `Origin` is `scheme "://" host [":" port]` or `null` (RFC 6454 §7.1, and the Fetch
//! standard, which sends one at most).

use std::{borrow::Cow, str::FromStr};

use http::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// One origin of a policy, or a pattern of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum Origin {
    /// Every one.
    Any,
    /// That of pages that have none.
    Null,
    /// These.
    Of {
        /// In lower case.
        scheme: String,
        /// In lower case; what follows `*` if it begins with a dot.
        host: String,
        /// The port.
        port: Port,
    },
}

/// The port of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any.
    Any,
    /// This one; none where it is the scheme's own.
    Of(Option<u16>),
}

/// `host [":" port]`, cut. The colons of an IPv6 address stand in brackets.
fn cut(authority: &str) -> (&str, Option<&str>) {
    let behind = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[behind..].find(':').map(|colon| behind + colon) {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    }
}

/// A port that is the scheme's own is none (RFC 6454 §4).
fn port(scheme: &str, port: Option<&str>) -> Option<Option<u16>> {
    let Some(port) = port else { return Some(None) };
    let port = port.parse().ok()?;
    let own = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Some(Some(port)),
    };
    Some((port != own).then_some(port))
}

fn is_host(host: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    !host.is_empty() && host.bytes().all(known)
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let lower = text.to_ascii_lowercase();
        let Some((scheme, rest)) = lower.split_once("://") else {
            return Err(format!("`{text}` has no scheme; write `https://{text}` for example"));
        };
        if let Some((authority, _)) = rest.split_once('/') {
            return Err(format!(
                "`{text}` has a path, and an origin has none; write `{scheme}://{authority}`"
            ));
        }
        let (host, written) = cut(rest);
        let name = host.strip_prefix('*').unwrap_or(host);
        if !is_host(name) || (name.len() < host.len() && !(name.starts_with('.') && name.len() > 1))
        {
            return Err(format!(
                "`{text}` names no host; write `https://app.example.com`, `https://*.example.com` \
                 for all names below, or `*` for every origin"
            ));
        }
        let port = match written {
            Some("*") => Port::Any,
            written => Port::Of(port(scheme, written).ok_or_else(|| {
                format!("`{text}` has no port behind its colon; write a number, or `*` for any")
            })?),
        };
        Ok(Self::Of { scheme: scheme.into(), host: name.into(), port })
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Origin {
    /// Whether the `Origin` of a page is this one or one of these.
    pub(super) fn fits(&self, page: &HeaderValue) -> bool {
        let (scheme, host, port) = match self {
            Self::Any => return true,
            Self::Null => return page == "null",
            Self::Of { scheme, host, port } => (scheme, host, port),
        };
        let page = page.to_str().ok().and_then(|page| page.split_once("://"));
        let Some((page_scheme, authority)) = page else { return false };
        let (page_host, page_port) = cut(authority);
        scheme.eq_ignore_ascii_case(page_scheme)
            && is_host(page_host)
            && fits_host(host, page_host)
            && match (port, self::port(scheme, page_port)) {
                (Port::Any, Some(_)) => true,
                (Port::Of(port), Some(given)) => *port == given,
                (_, None) => false,
            }
    }
}

fn fits_host(host: &str, given: &str) -> bool {
    if !host.starts_with('.') {
        return host.eq_ignore_ascii_case(given);
    }
    let at = given.len().saturating_sub(host.len());
    at > 0 && given.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(host))
}

/// Whether a page's origin is at this host and port, by which the gateway was called. The scheme
/// is not known where somebody else ends TLS.
pub(super) fn is_at(page: &HeaderValue, host: &[u8]) -> bool {
    let page = page.to_str().ok().and_then(|page| page.split_once("://"));
    page.is_some_and(|(_, authority)| authority.as_bytes().eq_ignore_ascii_case(host))
}

impl JsonSchema for Origin {
    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An origin, or a pattern: `*` for the names below a host, for any port, or for all.",
            "type": "string",
            "examples": ["https://app.example.com", "https://*.example.com", "http://localhost:*", "*"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(origin: &str, page: &str) -> bool {
        origin.parse::<Origin>().unwrap().fits(&HeaderValue::from_str(page).unwrap())
    }

    #[test]
    fn origin_fits_itself_alone() {
        let origin = "https://app.example.com";
        assert!(fits(origin, "https://app.example.com"));
        assert!(fits(origin, "https://APP.example.com"));
        assert!(fits(origin, "https://app.example.com:443"));
        assert!(fits("https://app.example.com:443", origin));
        for other in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://evil.example/app.example.com",
            "https://app.example.com/",
            "https://app.example.com:",
            "https://example.com",
            "https://xapp.example.com",
            "app.example.com",
            "null",
            "",
            "*",
            "https://",
        ] {
            assert!(!fits(origin, other), "{other}");
        }
        assert!(fits("http://[::1]:3000", "http://[::1]:3000"));
        assert!(!fits("http://[::1]:3000", "http://[::1]"));
        assert!(fits("capacitor://localhost", "capacitor://localhost"));
    }

    #[test]
    fn wildcard_fits_every_name_below_and_no_other() {
        let origin = "https://*.example.com";
        assert!(fits(origin, "https://app.example.com"));
        assert!(fits(origin, "https://a.b.EXAMPLE.com"));
        for other in [
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "https://evil.example/.example.com",
            "https://evil.example@a.example.com",
            "https://evil.example?.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.example",
            "http://a.example.com",
        ] {
            assert!(!fits(origin, other), "{other}");
        }
        assert!(fits("http://localhost:*", "http://localhost:5173"));
        assert!(fits("http://localhost:*", "http://localhost"));
        assert!(!fits("http://localhost:*", "http://localhost:x"));
        assert!(!fits("http://localhost:*", "http://localhost.evil.example:1"));
    }

    #[test]
    fn null_is_itself_and_everything_is_everything() {
        assert!(fits("null", "null"));
        assert!(!fits("null", "https://a.example"));
        assert!(fits("*", "null") && fits("*", "https://a.example"));
    }

    #[test]
    fn what_is_no_origin_is_told() {
        for (text, part) in [
            ("app.example.com", "write `https://app.example.com`"),
            ("https://app.example.com/", "write `https://app.example.com`"),
            ("https://app.example.com:8443/x", "write `https://app.example.com:8443`"),
            ("https://", "no host"),
            ("https://*", "no host"),
            ("https://*.", "no host"),
            ("https://*x.example.com", "no host"),
            ("https://a.*.example.com", "no host"),
            ("https://user@a.example", "no host"),
            ("https://a.example:port", "no port"),
            ("https://a.example:", "no port"),
            ("", "no scheme"),
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn page_of_the_gateways_own_host_is_known() {
        let page = HeaderValue::from_static("https://api.example:8443");
        assert!(is_at(&page, b"API.example:8443"));
        assert!(!is_at(&page, b"api.example"));
        assert!(!is_at(&HeaderValue::from_static("null"), b"null"));
    }
}
