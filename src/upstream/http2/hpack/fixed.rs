//! HPACK's static table (RFC 7541 Appendix A).

use std::sync::LazyLock;

use super::table::Field;

/// How many entries it has; the dynamic table's indices follow.
pub(super) const COUNT: usize = 61;

/// Names and values in order, from index 1.
pub(super) const ENTRIES: [(&str, &str); COUNT] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The same, read once.
pub(super) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    ENTRIES.iter().map(|(name, value)| Field::read(name.as_bytes(), value.as_bytes())).collect()
});

/// The index of a name, if the table has it.
pub(super) fn index_of(name: &[u8]) -> Option<usize> {
    // Requests have few of these names, and most of them early in their part of the alphabet.
    let first = *name.first()?;
    let place = ENTRIES.iter().position(|(entry, _)| {
        entry.as_bytes()[0] == first && entry.len() == name.len() && entry.as_bytes() == name
    })?;
    Some(place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_at_their_first_place() {
        for (name, index) in [
            (":authority", Some(1)),
            (":path", Some(4)),
            ("content-type", Some(31)),
            ("user-agent", Some(58)),
            ("www-authenticate", Some(61)),
            ("grpc-timeout", None),
            ("", None),
        ] {
            assert_eq!(index_of(name.as_bytes()), index, "{name}");
        }
    }
}
