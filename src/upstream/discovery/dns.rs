//! All addresses of a name, asked for again when they have grown old.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

use super::{Discovery, Dns, Entry, Finder, Found, Located};
use crate::upstream::settings::Address;

pub(super) const ENTRY: Entry = Entry {
    name: "dns",
    build: |settings| match settings {
        Discovery::Dns(dns) => Some(Box::new(Names { dns: dns.clone(), resolver: None })),
        _ => None,
    },
};

/// An answer is asked for again at least so often, whatever its records tell.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a name server may take to answer, and how often it is asked.
const PATIENCE: (Duration, usize) = (Duration::from_secs(2), 2);

struct Names {
    dns: Dns,
    /// Made at the first question, in the runtime that asks.
    resolver: Option<TokioResolver>,
}

impl Finder for Names {
    fn find(&mut self) -> BoxFuture<'_, Result<Found, String>> {
        Box::pin(async {
            let Dns { name, port, scheme, resolvers, min_ttl } = &self.dns;
            let resolver = match &mut self.resolver {
                Some(resolver) => resolver,
                none => none.insert(resolver(resolvers)?),
            };
            let (addresses, until) = addresses(resolver, name).await?;
            let located = addresses.into_iter().filter_map(|ip| {
                let address = Address::located((*scheme).into(), name, SocketAddr::new(ip, *port))?;
                Some(Located { address, weight: 1, priority: 0 })
            });
            Ok(Found { located: located.collect(), good_for: good_for(until, *min_ttl) })
        })
    }
}

/// A resolver that asks these servers, or the system's.
pub(super) fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let told = |error| format!("the system's resolver can't be set up: {error}");
    let mut builder = match servers {
        [] => TokioResolver::builder_tokio().map_err(told)?,
        servers => {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // The time to live is kept here; a second cache would make old answers look new.
    options.cache_size = 0;
    (options.timeout, options.attempts) = PATIENCE;
    if !servers.is_empty() {
        options.use_hosts_file = ResolveHosts::Never;
    }
    builder.build().map_err(told)
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .map(|mut connection| {
            connection.port = address.port();
            connection
        })
        .into();
    server
}

/// The addresses of a name in an order that is always the same, and until when they are good.
pub(super) async fn addresses(
    resolver: &TokioResolver,
    name: &str,
) -> Result<(Vec<IpAddr>, Instant), String> {
    let answer = resolver.lookup_ip(name).await;
    let answer = answer.map_err(|error| format!("`{name}` can't be resolved: {error}"))?;
    let mut addresses: Vec<_> = answer.iter().collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok((addresses, answer.valid_until()))
}

/// How long an answer is good that is valid until then.
pub(super) fn good_for(until: Instant, least: Duration) -> Duration {
    until.saturating_duration_since(Instant::now()).clamp(least, LONGEST.max(least))
}
