//! What the configuration says about discovery.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{duration::duration, problem::Problem};

/// Where endpoints come from that change by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Discovery {
    /// All addresses of a name (A and AAAA): a Kubernetes headless service, for example.
    Dns(Dns),
    /// Hosts, ports, weights and priorities that a name's SRV records tell: of Consul or Nomad, for
    /// example.
    Srv(Srv),
    /// A file, read again when it changes.
    File(Watched),
}

/// All addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The name, which is also what `:authority` and TLS are about.
    pub name: String,
    /// The port at each address.
    pub port: u16,
    /// `http` (cleartext HTTP/2) or `https`.
    #[serde(default)]
    pub scheme: Scheme,
    /// The name servers to ask, `127.0.0.1:8600` for example; the system's by default.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// An answer is good as long as its records tell, but at least so long; `1s` by default.
    #[serde(default = "one_second", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub min_ttl: Duration,
}

/// What a name's SRV records tell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Srv {
    /// The name, `_grpc._tcp.bookshelf.service.consul` for example.
    pub name: String,
    /// `http` (cleartext HTTP/2) or `https`.
    #[serde(default)]
    pub scheme: Scheme,
    /// The name servers to ask, `127.0.0.1:8600` for example; the system's by default.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// An answer is good as long as its records tell, but at least so long; `1s` by default.
    #[serde(default = "one_second", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub min_ttl: Duration,
}

/// A file with endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// YAML or JSON: a list as in `endpoints`, or a mapping with that list as `endpoints`.
    pub path: PathBuf,
    /// How often it is looked at; `1s` by default. What has changed is taken once it has stayed the
    /// same for one look.
    #[serde(default = "one_second", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
}

/// How endpoints are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Cleartext HTTP/2.
    #[default]
    Http,
    /// HTTP/2 in TLS.
    Https,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

impl From<Scheme> for http::uri::Scheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Http => Self::HTTP,
            Scheme::Https => Self::HTTPS,
        }
    }
}

impl Discovery {
    /// Whether endpoints may use TLS.
    pub(in super::super) fn may_be_tls(&self) -> bool {
        match self {
            Self::Dns(Dns { scheme, .. }) | Self::Srv(Srv { scheme, .. }) => {
                *scheme == Scheme::Https
            }
            Self::File(_) => true,
        }
    }

    /// Tells what is wrong.
    pub(in super::super) fn check(&self, problems: &mut Vec<Problem>) {
        let mut wrong = |path: &str, message: String, mend: &str| {
            problems.push(Problem::error(path, message).mend(mend));
        };
        let (kind, time) = match self {
            Self::Dns(Dns { min_ttl, .. }) => ("dns", ("min_ttl", min_ttl)),
            Self::Srv(Srv { min_ttl, .. }) => ("srv", ("min_ttl", min_ttl)),
            Self::File(Watched { interval, .. }) => ("file", ("interval", interval)),
        };
        if let Self::Dns(Dns { name, .. }) | Self::Srv(Srv { name, .. }) = self
            && (hickory_resolver::proto::rr::Name::from_utf8(name).is_err()
                || name.parse::<http::uri::Authority>().is_err()
                || name.contains(':'))
        {
            let mend = "write a name without a port, `bookshelf.default.svc.cluster.local`";
            wrong(&format!("discovery.{kind}.name"), format!("`{name}` is no DNS name"), mend);
        }
        if matches!(self, Self::Dns(Dns { port: 0, .. })) {
            let message = "nobody listens on port 0".to_owned();
            wrong("discovery.dns.port", message, "write the port of the backends");
        }
        if time.1.is_zero() {
            let path = format!("discovery.{kind}.{}", time.0);
            wrong(&path, "the time must not be zero".to_owned(), "write a duration like `1s`");
        }
    }
}
