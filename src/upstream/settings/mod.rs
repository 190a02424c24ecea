//! What the configuration says about one cluster, and the addresses read out of it.
//!
//! Every problem is gathered, so that one run of `transom check` shows all of them.

mod address;
mod connection;
mod listed;

use std::time::Duration;

use http::uri::Authority;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::{
    address::{Address, Place, parse_address},
    listed::MAX_WEIGHT,
};
pub use self::{
    connection::{Keepalive, Tls},
    listed::Listed,
};
use super::{
    balance::Balance, breaker::Limits, discovery::Discovery, health::Check, outlier::Outlier,
};
use crate::{
    duration::{duration, optional_duration},
    problem::Problem,
};

/// One cluster: who answers, and how they are reached.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upstream")]
pub struct Settings {
    /// The backends: `host:port` or `http://host:port` for cleartext HTTP/2, `https://host:port`
    /// for TLS, `unix:/path` for a Unix socket. A host name is resolved at each connect, and all of
    /// its addresses are tried. Either they or `discovery` must be given.
    #[serde(default)]
    pub endpoints: Vec<Listed>,
    /// Where endpoints come from that change by themselves.
    #[serde(default)]
    pub discovery: Option<Discovery>,
    /// What `:authority` says to the backends, instead of the endpoint's host and port.
    #[serde(default)]
    pub authority: Option<String>,
    /// How calls are spread over the endpoints; `least_request` by default.
    #[serde(default)]
    pub balance: Balance,
    /// How TLS endpoints are verified, and what is shown to them.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// How long a connection may take until it is ready for calls: name resolution, TCP, TLS and
    /// the HTTP/2 settings of the backend; `5s` by default.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// HTTP/2 pings that find dead connections while calls are in flight. Without them the
    /// kernel finds those to which data can't be delivered for 20 s.
    #[serde(default)]
    pub keepalive: Option<Keepalive>,
    /// At most this many connections for each worker thread and endpoint; 32 by default. A
    /// further one is opened only when the backend's limit of concurrent streams is reached.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// How old a connection may be until it takes no more calls and another one is made, a tenth
    /// more or less: so that a balancer in front of the backends spreads connections anew. Unbounded
    /// by default.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub max_connection_age: Option<Duration>,
    /// Asks the endpoints for their health; off without it.
    #[serde(default)]
    pub health: Option<Check>,
    /// Leaves endpoints out that fail too often; off without it.
    #[serde(default)]
    pub outlier: Option<Outlier>,
    /// How much of the gateway the upstream may take up.
    #[serde(default)]
    pub breaker: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            discovery: None,
            authority: None,
            balance: Balance::default(),
            tls: None,
            connect_timeout: default_connect_timeout(),
            keepalive: None,
            connections: default_connections(),
            max_connection_age: None,
            health: None,
            outlier: None,
            breaker: Limits::default(),
        }
    }
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_connections() -> usize {
    32
}

impl Settings {
    /// All on which connections depend beside the address: where it differs, connections are made
    /// anew.
    pub(super) fn connection_terms(&self) -> String {
        let Self { authority, tls, connect_timeout, keepalive, .. } = self;
        let Self { connections, max_connection_age, .. } = self;
        format!(
            "{authority:?} {tls:?} {connect_timeout:?} {keepalive:?} {connections} \
             {max_connection_age:?}"
        )
    }

    /// Checks everything that needs no file and no network, and reads the addresses and their weights.
    pub(super) fn addresses(&self, problems: &mut Vec<Problem>) -> Vec<(Address, u32)> {
        match &self.discovery {
            None if self.endpoints.is_empty() => problems.push(
                Problem::error("endpoints", "no endpoint is given")
                    .mend("write at least one, `http://127.0.0.1:50051` for example"),
            ),
            Some(_) if !self.endpoints.is_empty() => problems.push(
                Problem::error("discovery", "there are both `endpoints` and `discovery`")
                    .mend("take one of them away; two upstreams can share the calls of a service"),
            ),
            Some(discovery) => discovery.check(problems),
            None => {}
        }
        if let Some(authority) = &self.authority
            && (authority.contains('@') || authority.parse::<Authority>().is_err())
        {
            problems.push(
                Problem::error("authority", format!("`{authority}` can't be an `:authority`"))
                    .mend("write a host, or a host and a port: `bookshelf.internal:443`"),
            );
        }
        let mut addresses = Vec::with_capacity(self.endpoints.len());
        for (position, Listed { address, weight }) in self.endpoints.iter().enumerate() {
            let path = format!("endpoints[{position}]");
            if !(1..=MAX_WEIGHT).contains(weight) {
                problems.push(
                    Problem::error(format!("{path}.weight"), "the weight is out of bounds")
                        .mend(format!("write 1 to {MAX_WEIGHT}; take an endpoint away for none")),
                );
            }
            match parse_address(address) {
                Ok(address) => addresses.push((Address { path, ..address }, *weight)),
                Err((message, mend)) => problems.push(Problem::error(path, message).mend(mend)),
            }
        }
        self.check_tls(&addresses, problems);
        self.check_numbers(problems);
        self.balance.check(problems);
        self.breaker.check(problems);
        self.health.iter().for_each(|health| health.check(problems));
        self.outlier.iter().for_each(|outlier| outlier.check(problems));
        addresses
    }

    fn check_tls(&self, addresses: &[(Address, u32)], problems: &mut Vec<Problem>) {
        let Some(tls) = &self.tls else { return };
        let may_be_tls = self.discovery.as_ref().is_some_and(Discovery::may_be_tls);
        let is_known = !addresses.is_empty() || self.discovery.is_some();
        if is_known && !may_be_tls && !addresses.iter().any(|(address, _)| address.is_tls()) {
            problems.push(
                Problem::error("tls", "no endpoint uses TLS")
                    .mend("write the endpoint as `https://host:port`, or take `tls` away"),
            );
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            problems.push(
                Problem::error("tls", "a client certificate needs both `certificate` and `key`")
                    .mend("give both or neither"),
            );
        }
    }

    fn check_numbers(&self, problems: &mut Vec<Problem>) {
        if self.connections == 0 {
            problems.push(
                Problem::error("connections", "without a connection no call can be made")
                    .mend("allow at least 1"),
            );
        }
        let mut positive = |path: &str, duration: Duration| {
            if duration.is_zero() {
                problems.push(
                    Problem::error(path, "the time must not be zero")
                        .mend("write a duration like `5s`"),
                );
            }
        };
        positive("connect_timeout", self.connect_timeout);
        if let Some(age) = self.max_connection_age {
            positive("max_connection_age", age);
        }
        if let Some(keepalive) = &self.keepalive {
            positive("keepalive.interval", keepalive.interval);
            positive("keepalive.timeout", keepalive.timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_durations_and_refuse_the_unknown() {
        let settings: Settings = serde_json::from_str(
            r#"{"endpoints": ["a:1"], "connect_timeout": "250ms", "keepalive": {"interval": "1m"}}"#,
        )
        .unwrap();
        assert_eq!(settings.connect_timeout, Duration::from_millis(250));
        assert_eq!(settings.keepalive.unwrap().timeout, Duration::from_secs(20));
        for text in [
            r#"{"endpoints": ["a:1"], "connect_timeout": "soon"}"#,
            r#"{"endpoints": ["a:1"], "nodes": []}"#,
        ] {
            assert!(serde_json::from_str::<Settings>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let settings = Settings {
            endpoints: ["ftp://a:1", "b:1", "c"].map(Listed::from).into(),
            tls: Some(Tls { certificate: Some("c.pem".into()), ..Tls::default() }),
            connections: 0,
            connect_timeout: Duration::ZERO,
            ..Settings::default()
        };
        let mut problems = Vec::new();
        settings.addresses(&mut problems);
        let paths: Vec<_> = problems.iter().map(|problem| problem.place.path.as_str()).collect();
        assert_eq!(
            paths,
            ["endpoints[0]", "endpoints[2]", "tls", "tls", "connections", "connect_timeout"]
        );
        assert!(problems.iter().all(|problem| !problem.mend.is_empty()));
    }
}
