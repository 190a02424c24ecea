//! What can go wrong with a call, in one value that every protocol can write.
//!
//! An [`Error`] knows both faces: the gRPC code that a gRPC client sees and the HTTP status that
//! a REST client sees. It carries a message that is safe to show downstream; what only the
//! operator may know travels as its source and ends in the log.

mod bad_request;

use std::{borrow::Cow, error, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub use self::bad_request::FieldViolation;

/// The status codes of gRPC (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are gRPC's own")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Every code with its name and its HTTP status: the only such table in the program.
const CODES: [(Code, &str, StatusCode); 17] = [
    (Code::Ok, "OK", StatusCode::OK),
    (Code::Cancelled, "CANCELLED", CLIENT_CLOSED_REQUEST),
    (Code::Unknown, "UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
    (Code::InvalidArgument, "INVALID_ARGUMENT", StatusCode::BAD_REQUEST),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", StatusCode::GATEWAY_TIMEOUT),
    (Code::NotFound, "NOT_FOUND", StatusCode::NOT_FOUND),
    (Code::AlreadyExists, "ALREADY_EXISTS", StatusCode::CONFLICT),
    (Code::PermissionDenied, "PERMISSION_DENIED", StatusCode::FORBIDDEN),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS),
    (Code::FailedPrecondition, "FAILED_PRECONDITION", StatusCode::BAD_REQUEST),
    (Code::Aborted, "ABORTED", StatusCode::CONFLICT),
    (Code::OutOfRange, "OUT_OF_RANGE", StatusCode::BAD_REQUEST),
    (Code::Unimplemented, "UNIMPLEMENTED", StatusCode::NOT_IMPLEMENTED),
    (Code::Internal, "INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    (Code::Unavailable, "UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
    (Code::DataLoss, "DATA_LOSS", StatusCode::INTERNAL_SERVER_ERROR),
    (Code::Unauthenticated, "UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
];

/// 499, which no RFC defines but every gateway uses for a caller that left.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => unreachable!(),
};

impl Code {
    /// How many codes there are; their numbers lie below it.
    pub const COUNT: usize = CODES.len();

    /// The code with this number; unknown numbers are `Unknown`, as gRPC asks of clients.
    pub fn from_number(number: u32) -> Self {
        CODES.get(number as usize).map_or(Code::Unknown, |(code, ..)| *code)
    }

    /// The code with this name, `NOT_FOUND` for example.
    pub fn from_name(name: &str) -> Option<Self> {
        CODES.iter().find(|(_, n, _)| *n == name).map(|(code, ..)| *code)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The name in `SCREAMING_SNAKE_CASE`.
    pub fn name(self) -> &'static str {
        CODES[self as usize].1
    }

    /// The HTTP status that stands for the code.
    pub fn http_status(self) -> StatusCode {
        CODES[self as usize].2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller sent something that can't be served.
    Downstream,
    /// The gateway itself refused or failed.
    Gateway,
    /// The backend answered with it, or could not be reached.
    Upstream,
}

/// One `google.protobuf.Any` of an error's details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The type's URL, `type.googleapis.com/google.rpc.ErrorInfo` for example.
    pub type_url: String,
    /// The message as protobuf wire bytes.
    pub value: Bytes,
}

/// Why a call has no answer. One pointer wide, so that a `Result` stays small.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    reason: &'static str,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    origin: Origin,
    http: Option<StatusCode>,
    headers: HeaderMap,
    head: HeaderMap,
    metadata: HeaderMap,
    raw_details: Option<Bytes>,
    endpoint: Option<Arc<str>>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the gateway's own making.
    ///
    /// `reason` is a stable word in `snake_case` for metrics and logs; `message` is shown
    /// downstream and must not name internal addresses.
    pub fn new(code: Code, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            reason,
            message: message.into(),
            details: Vec::new(),
            origin: Origin::Gateway,
            http: None,
            headers: HeaderMap::new(),
            head: HeaderMap::new(),
            metadata: HeaderMap::new(),
            raw_details: None,
            endpoint: None,
            source: None,
        }))
    }

    /// The caller's mistake: INVALID_ARGUMENT, HTTP 400.
    pub fn invalid(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, reason, message).with_origin(Origin::Downstream)
    }

    /// No such route or method: NOT_FOUND, HTTP 404.
    pub fn not_found(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, reason, message).with_origin(Origin::Downstream)
    }

    /// A message past its limit: RESOURCE_EXHAUSTED, HTTP 413.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ResourceExhausted, "message_too_large", message)
            .with_origin(Origin::Downstream)
            .with_http(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The backend can't be reached or went away: UNAVAILABLE, HTTP 503.
    pub fn unavailable(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, reason, message).with_origin(Origin::Upstream)
    }

    /// The deadline passed: DEADLINE_EXCEEDED, HTTP 504.
    pub fn deadline_exceeded() -> Self {
        Self::new(Code::DeadlineExceeded, "deadline_exceeded", "the call's deadline passed")
    }

    /// Says who caused it.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    /// Answers REST with this status instead of the code's own.
    pub fn with_http(mut self, status: StatusCode) -> Self {
        self.0.http = Some(status);
        self
    }

    /// Adds a response header, `allow` for example.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Keeps only some of the response headers.
    pub fn retain_headers(mut self, is_kept: impl Fn(&HeaderName) -> bool) -> Self {
        let headers = std::mem::take(&mut self.0.headers);
        for (name, value) in headers.iter().filter(|(name, _)| is_kept(name)) {
            self.0.headers.append(name.clone(), value.clone());
        }
        self
    }

    /// Adds a typed detail.
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.details.push(detail);
        self
    }

    /// The backend's `grpc-status-details-bin` (a serialised google.rpc.Status) as it came, so
    /// that a gRPC caller gets it untouched.
    pub fn with_raw_details(mut self, status: Bytes) -> Self {
        self.0.raw_details = Some(status);
        self
    }

    /// The metadata that came with a backend's error, control names removed.
    pub fn with_metadata(mut self, metadata: HeaderMap) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// The metadata that the backend sent before it failed, control names removed.
    pub fn with_head(mut self, head: HeaderMap) -> Self {
        self.0.head = head;
        self
    }

    /// What the operator's log should say besides.
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says which endpoint failed: for whoever tries another one, never for callers.
    pub fn with_endpoint(mut self, endpoint: Arc<str>) -> Self {
        self.0.endpoint = Some(endpoint);
        self
    }

    /// The endpoint that failed, if the call got that far.
    pub fn endpoint(&self) -> Option<&Arc<str>> {
        self.0.endpoint.as_ref()
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The stable word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// The message that is shown downstream.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The typed details.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// The backend's status details as they came, if any.
    pub fn raw_details(&self) -> Option<&Bytes> {
        self.0.raw_details.as_ref()
    }

    /// Who caused it.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// The HTTP status for REST.
    pub fn http_status(&self) -> StatusCode {
        self.0.http.unwrap_or_else(|| self.0.code.http_status())
    }

    /// Response headers that belong to the error.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The metadata that came with a backend's error.
    pub fn metadata(&self) -> &HeaderMap {
        &self.0.metadata
    }

    /// The metadata that the backend sent before it failed; empty if it said all at once.
    pub fn head(&self) -> &HeaderMap {
        &self.0.head
    }

    /// Both, for who tells them together.
    pub fn all_metadata(&self) -> HeaderMap {
        if self.0.head.is_empty() {
            return self.0.metadata.clone();
        }
        let mut all = self.0.head.clone();
        for (name, value) in &self.0.metadata {
            all.append(name, value.clone());
        }
        all
    }

    /// What begins the answer, to be changed on the way back.
    pub fn lead_mut(&mut self) -> &mut HeaderMap {
        if self.0.head.is_empty() { &mut self.0.metadata } else { &mut self.0.head }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_at_their_numbers() {
        for (number, (code, name, _)) in CODES.iter().enumerate() {
            assert_eq!(code.number() as usize, number);
            assert_eq!(Code::from_name(name), Some(*code));
        }
        assert_eq!(Code::from_number(99), Code::Unknown);
    }

    #[test]
    fn error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
