//! One method's policy, its headers ready to be sent.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    },
};

use super::{Name, Origin, OtherOrigins, Page, Permission, refused};
use crate::protocol::{ResponseBody, failure, vary};

/// What clients of the protocols send beside what every page may.
///
/// | REST     | content-type, content-encoding, x-request-timeout                              |
/// | gRPC-Web | content-type, grpc-timeout, x-grpc-web, x-user-agent                           |
/// | Connect  | content-type, content-encoding, connect-…, x-user-agent                        |
const SENT: [&str; 10] = [
    "content-type",
    "content-encoding",
    "x-request-timeout",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
    "connect-protocol-version",
    "connect-timeout-ms",
    "connect-content-encoding",
    "connect-accept-encoding",
];

/// What clients of the protocols read beside what every page may.
///
/// | all      | retry-after, ratelimit, ratelimit-policy                                      |
/// | REST     | x-request-id, allow, accept-post, accept-patch, accept-encoding               |
/// | gRPC-Web | grpc-status, grpc-message, grpc-status-details-bin                            |
/// | Connect  | content-encoding, connect-content-encoding                                    |
const READ: [&str; 13] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "content-encoding",
    "connect-content-encoding",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-request-id",
    "allow",
    "accept-post",
    "accept-patch",
    "accept-encoding",
];

/// What Connect puts before the name of a trailer that it sends as a header.
const TRAILER: &str = "trailer-";

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// One method's policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    origins: Vec<Origin>,
    /// Every origin, which the answer need not name.
    any_origin: bool,
    credentials: bool,
    reject_others: bool,
    any_header: bool,
    headers: HeaderValue,
    expose_any: bool,
    expose: HeaderValue,
    max_age: Option<HeaderValue>,
}

impl Policy {
    pub(super) fn compile(permission: &Permission) -> Self {
        let Permission { origins, headers, expose, credentials, max_age, other_origins } =
            permission;
        let expose = expose.iter().cloned().flat_map(|name| [trailer(&name), Some(name)]);
        let expose: Vec<Name> = expose.flatten().collect();
        Self {
            origins: origins.clone(),
            any_origin: origins.contains(&Origin::Any),
            credentials: *credentials,
            reject_others: *other_origins == OtherOrigins::Reject,
            any_header: headers.contains(&Name::Any),
            headers: list(&SENT, headers),
            expose_any: expose.contains(&Name::Any),
            expose: list(&READ, &expose),
            max_age: max_age.map(|age| age.as_secs().into()),
        }
    }

    /// Whether the page may call.
    pub(super) fn allows(&self, page: &Page) -> bool {
        page.single && self.origins.iter().any(|origin| origin.fits(&page.origin))
    }

    /// Whether a call by the page is refused.
    pub(super) fn rejects(&self, page: &Page) -> bool {
        self.reject_others && !page.own && !self.allows(page)
    }

    /// The answer to a preflight. To the browser a refusal is any answer without the headers; to
    /// whoever reads its log, 403 and a sentence say more than 204.
    pub(super) fn answer(&self, page: &Page, asked: &HeaderMap) -> Response<ResponseBody> {
        let response = if self.allows(page) {
            self.permit(page, asked)
        } else {
            failure::plain(&refused(page))
        };
        Self::vary(response, true)
    }

    fn permit(&self, page: &Page, asked: &HeaderMap) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.admit(page, headers);
        if let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        }
        // To browsers `*` would neither mean `authorization` nor, with credentials, anything.
        let named = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let named = named.filter(|named| self.any_header && is_list(named));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, named.unwrap_or(&self.headers).clone());
        if let Some(age) = &self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        response
    }

    /// Adds what the browser of the page wants to know of an answer.
    pub(super) fn mark(
        &self,
        page: &Page,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let headers = response.headers_mut();
        // The gateway's policy holds, not what a backend may say besides.
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        if self.allows(page) {
            let expose = self.exposed(headers);
            self.admit(page, headers);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose);
        }
        Self::vary(response, false)
    }

    /// Tells caches that another page may get another answer.
    pub(super) fn vary(
        mut response: Response<ResponseBody>,
        preflight: bool,
    ) -> Response<ResponseBody> {
        let headers = response.headers_mut();
        vary::add(headers, HeaderValue::from_static("origin"));
        if preflight {
            vary::add(headers, ACCESS_CONTROL_REQUEST_METHOD.into());
            vary::add(headers, ACCESS_CONTROL_REQUEST_HEADERS.into());
        }
        response
    }

    fn admit(&self, page: &Page, headers: &mut HeaderMap) {
        let origin = if self.any_origin { ANY } else { page.origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }

    fn exposed(&self, headers: &HeaderMap) -> HeaderValue {
        match (self.expose_any, self.credentials) {
            (true, false) => ANY,
            // With credentials a browser takes `*` for a header of that name.
            (true, true) => {
                let names = headers.keys().map(|name| Name::Of(name.clone()));
                list(&READ, &names.collect::<Vec<_>>())
            }
            (false, _) => self.expose.clone(),
        }
    }
}

/// The name that a trailer has as a header of Connect's.
fn trailer(name: &Name) -> Option<Name> {
    let Name::Of(name) = name else { return None };
    HeaderName::try_from(format!("{TRAILER}{name}")).ok().map(Name::Of)
}

/// A list of names; those that are no names but `*` are left out.
fn list(own: &[&str], names: &[Name]) -> HeaderValue {
    let mut all = own.to_vec();
    for name in names {
        if let Name::Of(name) = name
            && !all.contains(&name.as_str())
        {
            all.push(name.as_str());
        }
    }
    // Names are tokens (RFC 9110 §5.1), so that the value is always valid.
    HeaderValue::try_from(all.join(", ")).unwrap_or(HeaderValue::from_static("content-type"))
}

/// Whether a value is a list of names and nothing else.
fn is_list(value: &HeaderValue) -> bool {
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    value.as_bytes().split(|byte| *byte == b',').all(is_name)
}
