//! The backend's trailers that a policy declares: headers of a whole answer, trailers of a stream.
//!
//! What is not declared stays behind. Trailers tell of the call, not of the resource, and no REST
//! client expects them.

use http::{HeaderMap, HeaderName, HeaderValue, header::TRAILER};

use crate::exchange::Metadata;

/// The names of the declared trailers.
pub(super) struct Declared(Box<[HeaderName]>);

impl Declared {
    /// Reads the names of a policy.
    ///
    /// # Errors
    /// The first that is no header's name.
    pub(super) fn parse(names: &[String]) -> Result<Self, String> {
        let parse = |name: &String| HeaderName::try_from(name).map_err(|_| name.clone());
        names.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Names the trailers that may follow; HTTP/1.1 sends none that were not announced (RFC 9110
    /// §6.6.2).
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        for name in &self.0 {
            headers.append(TRAILER, HeaderValue::from(name.clone()));
        }
    }

    /// Adds the declared ones among `trailers` to `headers`.
    pub(super) fn add(&self, trailers: &Metadata, headers: &mut HeaderMap) {
        for name in &self.0 {
            for value in trailers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }

    /// The declared ones among `trailers`, if there are any.
    pub(super) fn of(&self, trailers: &Metadata) -> Option<HeaderMap> {
        let mut declared = HeaderMap::new();
        self.add(trailers, &mut declared);
        (!declared.is_empty()).then_some(declared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_trailers_pass() {
        let declared = Declared::parse(&["X-Cost".into(), "x-none".into()]).unwrap();
        let mut trailers = Metadata::new();
        trailers.append("x-cost", HeaderValue::from_static("1"));
        trailers.append("x-cost", HeaderValue::from_static("2"));
        assert_eq!(declared.of(&trailers), Some(trailers.clone()));
        trailers.insert("x-secret", HeaderValue::from_static("3"));
        assert_eq!(declared.of(&trailers).unwrap().len(), 2);
        trailers.remove("x-cost");
        assert_eq!(declared.of(&trailers), None);

        let mut headers = HeaderMap::new();
        declared.announce(&mut headers);
        let announced: Vec<_> = headers.get_all(TRAILER).into_iter().collect();
        assert_eq!(announced, ["x-cost", "x-none"]);
    }

    #[test]
    fn what_is_no_name_is_told() {
        assert_eq!(Declared::parse(&["a".into(), "b c".into()]).err(), Some("b c".to_owned()));
    }
}
