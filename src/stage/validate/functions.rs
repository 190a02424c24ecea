//! The functions that protovalidate adds to CEL: what is a host, an address, a URI.
//!
//! Each takes linear time, whatever its operand is.

use std::{
    borrow::Cow,
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, ExecutionError, Value,
    common::types::{CelBool, CelBytes},
    extractors::{Arguments, This},
};
use regex::Regex;

use crate::stage::expression;

/// The scope of all rules.
pub(super) static SCOPE: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
    let mut environment = expression::environment();
    // None of the names is taken yet.
    let _ = cel::add_member_overload!(environment, fn starts_with: (CelBytes, CelBytes) -> CelBool);
    let _ = cel::add_member_overload!(environment, fn ends_with: (CelBytes, CelBytes) -> CelBool);
    let _ = cel::add_member_overload!(environment, fn contains: (CelBytes, CelBytes) -> CelBool);
    let mut scope = expression::scope(environment);
    let _ = scope.add_function("isNan", |This(value): This<f64>| value.is_nan());
    let _ = scope.add_function("isInf", is_infinite);
    let _ = scope.add_function("unique", unique);
    let _ = scope.add_function("isEmail", |This(text): This<Arc<String>>| is_email(&text));
    let _ = scope.add_function("isHostname", |This(text): This<Arc<String>>| is_hostname(&text));
    let _ = scope.add_function("isUri", |This(text): This<Arc<String>>| is_uri(&text));
    let _ = scope.add_function("isUriRef", |This(text): This<Arc<String>>| is_uri_ref(&text));
    let _ = scope.add_function("isIp", ip);
    let _ = scope.add_function("isIpPrefix", ip_prefix);
    let _ = scope.add_function("isHostAndPort", |This(text): This<Arc<String>>, needed: bool| {
        is_host_and_port(&text, needed)
    });
    scope
});

/// HTML's definition of an address, which is protovalidate's.
static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    let pattern = format!(r"\A[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{label}(?:\.{label})*\z");
    Regex::new(&pattern).ok()
});

fn starts_with(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    bytes.inner().starts_with(part.inner()).into()
}

fn ends_with(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    bytes.inner().ends_with(part.inner()).into()
}

fn contains(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    memchr::memmem::find(bytes.inner(), part.inner()).is_some().into()
}

type Called<T> = Result<T, ExecutionError>;

fn wrong<T>(name: &str) -> Called<T> {
    Err(ExecutionError::function_error(name, "wrong operands"))
}

/// `this.isInf()`, or `this.isInf(sign)`.
fn is_infinite(This(value): This<f64>, Arguments(all): Arguments) -> Called<bool> {
    match &all[..] {
        [] => Ok(value.is_infinite()),
        [Value::Int(sign)] => {
            Ok(value.is_infinite() && (*sign == 0 || (*sign > 0) == value.is_sign_positive()))
        }
        _ => wrong("isInf"),
    }
}

/// A list whose elements all differ. Elements are compared by what they are, in linear time.
fn unique(This(list): This<Arc<Vec<Value>>>) -> Called<bool> {
    let mut seen = HashSet::new();
    for element in list.iter() {
        let key = match element {
            Value::Bool(value) => format!("b{value}"),
            Value::Int(value) => format!("i{value}"),
            Value::UInt(value) => format!("i{value}"),
            // NaN differs from itself.
            Value::Float(value) if value.is_nan() => continue,
            Value::Float(value) => format!("f{:x}", (value + 0.0).to_bits()),
            Value::String(value) => format!("s{value}"),
            Value::Bytes(value) => format!("y{value:?}"),
            Value::Timestamp(value) => format!("t{value}"),
            Value::Duration(value) => format!("d{value}"),
            _ => return wrong("unique"),
        };
        if !seen.insert(key) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_email(text: &str) -> bool {
    text.len() <= 1 << 16 && EMAIL.as_ref().is_some_and(|email| email.is_match(text))
}

fn is_hostname(text: &str) -> bool {
    let plain = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 || plain.is_empty() {
        return false;
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The last label of a name is no number, or it would be an IPv4 address.
    let last = plain.rsplit('.').next().unwrap_or_default();
    plain.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_uri(text: &str) -> bool {
    let host = |uri: fluent_uri::Uri<&str>| uri.authority().is_none_or(|one| is_sound(one.host()));
    without_zone(text).is_some_and(|text| fluent_uri::Uri::parse(&*text).is_ok_and(host))
}

fn is_uri_ref(text: &str) -> bool {
    let host =
        |uri: fluent_uri::UriRef<&str>| uri.authority().is_none_or(|one| is_sound(one.host()));
    without_zone(text).is_some_and(|text| fluent_uri::UriRef::parse(&*text).is_ok_and(host))
}

/// The text without the zone of an IPv6 address (`[fe80::1%25eth0]`, RFC 6874); none if the zone is
/// none. Brackets stand nowhere else in a URI.
fn without_zone(text: &str) -> Option<Cow<'_, str>> {
    let parts =
        text.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let Some((before, (inside, behind))) = parts else { return Some(Cow::Borrowed(text)) };
    let Some((address, zone)) = inside.split_once("%25") else { return Some(Cow::Borrowed(text)) };
    let mut rest = zone.bytes();
    while let Some(byte) = rest.next() {
        let mut is_escape = || {
            let digits = [rest.next(), rest.next()];
            digits.iter().all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit()))
        };
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(is_plain || byte == b'%' && is_escape()) {
            return None;
        }
    }
    let is_zone = !zone.is_empty() && escapes_are_text(zone);
    is_zone.then(|| Cow::Owned(format!("{before}[{address}]{behind}")))
}

/// What RFC 3986 §3.2.2 says in words: the escapes of a name are UTF-8.
fn is_sound(host: &str) -> bool {
    host.starts_with('[') || escapes_are_text(host)
}

fn escapes_are_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    std::str::from_utf8(&plain).is_ok()
}

fn ip(This(text): This<Arc<String>>, Arguments(all): Arguments) -> Called<bool> {
    match &all[..] {
        [] => Ok(is_ip(&text, 0)),
        [Value::Int(version)] => Ok(is_ip(&text, *version)),
        _ => wrong("isIp"),
    }
}

fn is_ip(text: &str, version: i64) -> bool {
    match version {
        4 => text.parse::<Ipv4Addr>().is_ok(),
        6 => is_ipv6(text),
        0 => text.parse::<Ipv4Addr>().is_ok() || is_ipv6(text),
        _ => false,
    }
}

/// An address, and perhaps a zone that isn't empty (RFC 4007 §11).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let has_zone = zone.is_none_or(|zone| !zone.is_empty() && !zone.contains('\0'));
    has_zone && address.parse::<Ipv6Addr>().is_ok()
}

fn ip_prefix(This(text): This<Arc<String>>, Arguments(all): Arguments) -> Called<bool> {
    match &all[..] {
        [] => Ok(is_prefix(&text, 0, false)),
        [Value::Int(version)] => Ok(is_prefix(&text, *version, false)),
        [Value::Bool(strict)] => Ok(is_prefix(&text, 0, *strict)),
        [Value::Int(version), Value::Bool(strict)] => Ok(is_prefix(&text, *version, *strict)),
        _ => wrong("isIpPrefix"),
    }
}

/// An address and how many of its bits are the network's; if it is strict, the others are zero.
fn is_prefix(text: &str, version: i64, strict: bool) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let is_plain = length == "0" || !length.starts_with('0');
    let digits = is_plain && length.bytes().all(|byte| byte.is_ascii_digit());
    let Some(length) = length.parse::<u32>().ok().filter(|_| digits) else { return false };
    if let (Ok(address), 0 | 4) = (address.parse::<Ipv4Addr>(), version) {
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        return length <= 32 && (!strict || address.to_bits() & host == 0);
    }
    if let (Ok(address), 0 | 6) = (address.parse::<Ipv6Addr>(), version) {
        let host = u128::MAX.checked_shr(length).unwrap_or(0);
        return length <= 128 && (!strict || address.to_bits() & host == 0);
    }
    false
}

fn is_host_and_port(text: &str, needed: bool) -> bool {
    let is_port = |port: &str| {
        let is_plain = port == "0" || !port.starts_with('0');
        is_plain && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.rsplit_once(']') else { return false };
        return is_ipv6(host)
            && match rest.strip_prefix(':') {
                Some(port) => is_port(port),
                None => rest.is_empty() && !needed,
            };
    }
    let is_host = |host: &str| is_hostname(host) || host.parse::<Ipv4Addr>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) => is_host(host) && is_port(port),
        None => !needed && is_host(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_addresses_are_told_from_other_text() {
        for (text, host, ip) in [
            ("example.com", true, false),
            ("example.com.", true, false),
            ("-a.com", false, false),
            ("a..b", false, false),
            ("", false, false),
            ("127.0.0.1", false, true),
            ("127.0.0.01", false, false),
            ("::1", false, true),
            ("fe80::1%eth0", false, true),
            ("fe80::1%", false, false),
            ("a.1", false, false),
        ] {
            assert_eq!((is_hostname(text), is_ip(text, 0)), (host, ip), "{text}");
        }
        assert!(is_email("a.b@example.com") && !is_email("a@b@c") && !is_email("a@-b"));
        assert!(is_uri("https://a.b/c?d#e") && !is_uri("/c") && is_uri_ref("/c") && !is_uri("a b"));
        assert!(is_uri("https://[::1%25eth0]/a") && !is_uri("https://[::1%25]/a"));
        assert!(is_prefix("10.0.0.0/8", 0, true) && !is_prefix("10.1.0.0/8", 0, true));
        assert!(is_prefix("::/0", 6, true) && !is_prefix("10.0.0.0/33", 0, false));
        assert!(is_host_and_port("[::1]:80", true) && is_host_and_port("a.b", false));
        assert!(!is_host_and_port("a.b", true) && !is_host_and_port("a.b:65536", true));
        assert!(!is_host_and_port("::1:80", true));
    }

    #[test]
    fn huge_text_is_judged_in_linear_time() {
        let huge = "a".repeat(1 << 20);
        assert!(!is_email(&huge) && !is_hostname(&huge) && !is_ip(&huge, 0));
        assert!(!is_uri(&format!("{huge} ")) && !is_host_and_port(&huge, true));
        let dots = "a.".repeat(1 << 19);
        assert!(!is_email(&format!("a@{dots}")) && !is_hostname(&dots));
    }
}
