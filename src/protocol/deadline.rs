//! Deadlines that callers state in headers.
//!
//! `grpc-timeout` is the gRPC protocol's: at most eight digits and a unit
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). `connect-timeout-ms` is the
//! Connect protocol's: at most ten digits (<https://connectrpc.com/docs/protocol>). `x-request-timeout` is for
//! people and scripts: a number of seconds, or a number with a unit, `0.5`, `250ms`, `2s`, `1m`.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::error::Error;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// The longest time-out that is kept as one; longer is forever for all that a call is concerned.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// When the caller gives up: the least of the headers that state it, none if none does.
///
/// # Errors
/// INVALID_ARGUMENT that names the header whose value is no time-out.
pub fn stated(headers: &HeaderMap) -> Result<Option<Instant>, Error> {
    let mut least = None;
    for (name, parse, example) in [
        (GRPC_TIMEOUT, grpc_timeout as fn(&str) -> Option<Duration>, "`500m` for 500 ms"),
        (CONNECT_TIMEOUT, connect_timeout, "`500` for 500 ms"),
        (REQUEST_TIMEOUT, request_timeout, "`0.5`, `500ms` or `2s`"),
    ] {
        let Some(value) = headers.get(&name) else { continue };
        let timeout = value.to_str().ok().and_then(parse).ok_or_else(|| {
            Error::invalid(
                "bad_timeout",
                format!("header `{name}` is no time-out; write {example}"),
            )
        })?;
        least = Some(least.map_or(timeout, |least: Duration| least.min(timeout)));
    }
    Ok(least.filter(|timeout| *timeout <= LONGEST).map(|timeout| Instant::now() + timeout))
}

/// `Timeout → TimeoutValue TimeoutUnit`: 1 to 8 digits, then one of H M S m u n.
pub fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// Milliseconds, 1 to 10 digits.
pub fn connect_timeout(text: &str) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds = text.parse().ok().filter(|_| is_number && text.len() <= 10)?;
    Some(Duration::from_millis(milliseconds))
}

fn request_timeout(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim_start() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "us" => 0.000_001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeout_takes_eight_digits_and_a_unit() {
        assert_eq!(grpc_timeout("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(grpc_timeout("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(grpc_timeout("0m"), Some(Duration::ZERO));
        for bad in ["", "m", "123456789S", "-1S", "1s", "1.5S", "1", "1é"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn connect_timeout_takes_ten_digits() {
        assert_eq!(connect_timeout("1500"), Some(Duration::from_millis(1500)));
        assert_eq!(connect_timeout("9999999999"), Some(Duration::from_millis(9_999_999_999)));
        for bad in ["", "10000000000", "-1", "+1", "1.5", "1s"] {
            assert_eq!(connect_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn request_timeout_takes_seconds_or_a_unit() {
        assert_eq!(request_timeout("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(request_timeout("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(request_timeout("2 s"), Some(Duration::from_secs(2)));
        for bad in ["", "s", "1.2.3", "-1", "1y", "inf", "NaN"] {
            assert_eq!(request_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn least_of_the_stated_deadlines_counts() {
        let mut headers = HeaderMap::new();
        assert!(stated(&headers).unwrap().is_none());
        headers.insert(GRPC_TIMEOUT, "1S".parse().unwrap());
        headers.insert(CONNECT_TIMEOUT, "5000".parse().unwrap());
        headers.insert(REQUEST_TIMEOUT, "3600".parse().unwrap());
        let deadline = stated(&headers).unwrap().unwrap();
        assert!(deadline <= Instant::now() + Duration::from_secs(1));
        headers.insert(REQUEST_TIMEOUT, "soon".parse().unwrap());
        assert!(stated(&headers).unwrap_err().message().contains("x-request-timeout"));
    }
}
