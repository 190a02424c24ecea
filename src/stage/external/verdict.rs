//! What a service decides about a call, in the gateway's words.
//!
//! | the service says            | a REST caller gets         | a gRPC caller gets            |
//! |-----------------------------|----------------------------|-------------------------------|
//! | pass                        | the backend's answer       | the backend's answer          |
//! | 401                         | 401                        | UNAUTHENTICATED               |
//! | 403 and other 4xx           | that status                | PERMISSION_DENIED, or its own |
//! | 302 and other redirects     | that status and `location` | UNAUTHENTICATED               |
//! | 429                         | 429                        | RESOURCE_EXHAUSTED            |
//! | 5xx                         | that status                | UNAVAILABLE                   |
//! | nothing, or nothing that can be read | `status_on_failure` | the code of that status    |

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::{
    error::{Code, Error, Origin},
    exchange::Metadata,
};

/// The longest text of a service that a caller is shown, in bytes.
const LONGEST: usize = 1024;

/// A service's answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The call goes on.
    Pass(Pass),
    /// The caller gets this.
    Deny(Error),
}

/// What becomes of a call that goes on.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// For the backend: set, or added behind those of the same name.
    pub(super) to_backend: Vec<(HeaderName, HeaderValue, bool)>,
    /// Taken away before the backend is called.
    pub(super) removed: Vec<HeaderName>,
    /// For the caller.
    pub(super) to_caller: Vec<(HeaderName, HeaderValue)>,
    /// What is told of the caller.
    pub(super) claims: Map<String, Value>,
}

impl Pass {
    /// Makes the changes on the way to the backend.
    pub(super) fn apply(&self, metadata: &mut Metadata) {
        for name in &self.removed {
            metadata.remove(name);
        }
        for (name, value, is_added) in &self.to_backend {
            if *is_added {
                metadata.append(name.clone(), value.clone());
            } else {
                metadata.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The error of a call that the service refuses with this status; none for one that refuses
/// nothing. `text` is shown where it is short and plain.
pub(super) fn deny(status: StatusCode, text: &[u8]) -> Option<Error> {
    let code = code_of(status)?;
    let error = match plain(text) {
        Some(text) => Error::new(code, "external_denied", text),
        None => Error::new(code, "external_denied", "the caller may not call this method"),
    };
    Some(with_status(error.with_origin(Origin::Downstream), status))
}

/// The error of a call that nobody has decided about.
pub(super) fn undecided(status: StatusCode) -> Error {
    let message = "whether the call may be made can't be found out at the moment; try again later";
    let code = code_of(status).unwrap_or(Code::Unavailable);
    with_status(Error::new(code, "external_unavailable", message), status)
}

fn with_status(error: Error, status: StatusCode) -> Error {
    if error.code().http_status() == status { error } else { error.with_http(status) }
}

/// The code that stands for a status: the one that has it, else that of its kind.
fn code_of(status: StatusCode) -> Option<Code> {
    Some(match status.as_u16() {
        300..=399 | 401 | 407 => Code::Unauthenticated,
        400 | 422 => Code::InvalidArgument,
        404 | 410 => Code::NotFound,
        409 => Code::Aborted,
        412 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        504 => Code::DeadlineExceeded,
        _ if status.is_client_error() => Code::PermissionDenied,
        _ if status.is_server_error() => Code::Unavailable,
        _ => return None,
    })
}

/// A text that says something in a message, where every protocol puts words of its own around it.
fn plain(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_page = text.starts_with(['<', '{', '[']) || text.chars().any(char::is_control);
    (!text.is_empty() && text.len() <= LONGEST && !is_page).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_keep_their_number_and_have_a_code() {
        for (status, code) in [
            (302, Code::Unauthenticated),
            (401, Code::Unauthenticated),
            (402, Code::PermissionDenied),
            (403, Code::PermissionDenied),
            (404, Code::NotFound),
            (429, Code::ResourceExhausted),
            (451, Code::PermissionDenied),
            (500, Code::Internal),
            (502, Code::Unavailable),
        ] {
            let error = deny(StatusCode::from_u16(status).unwrap(), b"").unwrap();
            assert_eq!((error.code(), error.http_status().as_u16()), (code, status));
        }
        assert!(deny(StatusCode::OK, b"").is_none() && deny(StatusCode::CONTINUE, b"").is_none());
        assert_eq!(undecided(StatusCode::FORBIDDEN).code(), Code::PermissionDenied);
    }

    #[test]
    fn only_short_and_plain_text_is_shown() {
        let shown = |text: &[u8]| deny(StatusCode::FORBIDDEN, text).unwrap().message().to_owned();
        assert_eq!(shown(b" not on Sundays\n"), "not on Sundays");
        let long = vec![b'a'; LONGEST + 1];
        for text in [&b""[..], b"<html>", b"{\"a\":1}", b"a\nb", b"\xff", &long] {
            assert_eq!(shown(text), "the caller may not call this method");
        }
    }
}
