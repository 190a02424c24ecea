//! What a start says: where it listens, what it serves, and who answers.
//!
//! ```text
//! listening on http://127.0.0.1:8080
//! listening on https://127.0.0.1:8443
//! listening on unix:/run/transom.sock
//! operator's port on http://127.0.0.1:9901
//! serving 1 service, 15 methods, 18 routes
//! upstream bookshelf: http://127.0.0.1:50051
//! ```

use anstyle::Style;

use super::{launch::Bound, report};
use crate::{
    config::{Address, Listen, Prepared},
    upstream::Settings,
};

const STRONG: Style = Style::new().bold();

/// What there is: `1 service, 15 methods, 18 routes`.
pub(super) fn contents(prepared: &Prepared) -> String {
    let services = report::count(prepared.schema.services().len(), "service");
    let methods = prepared.schema.services().iter().map(|service| service.methods.len()).sum();
    let methods = report::count(methods, "method");
    let routes = report::count(prepared.schema.rules().count(), "route");
    format!("{services}, {methods}, {routes}")
}

/// Everything about a start that is known before the listeners are bound.
pub(super) struct Summary {
    warnings: String,
    listeners: Vec<Listen>,
    contents: String,
}

impl Summary {
    pub(super) fn of(prepared: &Prepared) -> Self {
        let services = prepared.schema.services().iter();
        let names: Vec<_> = services.map(|service| service.full_name.as_str()).collect();
        let mut contents = format!("serving {}: {}\n", self::contents(prepared), listed(&names));
        for (name, upstream) in &prepared.file.upstreams {
            contents += &format!("upstream {name}: {}\n", endpoints(upstream));
        }
        let listeners = prepared.file.listeners();
        Self { warnings: report::problems(&prepared.warnings), listeners, contents }
    }

    /// The whole text, now that the addresses are known.
    pub(super) fn text(&self, bound: &Bound) -> String {
        let mut text = self.warnings.clone();
        for (address, listen) in bound.listeners.iter().zip(&self.listeners) {
            let url = match (address, &listen.tls) {
                (Address::Ip(address), _) => format!("{}://{address}", listen.scheme()),
                (Address::Unix(_), None) => address.to_string(),
                (Address::Unix(_), Some(_)) => format!("{address} (TLS)"),
            };
            text += &format!("listening on {STRONG}{url}{STRONG:#}\n");
        }
        if let Some(address) = &bound.admin {
            text += &format!("operator's port on {STRONG}{}{STRONG:#}\n", url_of(address));
        }
        text + &self.contents
    }
}

/// The names, or the first of them where nobody would read them all; `transom routes` lists them.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    match names.get(..SHOWN) {
        Some(first) if names.len() > SHOWN + 1 => {
            format!("{} and {} more", first.join(", "), names.len() - SHOWN)
        }
        _ => names.join(", "),
    }
}

/// The operator's port as a URL.
fn url_of(address: &Address) -> String {
    match address {
        Address::Ip(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}

/// Where the endpoints of an upstream are.
fn endpoints(upstream: &Settings) -> String {
    let addresses: Vec<_> = upstream.endpoints.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_would_read_are_counted() {
        let all: Vec<String> = (0..20).map(|number| format!("a.S{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(listed(&all[..2]), "a.S0, a.S1");
        assert!(listed(&all[..13]).ends_with("a.S12"), "one more is shorter than to say so");
        assert!(listed(&all).ends_with("a.S11 and 8 more"));
    }
}
