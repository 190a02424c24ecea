//! `Vary`: what of the request an answer depends on, for caches on the way (RFC 9110 §12.5.5).

use http::{
    HeaderMap, HeaderValue,
    header::{Entry, VARY},
};

/// Adds the name of a request header unless it stands there already.
pub fn add(headers: &mut HeaderMap, name: HeaderValue) {
    let known = headers.get_all(VARY).iter().any(|value| lists(value, &name));
    if known {
        return;
    }
    match headers.entry(VARY) {
        Entry::Vacant(entry) => drop(entry.insert(name)),
        Entry::Occupied(mut entry) => {
            // One line is what clients of every age read.
            let joined = [entry.get().as_bytes(), b", ", name.as_bytes()].concat();
            match HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
                Ok(joined) => drop(std::mem::replace(entry.get_mut(), joined)),
                Err(_) => entry.append(name),
            }
        }
    }
}

fn lists(value: &HeaderValue, name: &HeaderValue) -> bool {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|one| one == b"*" || one.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_gathered_in_one_line_and_once() {
        let mut headers = HeaderMap::new();
        for name in ["origin", "accept-encoding", "origin"] {
            add(&mut headers, HeaderValue::from_static(name));
        }
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["origin, accept-encoding"]);

        headers.insert(VARY, HeaderValue::from_static("Accept , ORIGIN"));
        add(&mut headers, HeaderValue::from_static("origin"));
        assert_eq!(headers[VARY], "Accept , ORIGIN");

        headers.insert(VARY, HeaderValue::from_static("*"));
        add(&mut headers, HeaderValue::from_static("origin"));
        assert_eq!(headers[VARY], "*");
    }
}
