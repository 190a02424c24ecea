//! The methods that a path answers, as an `Allow` header names them.

use bytes::Bytes;
use http::{HeaderValue, Method};

/// The order in which `Allow` names the usual methods; others follow by name, then OPTIONS.
const USUAL: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The methods that a path answers (RFC 9110, section 10.2.1).
///
/// OPTIONS is always one of them, since the gateway answers it itself, and HEAD is where GET is. A
/// route for every method stands for the usual ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(HeaderValue);

impl Allowed {
    /// The value of the header, `GET, HEAD, OPTIONS` for example.
    pub fn header_value(&self) -> &HeaderValue {
        &self.0
    }

    /// The same, taken out.
    pub fn into_header_value(self) -> HeaderValue {
        self.0
    }

    /// From the methods that the path's routes name, in any order; `any` if one takes all.
    pub(super) fn of(mut methods: Vec<&Method>, any: bool) -> Self {
        if any {
            methods.extend(&USUAL);
        }
        if methods.contains(&&Method::GET) {
            methods.push(&Method::HEAD);
        }
        methods.retain(|method| *method != Method::OPTIONS);
        let place = |method: &Method| USUAL.iter().position(|usual| usual == method);
        methods
            .sort_unstable_by_key(|method| (place(method).unwrap_or(USUAL.len()), method.as_str()));
        methods.dedup();
        methods.push(&Method::OPTIONS);
        let names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
        // Methods are tokens (RFC 9110, section 9.1), so that the value is always valid.
        let value = HeaderValue::from_maybe_shared(Bytes::from(names.join(", ")));
        Self(value.unwrap_or_else(|_| HeaderValue::from_static("OPTIONS")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_names_usual_methods_first_and_options_last() {
        let purge = Method::from_bytes(b"PURGE").unwrap();
        let acl = Method::from_bytes(b"ACL").unwrap();
        for (methods, any, value) in [
            (vec![&Method::POST], false, "POST, OPTIONS"),
            (vec![&Method::GET, &Method::GET], false, "GET, HEAD, OPTIONS"),
            (
                vec![&purge, &Method::HEAD, &acl, &Method::PATCH],
                false,
                "HEAD, PATCH, ACL, PURGE, OPTIONS",
            ),
            (vec![&Method::OPTIONS, &Method::DELETE, &Method::PUT], false, "PUT, DELETE, OPTIONS"),
            (vec![&purge], true, "GET, HEAD, POST, PUT, PATCH, DELETE, PURGE, OPTIONS"),
        ] {
            assert_eq!(Allowed::of(methods, any).header_value(), value);
        }
    }
}
