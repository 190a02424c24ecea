//! Refusals and failures as HTTP: google.rpc.Status JSON, or an RFC 9457 problem.
//!
//! ```text
//! NOT_FOUND: no such book   ─►   404 {"code":5,"message":"no such book","details":[]}
//! ```

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use prost::Message;

use crate::{
    error::Error,
    protocol::{Refusal, ResponseBody, Tongue, metadata},
    transcode::{Plans, Settings, status_to_json},
};

/// An error's response; `problem` asks for `application/problem+json`.
pub fn respond(error: &Error, plans: &Plans, problem: bool) -> Response<ResponseBody> {
    let status = status_json(error, plans);
    write(error, status, problem)
}

/// An error's response in JSON where no schema is at hand: it tells no details.
pub fn plain(error: &Error) -> Response<ResponseBody> {
    TONGUE.tell(error)
}

/// JSON without a schema.
pub const TONGUE: Tongue = Tongue { content_type: JSON, write: undetailed };

/// A problem without a schema.
pub const PROBLEM_TONGUE: Tongue = Tongue { content_type: PROBLEM, write: undetailed };

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

fn undetailed(error: &Error, content_type: &'static str) -> Response<ResponseBody> {
    let status = format!(
        r#"{{"code":{},"message":{},"details":[]}}"#,
        error.code().number(),
        serde_json::Value::from(error.message())
    );
    write(error, status.into_bytes(), content_type == PROBLEM)
}

fn write(error: &Error, status: Vec<u8>, problem: bool) -> Response<ResponseBody> {
    let http = error.http_status();
    let (content_type, body) =
        if problem { (PROBLEM, problem_json(http, error, &status)) } else { (JSON, status) };
    let mut response = Response::new(ResponseBody::whole(body));
    *response.status_mut() = http;
    response.extensions_mut().insert(Refusal::by(error));
    let headers = response.headers_mut();
    metadata::to_response(error.all_metadata(), headers);
    let is_said = error.headers().contains_key(RETRY_AFTER);
    if let Some(seconds) = retry_seconds(error).filter(|_| !is_said) {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    for (name, value) in error.headers() {
        headers.append(name, value.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `{"code":…,"message":…,"details":[…]}`, details decoded where the schema knows their type.
pub fn status_json(error: &Error, plans: &Plans) -> Vec<u8> {
    let details = error.details().iter().map(|detail| (&detail.type_url[..], &detail.value[..]));
    let mut json = Vec::new();
    let code = error.code().number() as i32;
    status_to_json(plans, &Settings::default(), code, error.message(), details, &mut json);
    json
}

/// The members of RFC 9457 §3.1, then those of the status as extensions.
fn problem_json(http: StatusCode, error: &Error, status: &[u8]) -> Vec<u8> {
    let title = http.canonical_reason().unwrap_or("Client Closed Request");
    let mut json = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{},"detail":{},"#,
        http.as_u16(),
        serde_json::Value::from(error.message())
    )
    .into_bytes();
    // The status begins with `{`, which the members before it have had.
    json.extend_from_slice(status.get(1..).unwrap_or(b"}"));
    json
}

/// google.rpc.RetryInfo, as far as it is read here.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// The delay of a RetryInfo detail in whole seconds, rounded up (`Retry-After` knows no parts).
fn retry_seconds(error: &Error) -> Option<u64> {
    let detail =
        error.details().iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(Bytes::clone(&detail.value)).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).ok()?;
    Some(seconds + u64::from(delay.nanos > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Detail};

    #[test]
    fn retry_info_becomes_retry_after_rounded_up() {
        let info = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 2, nanos: 1 }) };
        let error = Error::new(Code::Unavailable, "busy", "busy").with_detail(Detail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
            value: info.encode_to_vec().into(),
        });
        let response = plain(&error);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
    }

    #[test]
    fn problem_has_the_members_of_the_rfc_and_of_the_status() {
        let error = Error::not_found("no_route", "no \"route\"");
        let json = problem_json(
            error.http_status(),
            &error,
            br#"{"code":5,"message":"no \"route\"","details":[]}"#,
        );
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["type"], "about:blank");
        assert_eq!(value["title"], "Not Found");
        assert_eq!(value["status"], 404);
        assert_eq!(value["detail"], "no \"route\"");
        assert_eq!(value["code"], 5);
    }
}
