//! A raw path as segments.
//!
//! What is left of a path is an `Option<&str>`: `None` when nothing is left, and `Some("")` for one
//! empty segment. So `/a` and `/a/` differ, and `/` has no segments at all.

/// The segments of a path: what stands behind its first `/`.
pub(super) fn segments(path: &str) -> Option<&str> {
    path.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The first segment, and what is left behind it.
pub(super) fn split(rest: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'/', rest.as_bytes()) {
        Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
        None => (rest, None),
    }
}

/// What is left after some segments.
pub(super) fn skip(mut rest: Option<&str>, count: usize) -> Option<&str> {
    if count == usize::MAX {
        return None;
    }
    for _ in 0..count {
        rest = split(rest?).1;
    }
    rest
}

/// The path before the verb and the verb, if the last segment has a colon: the last one counts.
pub(super) fn split_verb(path: &str) -> Option<(&str, &str)> {
    let colon = memchr::memrchr2(b':', b'/', path.as_bytes())?;
    (path.as_bytes()[colon] == b':').then(|| (&path[..colon], &path[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_is_one_more_segment_and_the_root_has_none() {
        assert_eq!(segments("/"), None);
        assert_eq!(segments("/a").map(split), Some(("a", None)));
        assert_eq!(segments("/a/").map(split), Some(("a", Some(""))));
        assert_eq!(segments("//").map(split), Some(("", Some(""))));
    }

    #[test]
    fn only_the_last_colon_of_the_last_segment_begins_a_verb() {
        assert_eq!(split_verb("/a:b:c"), Some(("/a:b", "c")));
        assert_eq!(split_verb("/a:b/c:d"), Some(("/a:b/c", "d")));
        assert_eq!(split_verb("/a:b/c"), None);
        assert_eq!(split_verb("/a:"), Some(("/a", "")));
        assert_eq!(split_verb("*"), None);
    }
}
