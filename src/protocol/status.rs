//! How a call ended, as gRPC and gRPC-Web tell it: in trailers, or in the head of an answer that
//! has no messages ("Trailers-Only").
//!
//! ```text
//! NOT_FOUND: no café   ─►   grpc-status: 5
//!                           grpc-message: no caf%C3%A9
//!                           grpc-status-details-bin: …      as the backend sent them, or our own
//! ```
//!
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Responses".)

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use prost::Message;

use super::{
    Refusal, ResponseBody, metadata,
    streamed::{self, Form},
};
use crate::{error::Error, exchange::Metadata};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The codes of gRPC as header values.
const NUMBERS: [&str; 17] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];

/// The trailers of a call that ended so.
pub fn of(end: Result<Metadata, &Error>) -> HeaderMap {
    end.map_or_else(of_error, of_success)
}

/// The trailers of a call that went well, made of the backend's.
fn of_success(metadata: Metadata) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    metadata::to_response(metadata, &mut trailers);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(NUMBERS[0]));
    trailers
}

/// The trailers of a call that failed.
fn of_error(error: &Error) -> HeaderMap {
    of_error_with(error, error.metadata().clone())
}

fn of_error_with(error: &Error, metadata: Metadata) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    metadata::to_response(metadata, &mut trailers);
    let number = NUMBERS[error.code().number() as usize];
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(number));
    if let Some(message) = message(error.message()) {
        trailers.insert(GRPC_MESSAGE, message);
    }
    if let Some(details) = details(error) {
        trailers.insert(GRPC_DETAILS, details);
    }
    trailers
}

/// The answer of a call that failed before its first message. A head that the backend had sent
/// before it failed stays one, and the trailers come behind it as their form has it; else all is in
/// the head.
pub fn failed(
    error: &Error,
    content_type: &'static str,
    form: impl Form,
) -> Response<ResponseBody> {
    if error.head().is_empty() {
        return trailers_only(error, content_type);
    }
    let mut response = Response::new(streamed::failed(form, error));
    response.extensions_mut().insert(Refusal::by(error));
    metadata::to_response(error.head().clone(), response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer of a call that was refused: a head and nothing else.
pub fn trailers_only(error: &Error, content_type: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    response.extensions_mut().insert(Refusal::by(error));
    *response.headers_mut() = of_error_with(error, error.all_metadata());
    for (name, value) in error.headers() {
        response.headers_mut().append(name, value.clone());
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `grpc-message`: what is no printable ASCII is percent-encoded, and so is `%` itself. An empty
/// one is left out.
fn message(text: &str) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                encoded.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
            }
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from(encoded)).ok()
}

/// `google.rpc.Status`, which `grpc-status-details-bin` holds.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The details in base64, without padding as gRPC asks of those who write it.
fn details(error: &Error) -> Option<HeaderValue> {
    let encoded = match error.raw_details() {
        Some(raw) => base64_simd::STANDARD_NO_PAD.encode_to_string(raw),
        None if error.details().is_empty() => return None,
        None => base64_simd::STANDARD_NO_PAD.encode_to_string(status(error).encode_to_vec()),
    };
    HeaderValue::from_maybe_shared(Bytes::from(encoded)).ok()
}

fn status(error: &Error) -> Status {
    let details = error.details().iter().map(|detail| prost_types::Any {
        type_url: detail.type_url.clone(),
        value: detail.value.to_vec(),
    });
    Status {
        code: error.code().number() as i32,
        message: error.message().to_owned(),
        details: details.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{Code, Detail},
        exchange::Packed,
        protocol::streamed::End,
    };

    fn decoded(trailers: &HeaderMap) -> Bytes {
        let details = trailers[GRPC_DETAILS].as_bytes();
        base64_simd::STANDARD_NO_PAD.decode_to_vec(details).unwrap().into()
    }

    #[test]
    fn success_is_zero_behind_the_backends_trailers() {
        let mut metadata = Metadata::new();
        metadata.append("x-a", HeaderValue::from_static("1"));
        metadata.append("x-a", HeaderValue::from_static("2"));
        let trailers = of_success(metadata);
        assert_eq!(trailers.get_all("x-a").iter().count(), 2);
        assert_eq!(trailers[GRPC_STATUS], "0");
        assert_eq!(trailers.len(), 3);
    }

    #[test]
    fn every_code_has_its_number() {
        for number in 0..17 {
            let error = Error::new(Code::from_number(number), "word", "");
            assert_eq!(of_error(&error)[GRPC_STATUS], number.to_string());
        }
    }

    #[test]
    fn message_is_percent_encoded_where_it_must_be() {
        for (text, encoded) in [
            ("plain text~", "plain text~"),
            ("100% café\r\n", "100%25 caf%C3%A9%0D%0A"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(message(text).unwrap(), encoded);
        }
        assert_eq!(message(""), None);
    }

    #[test]
    fn details_of_the_backend_stay_and_our_own_are_made() {
        let detail = Detail { type_url: "t/a.B".into(), value: Bytes::from_static(&[8, 1]) };
        let own = Error::invalid("word", "wrong").with_detail(detail);
        let status = Status::decode(decoded(&of_error(&own))).unwrap();
        assert_eq!((status.code, status.message.as_str()), (3, "wrong"));
        assert_eq!(status.details[0].type_url, "t/a.B");
        let raw = Bytes::from_static(b"\x08\x05\xba\x3e\x01x");
        let foreign = own.with_raw_details(raw.clone());
        assert_eq!(decoded(&of_error(&foreign)), raw);
        assert!(!of_error(&Error::invalid("word", "wrong")).contains_key(GRPC_DETAILS));
    }

    /// Trailers behind the body, as gRPC has them.
    struct Trailed;

    impl Form for Trailed {
        fn room(&self, _: usize) -> usize {
            0
        }

        fn append(&mut self, _: Packed, _: &mut Vec<u8>) -> Result<Option<Bytes>, Error> {
            Ok(None)
        }

        fn end(&mut self, end: Result<Metadata, &Error>, _: &mut Vec<u8>) -> End {
            End::Trailers(Box::new(of(end)))
        }
    }

    #[test]
    fn head_that_was_sent_before_the_failure_stays_the_head() {
        let map = |name: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))])
        };
        let error = Error::not_found("word", "gone").with_metadata(map("x-trailer"));
        let grpc = "application/grpc";
        let response = failed(&error, grpc, Trailed);
        assert!(matches!(response.body(), ResponseBody::Empty));
        assert!(response.headers().contains_key("x-trailer"));
        let response = failed(&error.with_head(map("x-head")), grpc, Trailed);
        assert!(response.headers().contains_key("x-head"));
        assert!(!response.headers().contains_key(GRPC_STATUS));
        assert!(response.extensions().get::<Refusal>().is_some());
        let ResponseBody::Trailed(_, trailers) = response.body() else { panic!("no trailers") };
        assert_eq!(
            (&trailers["x-trailer"], &trailers[GRPC_STATUS]),
            (&"1".parse().unwrap(), &"5".parse().unwrap())
        );
    }

    #[test]
    fn refusal_is_a_head_without_a_body() {
        let mut metadata = Metadata::new();
        metadata.insert("x-own", HeaderValue::from_static("1"));
        let error = Error::new(Code::Unauthenticated, "no_token", "who are you?")
            .with_metadata(metadata)
            .with_header(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        let response = trailers_only(&error, "application/grpc");
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers[GRPC_STATUS], "16");
        assert_eq!(headers[GRPC_MESSAGE], "who are you?");
        assert_eq!(
            (&headers["x-own"], &headers["www-authenticate"]),
            (&"1".parse().unwrap(), &"Bearer".parse().unwrap())
        );
        assert_eq!(headers[CONTENT_TYPE], "application/grpc");
        assert!(matches!(response.body(), ResponseBody::Empty));
        assert_eq!(response.extensions().get::<Refusal>().unwrap().reason, "no_token");
    }
}
