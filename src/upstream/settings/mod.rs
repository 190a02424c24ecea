//! What the configuration says about one cluster, and the addresses read out of it.
//!
//! Every problem is gathered, so that one run of `transom check` shows all of them.

use std::{borrow::Cow, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    balance::Balance, breaker::Limits, discovery::Discovery, health::Check, outlier::Outlier,
};
use crate::problem::Problem;

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

/// One endpoint: an address alone, or a mapping with its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub address: String,
    /// Its share of the calls, in proportion to the others' weights.
    pub weight: u32,
}

/// An endpoint's mapping.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Endpoint")]
struct WrittenEndpoint {
    /// `host:port`, `http://host:port` or `https://host:port`.
    address: String,
    /// Its share of the calls, in proportion to the others' weights: 1 to 1000, 1 by default.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 1000))]
    weight: u32,
}

/// The largest weight of an endpoint.
pub(super) const MAX_WEIGHT: u32 = 1000;

fn default_weight() -> u32 {
    1
}

impl<T: Into<String>> From<T> for Listed {
    fn from(address: T) -> Self {
        Self { address: address.into(), weight: default_weight() }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a mapping with `address` and `weight`")
            }

            fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<Listed, E> {
                Ok(address.into())
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Listed, M::Error> {
                let written = WrittenEndpoint::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Listed { address: written.address, weight: written.weight })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Listed {
    fn schema_name() -> Cow<'static, str> {
        "Listed".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, generator.subschema_for::<WrittenEndpoint>()],
        })
    }
}

/// How TLS endpoints are verified, and what is shown to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate chain to show to the backend; needs `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The PEM file with the private key of `certificate`.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the backend's certificate has to bear, instead of the endpoint's host.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// HTTP/2 pings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// How often a connection with calls in flight is pinged, `30s` for example. Many servers
    /// close connections that are pinged more often than they like.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long the answer may take before the connection counts as dead; `20s` by default.
    #[serde(default = "default_keepalive_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
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

fn default_keepalive_timeout() -> Duration {
    Duration::from_secs(20)
}

fn default_connections() -> usize {
    32
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| D::Error::custom(format!("`{text}` is no duration like `5s`: {error}")))
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Where one endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `http` or `https`.
    pub(super) scheme: Scheme,
    /// What `:authority` says: host and port as written.
    pub(super) authority: Authority,
    /// What is connected to.
    pub(super) place: Place,
    /// The host that TLS is about.
    pub(super) host: String,
    /// Where it stands in the settings.
    pub(super) path: String,
}

/// What a socket is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host without the brackets of an IPv6 address, and a port: 80 or 443 if none is written
    /// behind a scheme.
    Host(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// An address of `host`, as discovery has found it.
    pub(super) fn located(scheme: Scheme, host: &str, at: SocketAddr) -> Option<Self> {
        let host = host.trim_end_matches('.').to_owned();
        let authority = format!("{host}:{}", at.port()).parse().ok()?;
        let place = Place::Host(at.ip().to_string(), at.port());
        Some(Self { scheme, authority, place, host, path: String::new() })
    }

    /// Whether calls go through TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
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

type Finding = (String, String);

/// Reads an address as written.
pub(super) fn parse_address(text: &str) -> Result<Address, Finding> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_address(path);
    }
    let bare = !text.contains("://");
    let url = if bare { format!("http://{text}") } else { text.to_owned() };
    let wrong = |message: String| {
        let mend = "write `http://host:port`, `https://host:port`, `host:port` or `unix:/path`";
        (message, mend.to_owned())
    };
    let uri: Uri =
        url.parse().map_err(|error| wrong(format!("`{text}` is no address: {error}")))?;
    let parts = uri.into_parts();
    let scheme = parts.scheme.unwrap_or(Scheme::HTTP);
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(wrong(format!("`{text}` has the scheme `{scheme}`, which is not supported")));
    }
    let Some(authority) = parts.authority else {
        return Err(wrong(format!("`{text}` names no host")));
    };
    if authority.as_str().contains('@') {
        return Err(wrong(format!("`{text}` holds a user name, which gRPC has no use for")));
    }
    if parts.path_and_query.is_some_and(|path| path != "/" && path != "") {
        return Err(wrong(format!("`{text}` holds a path, but gRPC methods stand at the root")));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(wrong(format!("`{text}` names no host")));
    }
    let port = match authority.port_u16() {
        Some(0) => return Err(wrong(format!("`{text}` has port 0, which nobody listens on"))),
        Some(port) => port,
        None if authority.as_str().ends_with(':') || authority.port().is_some() || bare => {
            return Err(wrong(format!("`{text}` has no port between 1 and 65535")));
        }
        None if scheme == Scheme::HTTPS => 443,
        None => 80,
    };
    let place = Place::Host(host.clone(), port);
    Ok(Address { scheme, authority, place, host, path: String::new() })
}

/// A Unix socket: in cleartext, and with the authority that gRPC's own libraries send.
fn unix_address(path: &str) -> Result<Address, Finding> {
    // `unix:///path` is gRPC's other way to write it.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        let mend = "write the whole path, `unix:/run/bookshelf.sock`";
        return Err((format!("`unix:{path}` is no whole path of a socket"), mend.to_owned()));
    }
    let (scheme, authority) = (Scheme::HTTP, Authority::from_static("localhost"));
    let place = Place::Unix(path.into());
    Ok(Address { scheme, authority, place, host: "localhost".into(), path: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_without_scheme_is_cleartext() {
        let address = parse_address("127.0.0.1:50051").unwrap();
        assert_eq!(address.scheme, Scheme::HTTP);
        assert_eq!(address.place, Place::Host("127.0.0.1".into(), 50051));
        assert_eq!(address.authority.as_str(), "127.0.0.1:50051");
    }

    #[test]
    fn endpoint_with_scheme_knows_its_port() {
        let port = parse_address("https://example.com").unwrap().place;
        assert_eq!(port, Place::Host("example.com".into(), 443));
        let port = parse_address("http://example.com").unwrap().place;
        assert_eq!(port, Place::Host("example.com".into(), 80));
        let six = parse_address("http://[::1]:50051").unwrap();
        assert_eq!((six.host.as_str(), six.place.to_string().as_str()), ("::1", "[::1]:50051"));
    }

    #[test]
    fn endpoint_may_be_a_unix_socket() {
        for text in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            let address = parse_address(text).unwrap();
            assert_eq!(address.place.to_string(), "unix:/run/a.sock");
            assert_eq!((address.authority.as_str(), address.is_tls()), ("localhost", false));
        }
    }

    #[test]
    fn endpoint_that_is_no_address_is_a_problem() {
        for text in [
            "",
            "localhost",
            ":50051",
            "localhost:",
            "localhost:0",
            "localhost:99999",
            "ftp://a:1",
            "http://user@a:1",
            "http://a:1/path",
            "unix:",
            "unix:socket",
            "http://",
            "a b:1",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

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
