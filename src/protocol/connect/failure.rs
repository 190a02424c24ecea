//! Errors in Connect's words.
//!
//! ```text
//! NOT_FOUND: no such book   ─►   404 {"code":"not_found","message":"no such book"}         unary
//!                                200 … 02 {"error":{…},"metadata":{"x-cost":["7"]}}        a stream
//! ```

use base64_simd::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};

use super::form;
use crate::{
    error::{Code, Detail, Error},
    exchange::Metadata,
    frame,
    protocol::{Refusal, ResponseBody, Tongue, codec::Codec, metadata},
    transcode::{Plans, Settings, wire_to_json},
};

/// The longest JSON that a detail is shown as, in bytes; its own bytes are there in any case.
const SHOWN: usize = 64 << 10;

/// Unary calls' tongue, without a schema for details.
pub(super) const TONGUE: Tongue =
    Tongue { content_type: "application/json", write: |error, _| unary(error, None) };

/// Streams' tongue, without a schema for details.
pub(super) fn stream_tongue(codec: Codec) -> Tongue {
    let write = |error: &Error, content_type| stream(error, content_type, None);
    Tongue { content_type: form::stream_type(codec), write }
}

/// The answer to a request that is no call: the error has an HTTP status of its own.
pub(super) fn refuse(error: &Error, plans: &Plans) -> Response<ResponseBody> {
    let mut response = unary(error, Some(plans));
    *response.status_mut() = error.http_status();
    response
}

/// The answer to a caller that speaks another tongue than Connect: words that anybody can show.
pub(super) fn plain(error: &Error) -> Response<ResponseBody> {
    let mut response = begin(error, format!("{}\n", error.message()).into_bytes());
    *response.status_mut() = error.http_status();
    let headers = response.headers_mut();
    add_own(error, headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The answer of a unary call that failed; the code alone decides about its HTTP status.
pub(super) fn unary(error: &Error, plans: Option<&Plans>) -> Response<ResponseBody> {
    let mut json = Vec::new();
    write_error(error, plans, &mut json);
    let mut response = begin(error, json);
    *response.status_mut() = error.code().http_status();
    let headers = response.headers_mut();
    lead(error.all_metadata(), headers);
    add_own(error, headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form::content_type(Codec::Json)));
    response
}

/// The answer of a stream that failed before its first message.
pub(super) fn stream(
    error: &Error,
    content_type: &'static str,
    plans: Option<&Plans>,
) -> Response<ResponseBody> {
    let mut body = Vec::new();
    write_failure(error, plans, &mut body);
    let mut response = begin(error, body);
    let headers = response.headers_mut();
    add_own(error, headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn begin(error: &Error, body: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(body));
    response.extensions_mut().insert(Refusal::by(error));
    response
}

/// The headers that belong to the gateway's own errors, `allow` for example.
fn add_own(error: &Error, headers: &mut HeaderMap) {
    for (name, value) in error.headers() {
        headers.append(name, value.clone());
    }
}

/// Makes a backend's metadata the head of an answer; names that are Connect's own stay behind.
pub(super) fn lead(metadata: Metadata, headers: &mut HeaderMap) {
    metadata::to_response(metadata, headers);
    let own: Vec<_> = headers.keys().filter(|name| is_own(name.as_str())).cloned().collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
}

fn is_own(name: &str) -> bool {
    name.starts_with("connect-")
}

/// The trailers that may be told downstream, in their order.
pub(super) fn trailing(
    trailers: &Metadata,
) -> impl Iterator<Item = (&http::HeaderName, &http::HeaderValue)> {
    let may_pass = |name: &str| !metadata::is_upstream_only(name) && !is_own(name);
    trailers.iter().filter(move |(name, _)| may_pass(name.as_str()))
}

/// Appends the last frame of a stream that went well.
pub(super) fn write_end(trailers: &Metadata, out: &mut Vec<u8>) {
    write_frame(out, |out| {
        out.push(b'{');
        write_metadata(trailers, out);
        out.push(b'}');
    });
}

/// Appends the last frame of a stream that failed.
pub(super) fn write_failure(error: &Error, plans: Option<&Plans>, out: &mut Vec<u8>) {
    write_frame(out, |out| {
        out.extend_from_slice(b"{\"error\":");
        write_error(error, plans, out);
        let metadata = error.all_metadata();
        if trailing(&metadata).next().is_some() {
            out.push(b',');
            write_metadata(&metadata, out);
        }
        out.push(b'}');
    });
}

fn write_frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut json = Vec::new();
    write(&mut json);
    // Nobody's metadata and details have 4 GiB.
    let prefix = frame::prefix(frame::END_STREAM, json.len()).unwrap_or_default();
    out.extend_from_slice(&prefix);
    out.extend_from_slice(&json);
}

/// `"metadata":{"name":["value",…],…}`, or nothing where there is none.
fn write_metadata(trailers: &Metadata, out: &mut Vec<u8>) {
    let mut names: Vec<_> = trailing(trailers).map(|(name, _)| name).collect();
    names.dedup();
    if names.is_empty() {
        return;
    }
    out.extend_from_slice(b"\"metadata\":{");
    for (index, name) in names.into_iter().enumerate() {
        separate(index, out);
        write_string(name.as_str(), out);
        out.extend_from_slice(b":[");
        for (index, value) in trailers.get_all(name).iter().enumerate() {
            separate(index, out);
            write_string(&String::from_utf8_lossy(value.as_bytes()), out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// `{"code":…,"message":…,"details":[…]}`, without what is empty.
fn write_error(error: &Error, plans: Option<&Plans>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":");
    write_string(&code_name(error.code()), out);
    if !error.message().is_empty() {
        out.extend_from_slice(b",\"message\":");
        write_string(error.message(), out);
    }
    if !error.details().is_empty() {
        out.extend_from_slice(b",\"details\":[");
        for (index, detail) in error.details().iter().enumerate() {
            separate(index, out);
            write_detail(detail, plans, out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// `{"type":…,"value":…,"debug":…}`; the last where the schema knows the type.
fn write_detail(detail: &Detail, plans: Option<&Plans>, out: &mut Vec<u8>) {
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    out.extend_from_slice(b"{\"type\":");
    write_string(name, out);
    out.extend_from_slice(b",\"value\":\"");
    STANDARD_NO_PAD.encode_append(&detail.value, out);
    out.push(b'"');
    if let Some(plan) = plans.and_then(|plans| plans.message_by_name(name)) {
        let begin = out.len();
        out.extend_from_slice(b",\"debug\":");
        if wire_to_json(&plan, &Settings::default(), SHOWN, &detail.value, out).is_err() {
            out.truncate(begin);
        }
    }
    out.push(b'}');
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// gRPC's names in lower case, but for one that Connect spells in the American way.
fn code_name(code: Code) -> String {
    match code {
        Code::Cancelled => "canceled".into(),
        // No error has it, and Connect knows no such code.
        Code::Ok => "unknown".into(),
        code => code.name().to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_and_statuses_of_the_protocol() {
        for (code, name, status) in [
            (Code::Cancelled, "canceled", 499),
            (Code::Unknown, "unknown", 500),
            (Code::InvalidArgument, "invalid_argument", 400),
            (Code::DeadlineExceeded, "deadline_exceeded", 504),
            (Code::NotFound, "not_found", 404),
            (Code::AlreadyExists, "already_exists", 409),
            (Code::PermissionDenied, "permission_denied", 403),
            (Code::ResourceExhausted, "resource_exhausted", 429),
            (Code::FailedPrecondition, "failed_precondition", 400),
            (Code::Aborted, "aborted", 409),
            (Code::OutOfRange, "out_of_range", 400),
            (Code::Unimplemented, "unimplemented", 501),
            (Code::Internal, "internal", 500),
            (Code::Unavailable, "unavailable", 503),
            (Code::DataLoss, "data_loss", 500),
            (Code::Unauthenticated, "unauthenticated", 401),
        ] {
            assert_eq!((code_name(code).as_str(), code.http_status().as_u16()), (name, status));
        }
    }

    fn end(trailers: &[(&'static str, &'static [u8])]) -> String {
        let mut metadata = Metadata::new();
        for (name, value) in trailers {
            metadata.append(*name, http::HeaderValue::from_bytes(value).unwrap());
        }
        let mut out = Vec::new();
        write_end(&metadata, &mut out);
        let (prefix, json) = out.split_at(5);
        assert_eq!(prefix, frame::prefix(2, json.len()).unwrap());
        String::from_utf8(json.to_vec()).unwrap()
    }

    #[test]
    fn end_of_a_stream_holds_the_trailers_that_may_pass() {
        assert_eq!(end(&[]), "{}");
        assert_eq!(end(&[("grpc-status", b"0"), ("connect-x", b"1")]), "{}");
        let trailers: [(_, &[u8]); 4] =
            [("x-a", b"1"), ("trailer", b"x-a"), ("x-b", b"\"\xff"), ("x-a", b"2")];
        assert_eq!(
            end(&trailers),
            "{\"metadata\":{\"x-a\":[\"1\",\"2\"],\"x-b\":[\"\\\"\u{fffd}\"]}}"
        );
    }
}
