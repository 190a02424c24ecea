//! The request side of a call: its head and, where the caller sends one message, its body.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;

use super::{
    http2::ReplySide,
    pump::{self, Pump},
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error},
    exchange::{Messages, Metadata, Packed},
    frame::Framed,
};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("transom/", env!("CARGO_PKG_VERSION")));

/// How many headers a call has besides its metadata.
const OWN: usize = 4;

/// What the caller sends.
pub(super) enum Body {
    /// One message, which is at hand: the call can be tried again.
    One(Packed),
    /// Messages that arrive over time.
    Many(Messages),
}

/// Makes a call's metadata the head of its request. The caller's own user agent stays.
pub(super) fn head(metadata: Metadata) -> HeaderMap {
    let mut headers = metadata;
    headers.reserve(OWN);
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(header::TE, TRAILERS);
    headers.entry(header::USER_AGENT).or_insert(AGENT);
    headers
}

/// Tells the backend what its messages may come packed with.
pub(super) fn ask_for(headers: &mut HeaderMap, codings: Codings) {
    if !codings.is_empty() {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(codings.list()));
    }
}

/// Tells the backend what the caller's messages are packed with, or that they are not.
pub(super) fn set_coding(headers: &mut HeaderMap, coding: Option<Coding>) {
    match coding {
        Some(coding) => {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static(coding.name()));
        }
        None => {
            headers.remove(GRPC_ENCODING);
        }
    }
}

/// Tells the backend how much time is left; fails if there is none.
pub(super) fn set_timeout(headers: &mut HeaderMap, deadline: Option<Instant>) -> Result<(), Error> {
    let Some(deadline) = deadline else {
        headers.remove(GRPC_TIMEOUT);
        return Ok(());
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::deadline_exceeded());
    }
    headers.insert(GRPC_TIMEOUT, timeout_value(left));
    Ok(())
}

/// `grpc-timeout`: at most eight digits and a unit, as fine as they allow, rounded down.
fn timeout_value(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let seconds = u128::from(left.as_secs());
    let units =
        [(left.as_micros(), 'u'), (left.as_millis(), 'm'), (seconds, 'S'), (seconds / 60, 'M')];
    let fitting = units.into_iter().find(|(number, _)| *number <= MOST);
    let (number, unit) = fitting.unwrap_or(((seconds / 3600).min(MOST), 'H'));
    // Less than a microsecond is not nothing.
    let text = format!("{}{unit}", number.max(1));
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("99999999H"));
    // It differs from call to call: in the compression table it would only push others out.
    value.set_sensitive(true);
    value
}

/// The error of a request that HTTP/2 has no form for.
pub(super) fn invalid(why: &'static str) -> Error {
    Error::new(
        Code::Internal,
        "upstream_request",
        "the call's metadata can't be sent over HTTP/2; header names such as `connection` must \
         not reach a backend",
    )
    .with_source(why)
}

/// The body that leaves with the head, if it is at hand. It is as it is to leave.
pub(super) fn at_hand(body: &Body) -> Result<Option<Framed>, Error> {
    match body {
        Body::Many(_) => Ok(None),
        Body::One(message) => pump::frame(message.clone()).map(Some),
    }
}

/// Sends messages as they come, where the caller streams. They leave packed as they came only if
/// `packed`.
pub(super) fn follow(body: &mut Body, reply: &ReplySide, packed: bool) -> Option<Pump> {
    let Body::Many(messages) = body else { return None };
    let messages = std::mem::replace(messages, Messages::none());
    Some(Pump::start(messages, reply.request_side(), packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_as_fine_as_eight_digits_allow() {
        for (left, text) in [
            (Duration::from_nanos(1), "1u"),
            (Duration::from_millis(250), "250000u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_millis(100_500), "100500m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(u64::MAX), "99999999H"),
        ] {
            let value = timeout_value(left);
            assert_eq!(value, text);
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn user_agent_of_the_caller_stays() {
        let mut metadata = Metadata::new();
        metadata.insert(header::USER_AGENT, HeaderValue::from_static("own"));
        assert_eq!(head(metadata)[header::USER_AGENT], "own");
        assert_eq!(head(Metadata::new())[header::USER_AGENT], AGENT);
    }
}
