//! Names of headers that stages hand on: which are whose, and which are copies of which.

use http::HeaderName;

use crate::exchange::Metadata;

/// Names that a protocol, or the gateway itself, keeps for framing and control.
const RESERVED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Prefixes of names that protocols keep for themselves.
const RESERVED_PREFIXES: [&str; 3] = [":", "grpc-", "connect-"];

/// Whether a name, in lower case, tells of one hop or controls a call.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether somebody who is asked about a call may set a header of this name, in lower case: it is not
/// reserved, and its value stands on the wire as it is.
pub(super) fn may_be_set(name: &str) -> bool {
    !is_reserved(name) && !name.ends_with("-bin")
}

/// Whether two names differ in nothing but `_` for `-`: some backends take `x_user` for `x-user`
/// (CGI's old way), so the one counts as a copy of the other.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let dashes = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.bytes().map(dashes).eq(other.bytes().map(dashes))
}

/// Takes away every header whose name is taken.
pub(super) fn strip(metadata: &mut Metadata, is_taken: impl Fn(&str) -> bool) {
    let taken: Vec<HeaderName> =
        metadata.keys().filter(|name| is_taken(name.as_str())).cloned().collect();
    for name in taken {
        metadata.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn copies_are_taken_whatever_way_they_are_written() {
        let mut metadata = Metadata::new();
        for name in ["x-user-id", "x_user_id", "x-user_id", "x-user", "x_other"] {
            metadata.append(name, HeaderValue::from_static("root"));
            metadata.append(name, HeaderValue::from_static("admin"));
        }
        strip(&mut metadata, |name| is_same(name, "x-user-id"));
        let mut left: Vec<_> = metadata.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-user", "x_other"]);
    }

    #[test]
    fn names_that_frame_or_control_are_reserved() {
        for name in ["te", "grpc-status", "connect-timeout-ms", ":path", "content-length"] {
            assert!(is_reserved(name) && !may_be_set(name), "{name}");
        }
        assert!(!is_reserved("x-user-bin") && !may_be_set("x-user-bin"));
        for name in ["x-user", "authorization", "cookie", "x-forwarded-for"] {
            assert!(!is_reserved(name) && may_be_set(name), "{name}");
        }
    }
}
