//! Keeps the web pages that an operator happens to look at away from the operator's port.
//!
//! A page of any origin may make its browser send requests to a port on the operator's machine. It
//! can't read the answers, but what it asks for would be done; and by a name of its own that resolves
//! to 127.0.0.1 it could read them too (DNS rebinding). Browsers say `Origin` with every request that
//! can change something, and `Sec-Fetch-Site` with all; and the name that a page believes to talk to
//! stands in `Host`.

use std::net::IpAddr;

use http::{HeaderMap, Request, header};

/// Whether a request may be answered; else a sentence why not. On a port that only this machine
/// reaches, it has to ask for this machine.
pub(super) fn check<B>(request: &Request<B>, is_local: bool) -> Result<(), &'static str> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || is_of_another_site(headers) {
        return Err("this port is not for web pages: the request came from one");
    }
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?")),
    };
    match host {
        Some(host) if is_local && !is_this_machine(host) => {
            Err("this port answers to `localhost` and to IP addresses alone")
        }
        _ => Ok(()),
    }
}

/// A browser tells that a page of another site wants it; what the operator types is of none.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "none" && site != "same-origin")
}

/// `localhost`, or an address, with or without a port: no name that others can let resolve to us.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(headers: &[(&str, &str)], is_local: bool) -> bool {
        let request = Request::get("/config");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap(), is_local).is_ok()
    }

    #[test]
    fn programs_of_this_machine_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:9901",
            "127.0.0.1",
            "127.0.0.1:9901",
            "[::1]:9901",
            "[::1]",
            "",
        ] {
            assert!(check_with(&[("host", host)], true), "{host}");
        }
        assert!(check_with(&[], true), "HTTP/1.0 says no host");
        assert!(check_with(&[("host", "localhost"), ("sec-fetch-site", "none")], true));
    }

    #[test]
    fn web_pages_are_not() {
        for header in [
            ("origin", "http://127.0.0.1:9901"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!check_with(&[("host", "localhost"), header], true), "{header:?}");
            assert!(!check_with(&[("host", "localhost"), header], false), "{header:?}");
        }
    }

    #[test]
    fn names_that_may_lead_here_are_refused_where_nobody_needs_one() {
        for host in [
            "example.com",
            "example.com:9901",
            "localhost.example.com",
            "127.0.0.1.nip.io:9901",
            "a:b",
        ] {
            assert!(!check_with(&[("host", host)], true), "{host}");
            assert!(check_with(&[("host", host)], false), "a scraper may call it {host}");
        }
    }
}
