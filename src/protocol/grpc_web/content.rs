//! The forms that gRPC-Web comes in: bytes or text, protobuf or JSON; and which one is answered.

use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::protocol::codec::{Codec, ContentType};

const BINARY: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Whether all of it is base64.
    pub(super) text: bool,
    pub(super) codec: Codec,
    /// Whether the content type names the codec, as an answer then does too.
    suffixed: bool,
}

/// What a request's content type says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// It is gRPC-Web in this form.
    Content(Content),
    /// It is gRPC-Web in a codec that nobody here speaks.
    UnknownCodec(&'a str),
    /// It is something else.
    Nothing,
}

impl<'a> Said<'a> {
    pub(super) fn by(headers: &'a HeaderMap) -> Self {
        let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        header.map_or(Self::Nothing, Self::of)
    }

    fn of(text: &'a str) -> Self {
        let content = ContentType::parse(text);
        let text = content.base.eq_ignore_ascii_case(TEXT);
        if !text && !content.base.eq_ignore_ascii_case(BINARY) {
            return Self::Nothing;
        }
        match content.codec() {
            None => Self::UnknownCodec(content.suffix),
            Some(codec) => {
                Self::Content(Content { text, codec, suffixed: !content.suffix.is_empty() })
            }
        }
    }
}

impl Content {
    /// The form of the answer: bytes or text as `accept` asks, else as the request has it. The
    /// codec is that of the request.
    pub(super) fn answered(self, headers: &HeaderMap) -> Self {
        let lists = headers.get_all(ACCEPT).into_iter().filter_map(|list| list.to_str().ok());
        let mut asked = None;
        for kind in lists.flat_map(|list| list.split(',')) {
            if let Said::Content(content) = Said::of(kind) {
                // A caller that takes both gets what it sent.
                if content.text == self.text {
                    return self;
                }
                asked = Some(content.text);
            }
        }
        Self { text: asked.unwrap_or(self.text), ..self }
    }

    /// The content type of an answer in this form.
    pub(super) fn content_type(self) -> &'static str {
        match (self.text, self.codec, self.suffixed) {
            (false, Codec::Json, _) => "application/grpc-web+json",
            (false, Codec::Proto, true) => "application/grpc-web+proto",
            (false, Codec::Proto, false) => BINARY,
            (true, Codec::Json, _) => "application/grpc-web-text+json",
            (true, Codec::Proto, true) => "application/grpc-web-text+proto",
            (true, Codec::Proto, false) => TEXT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        match Said::of(text) {
            Said::Content(content) => content,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_content_type_is_known_and_answered_alike() {
        for text in ["application/grpc-web", "application/grpc-web-text"] {
            for suffix in ["", "+proto", "+json"] {
                let whole = format!("{text}{suffix}");
                assert_eq!(content(&whole).content_type(), whole);
                assert_eq!(content(&whole.to_uppercase()).content_type(), whole);
                assert_eq!(content(&format!("{whole}; charset=utf-8")).content_type(), whole);
            }
            assert_eq!(Said::of(&format!("{text}+thrift")), Said::UnknownCodec("thrift"));
        }
        for other in ["application/grpc", "application/grpc-web-json", "application/json", ""] {
            assert_eq!(Said::of(other), Said::Nothing, "{other}");
        }
    }

    #[test]
    fn accept_decides_between_bytes_and_text() {
        for (sent, accept, answered) in [
            ("application/grpc-web-text", "", "application/grpc-web-text"),
            ("application/grpc-web-text", "*/*", "application/grpc-web-text"),
            (
                "application/grpc-web+proto",
                "application/grpc-web-text",
                "application/grpc-web-text+proto",
            ),
            ("application/grpc-web-text", "application/grpc-web+proto", "application/grpc-web"),
            (
                "application/grpc-web",
                "application/grpc-web-text, application/grpc-web",
                "application/grpc-web",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(
                content(sent).answered(&headers).content_type(),
                answered,
                "{sent} {accept}"
            );
        }
    }
}
