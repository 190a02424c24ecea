//! How messages stand in bodies and frames, as content types and subprotocols name it.

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Protobuf's wire format.
    Proto,
    /// Protobuf's JSON mapping.
    Json,
}

impl Codec {
    /// The codec of this name, `proto` or `json` in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("json") { Some(Self::Json) } else { is("proto").then_some(Self::Proto) }
    }
}

/// A content type of the kind `application/grpc+proto; charset=utf-8`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// `application/grpc`
    pub base: &'a str,
    /// `proto`; empty if there is none.
    pub suffix: &'a str,
}

impl<'a> ContentType<'a> {
    /// Takes a content type apart; parameters are left aside.
    pub fn parse(text: &'a str) -> Self {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let (base, suffix) = essence.split_once('+').unwrap_or((essence, ""));
        Self { base, suffix }
    }

    /// The codec, protobuf where none is named; `None` for one that nobody here speaks.
    pub fn codec(self) -> Option<Codec> {
        if self.suffix.is_empty() { Some(Codec::Proto) } else { Codec::from_name(self.suffix) }
    }
}

/// Whether a content type's parameter names a charset in which no JSON is written (RFC 8259 §8.1).
pub fn is_other_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let value = value.trim_matches('"');
        let known = ["utf-8", "utf8", "us-ascii"];
        name.eq_ignore_ascii_case("charset")
            && !known.iter().any(|one| value.eq_ignore_ascii_case(one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_taken_apart() {
        for (text, base, suffix, codec) in [
            ("application/grpc", "application/grpc", "", Some(Codec::Proto)),
            ("application/grpc+proto", "application/grpc", "proto", Some(Codec::Proto)),
            ("application/grpc+JSON ; a=b", "application/grpc", "JSON", Some(Codec::Json)),
            ("application/grpc;charset=utf-8", "application/grpc", "", Some(Codec::Proto)),
            ("application/grpc-web+thrift", "application/grpc-web", "thrift", None),
            ("", "", "", Some(Codec::Proto)),
        ] {
            let parsed = ContentType::parse(text);
            assert_eq!(parsed, ContentType { base, suffix }, "{text}");
            assert_eq!(parsed.codec(), codec, "{text}");
        }
    }
}
