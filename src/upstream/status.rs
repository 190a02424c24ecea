//! How a call ended: response heads and trailers into metadata or one [`Error`].
//!
//! The rules are those of
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> and
//! <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use prost::Message;

use super::http2::FieldList;
use crate::{
    coding::{Coding, Codings},
    error::{Code, Detail, Error, Origin},
    exchange::Metadata,
};

/// `google.rpc.Status`, which `grpc-status-details-bin` holds.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// What a response's head says.
#[derive(Debug)]
pub(super) enum Head {
    /// Messages follow; here is the metadata before them.
    Messages(Metadata),
    /// The call is over already: the trailers after no message, or why there is no answer.
    Ended(Result<Metadata, Error>),
}

/// What a head or trailers tell the gateway and nobody behind it.
#[derive(Debug, Default)]
pub(super) struct Told {
    status: Option<HeaderValue>,
    message: Option<HeaderValue>,
    details: Option<HeaderValue>,
    encoding: Option<HeaderValue>,
    accept_encoding: Option<HeaderValue>,
    content_type: Option<HeaderValue>,
}

impl Told {
    /// Sorts header fields: those of gRPC and HTTP, of which the first of a name counts, and the
    /// metadata.
    pub(super) fn read(fields: FieldList) -> (Self, Metadata) {
        let (mut told, mut metadata) = (Self::default(), Metadata::new());
        for (name, value) in fields {
            let place = match name.as_str() {
                "grpc-status" => &mut told.status,
                "grpc-message" => &mut told.message,
                "grpc-status-details-bin" => &mut told.details,
                "grpc-encoding" => &mut told.encoding,
                "grpc-accept-encoding" => &mut told.accept_encoding,
                "content-type" => &mut told.content_type,
                "content-length" | "trailer" => continue,
                _ => {
                    metadata.append(name, value);
                    continue;
                }
            };
            place.get_or_insert(value);
        }
        (told, metadata)
    }

    /// What messages may be packed with, if it is one of the codings that were asked for.
    pub(super) fn coding(&self, asked: Codings) -> Option<Coding> {
        let name = self.encoding.as_ref()?.to_str().ok()?;
        Coding::from_name(name).filter(|coding| asked.contains(*coding))
    }

    /// What the backend takes messages packed with, if it tells.
    pub(super) fn takes(&self) -> Option<Codings> {
        self.accept_encoding.as_ref()?.to_str().ok().map(Codings::listed)
    }
}

/// The fields of a map, in a list.
pub(super) fn listed(map: HeaderMap) -> FieldList {
    let mut list: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(map.len());
    for (name, value) in map {
        // A name stands once, before all of its values.
        let Some(name) = name.or_else(|| list.last().map(|(name, _)| name.clone())) else { break };
        list.push((name, value));
    }
    list
}

/// Judges a response's head before anything of its body is read. `ended` tells whether the
/// stream ended with it, which makes a status in the head the call's ("Trailers-Only"); `coding`
/// is what its messages may be packed with.
pub(super) fn read_head(
    status: StatusCode,
    told: Told,
    metadata: Metadata,
    coding: Option<Coding>,
    ended: bool,
) -> Head {
    if let Some(status) = &told.status
        && (ended || read_code(status) != Code::Ok)
    {
        return Head::Ended(read_end(&mut Metadata::new(), told, metadata));
    }
    if status != StatusCode::OK {
        return Head::Ended(Err(not_ok(status)));
    }
    if !told.content_type.as_ref().is_some_and(is_grpc) {
        return Head::Ended(Err(not_grpc(told.content_type.as_ref())));
    }
    if let Some(encoding) = told.encoding
        && coding.is_none()
        && encoding != "identity"
    {
        return Head::Ended(Err(compressed(&encoding)));
    }
    Head::Messages(metadata)
}

/// Reads the trailers: the metadata of a call that went well, or its error.
///
/// `head` is the metadata that came before, which an error takes along.
pub(super) fn read_trailers(head: &mut Metadata, trailers: FieldList) -> Result<Metadata, Error> {
    let (told, trailers) = Told::read(trailers);
    read_end(head, told, trailers)
}

fn read_end(head: &mut Metadata, told: Told, trailers: Metadata) -> Result<Metadata, Error> {
    match told.status.as_ref().map(read_code) {
        None => Err(no_status()),
        Some(Code::Ok) => Ok(trailers),
        Some(code) => Err(read_error(code, head, told, trailers)),
    }
}

/// The error of a stream that ended without a status.
pub(super) fn no_status() -> Error {
    broken("upstream_no_status", "the backend ended the call without a gRPC status")
}

/// An INTERNAL error of a backend that breaks gRPC's rules.
pub(super) fn broken(reason: &'static str, message: &'static str) -> Error {
    Error::new(Code::Internal, reason, message).with_origin(Origin::Upstream)
}

/// The code in `grpc-status`; UNKNOWN if it is no number, as gRPC asks for.
fn read_code(value: &HeaderValue) -> Code {
    match value.as_bytes() {
        b"0" => Code::Ok,
        digits if !digits.is_empty() && digits.len() < 10 => digits
            .iter()
            .try_fold(0, |number: u32, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
            })
            .map_or(Code::Unknown, Code::from_number),
        _ => Code::Unknown,
    }
}

fn read_error(code: Code, head: &mut Metadata, told: Told, trailers: Metadata) -> Error {
    let message = told.message.as_ref().map_or_else(String::new, decode_message);
    let details = told.details.as_ref().and_then(decode_details);
    let mut error = Error::new(code, "upstream_status", message)
        .with_origin(Origin::Upstream)
        .with_head(std::mem::take(head))
        .with_metadata(trailers);
    if let Some((raw, status)) = details {
        for any in status.details {
            let detail = Detail { type_url: any.type_url, value: any.value.into() };
            error = error.with_detail(detail);
        }
        error = error.with_raw_details(raw);
    }
    error
}

/// Undoes the percent-encoding of `grpc-message`; what isn't encoded well stays as it is.
fn decode_message(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Details that can't be read are left out: the code and the message still say what happened.
fn decode_details(value: &HeaderValue) -> Option<(Bytes, RpcStatus)> {
    let raw = Bytes::from(base64_simd::forgiving_decode_to_vec(value.as_bytes()).ok()?);
    let status = RpcStatus::decode(raw.clone()).ok()?;
    Some((raw, status))
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    let Some(rest) = content_type.as_bytes().strip_prefix(b"application/grpc") else {
        return false;
    };
    let sub = rest.strip_prefix(b"+proto").unwrap_or(rest);
    matches!(sub.first(), None | Some(b';' | b' '))
}

fn not_ok(status: StatusCode) -> Error {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    let message = format!("the backend answered with HTTP status {status} instead of a gRPC reply");
    Error::new(code, "upstream_http_status", message).with_origin(Origin::Upstream)
}

fn not_grpc(content_type: Option<&HeaderValue>) -> Error {
    let what = match content_type {
        None => "no content type".to_owned(),
        Some(value) => format!("content type `{}`", String::from_utf8_lossy(value.as_bytes())),
    };
    let message = format!("the backend answered with {what} instead of `application/grpc`");
    Error::new(Code::Unknown, "upstream_not_grpc", message).with_origin(Origin::Upstream)
}

fn compressed(encoding: &HeaderValue) -> Error {
    let message = format!(
        "the backend compresses its reply with `{}`, though that was not asked for",
        String::from_utf8_lossy(encoding.as_bytes())
    );
    Error::new(Code::Internal, "upstream_encoding", message).with_origin(Origin::Upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn fields(pairs: &[(&'static str, &str)]) -> FieldList {
        listed(map(pairs))
    }

    fn judge(status: StatusCode, pairs: &[(&'static str, &str)], ended: bool) -> Head {
        let (told, metadata) = Told::read(fields(pairs));
        read_head(status, told, metadata, None, ended)
    }

    fn head_error(status: u16, pairs: &[(&'static str, &str)]) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        match judge(status, pairs, true) {
            Head::Ended(result) => result.unwrap_err(),
            Head::Messages(metadata) => panic!("{metadata:?}"),
        }
    }

    #[test]
    fn head_keeps_metadata_and_loses_control_names() {
        let fields = [
            ("content-type", "application/grpc+proto"),
            ("content-length", "5"),
            ("grpc-encoding", "identity"),
            ("grpc-accept-encoding", "gzip"),
            ("x-own", "1"),
        ];
        match judge(StatusCode::OK, &fields, false) {
            Head::Messages(metadata) => assert_eq!(metadata, map(&[("x-own", "1")])),
            Head::Ended(result) => panic!("{result:?}"),
        }
    }

    #[test]
    fn only_a_coding_that_was_asked_for_is_taken() {
        let (told, _) = Told::read(fields(&[("grpc-encoding", "gzip")]));
        assert_eq!(told.coding(Codings::listed("zstd")), None);
        assert_eq!(told.coding(Codings::NONE), None);
        assert_eq!(told.coding(Codings::ALL), Some(Coding::Gzip));
        assert_eq!(told.takes(), None);
        let (told, _) = Told::read(fields(&[("grpc-accept-encoding", "identity,gzip")]));
        assert_eq!(told.takes(), Some(Codings::listed("gzip")));
        assert_eq!(told.coding(Codings::ALL), None);
    }

    #[test]
    fn content_types_of_grpc_are_known() {
        for good in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"]
        {
            assert!(is_grpc(&HeaderValue::from_static(good)), "{good}");
        }
        for bad in ["application/grpc-web", "application/json", "application/grpc+json", ""] {
            assert!(!is_grpc(&HeaderValue::from_static(bad)), "{bad}");
        }
    }

    #[test]
    fn http_statuses_map_as_grpc_says() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (500, Code::Unknown),
            (204, Code::Unknown),
        ] {
            let error = head_error(status, &[("content-type", "text/html")]);
            assert_eq!(error.code(), code, "{status}");
            assert!(error.message().contains(&status.to_string()));
        }
    }

    #[test]
    fn status_in_the_head_beats_the_http_status() {
        let error = head_error(503, &[("grpc-status", "5"), ("grpc-message", "gone")]);
        assert_eq!((error.code(), error.message()), (Code::NotFound, "gone"));
    }

    #[test]
    fn head_that_is_no_grpc_is_unknown() {
        let error = head_error(200, &[("content-type", "text/html")]);
        assert_eq!(error.code(), Code::Unknown);
        assert!(error.message().contains("text/html"));
        assert!(head_error(200, &[]).message().contains("no content type"));
        let pairs = [("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
        assert_eq!(head_error(200, &pairs).code(), Code::Internal);
    }

    #[test]
    fn codes_are_read_leniently() {
        for (text, code) in [
            ("0", Code::Ok),
            ("5", Code::NotFound),
            ("16", Code::Unauthenticated),
            ("17", Code::Unknown),
            ("99999999999", Code::Unknown),
            ("five", Code::Unknown),
            ("", Code::Unknown),
            ("-1", Code::Unknown),
        ] {
            assert_eq!(read_code(&text.parse().unwrap()), code, "{text}");
        }
    }

    #[test]
    fn trailers_without_a_status_are_internal() {
        let error = read_trailers(&mut Metadata::new(), fields(&[("x-own", "1")])).unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Internal, "upstream_no_status"));
    }

    #[test]
    fn messages_are_percent_decoded() {
        for (text, message) in [
            ("plain", "plain"),
            ("caf%C3%A9%21", "café!"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode_message(&HeaderValue::from_str(text).unwrap()), message);
        }
    }

    #[test]
    fn details_are_decoded_and_kept_as_they_came() {
        let status = RpcStatus {
            code: 5,
            message: "gone".into(),
            details: vec![prost_types::Any { type_url: "t/a.B".into(), value: vec![8, 1] }],
        };
        let raw = status.encode_to_vec();
        for encoded in [
            base64_simd::STANDARD.encode_to_string(&raw),
            base64_simd::STANDARD_NO_PAD.encode_to_string(&raw),
        ] {
            let trailers = fields(&[
                ("grpc-status", "5"),
                ("grpc-message", "gone"),
                ("grpc-status-details-bin", &encoded),
                ("x-trailer", "t"),
            ]);
            let error = read_trailers(&mut map(&[("x-head", "h")]), trailers).unwrap_err();
            let detail = Detail { type_url: "t/a.B".into(), value: Bytes::from_static(&[8, 1]) };
            assert_eq!(error.details(), [detail]);
            assert_eq!(error.raw_details().unwrap(), &raw);
            assert_eq!(*error.head(), map(&[("x-head", "h")]));
            assert_eq!(*error.metadata(), map(&[("x-trailer", "t")]));
            assert_eq!(error.all_metadata(), map(&[("x-head", "h"), ("x-trailer", "t")]));
            assert_eq!(error.origin(), Origin::Upstream);
        }
    }

    #[test]
    fn details_that_are_garbage_leave_the_status() {
        for garbage in ["%%%", "AAAA", "/////w"] {
            let trailers = fields(&[("grpc-status", "9"), ("grpc-status-details-bin", garbage)]);
            let error = read_trailers(&mut Metadata::new(), trailers).unwrap_err();
            assert_eq!(error.code(), Code::FailedPrecondition);
            assert!(error.details().is_empty());
        }
    }
}
