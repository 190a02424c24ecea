//! Hosts, ports, weights and priorities that SRV records tell (RFC 2782).

use std::net::SocketAddr;

use futures_util::future::{BoxFuture, join_all};
use hickory_resolver::{
    TokioResolver,
    proto::rr::{RData, RecordType},
};

use super::{Discovery, Entry, Finder, Found, Located, Srv, dns};
use crate::upstream::settings::{Address, MAX_WEIGHT};

pub(super) const ENTRY: Entry = Entry {
    name: "srv",
    build: |settings| match settings {
        Discovery::Srv(srv) => Some(Box::new(Services { srv: srv.clone(), resolver: None })),
        _ => None,
    },
};

struct Services {
    srv: Srv,
    /// Made at the first question, in the runtime that asks.
    resolver: Option<TokioResolver>,
}

/// One record.
struct Service {
    host: String,
    port: u16,
    weight: u16,
    priority: u16,
}

impl Finder for Services {
    fn find(&mut self) -> BoxFuture<'_, Result<Found, String>> {
        Box::pin(async {
            let Srv { name, scheme, resolvers, min_ttl } = &self.srv;
            let resolver = match &mut self.resolver {
                Some(resolver) => resolver,
                none => none.insert(dns::resolver(resolvers)?),
            };
            let answer = resolver.lookup(name.as_str(), RecordType::SRV).await;
            let answer = answer.map_err(|error| format!("`{name}` can't be resolved: {error}"))?;
            let services: Vec<Service> =
                answer.answers().iter().filter_map(|record| service(&record.data)).collect();
            let hosts = services.iter().map(|service| dns::addresses(resolver, &service.host));
            let mut until = answer.valid_until();
            let (mut located, mut failed) = (Vec::new(), None);
            for (service, addresses) in services.iter().zip(join_all(hosts).await) {
                match addresses {
                    Ok((addresses, good)) => {
                        until = until.min(good);
                        let at = |ip| SocketAddr::new(ip, service.port);
                        located.extend(addresses.into_iter().filter_map(|ip| {
                            let scheme = (*scheme).into();
                            let address = Address::located(scheme, &service.host, at(ip))?;
                            let weight = u32::from(service.weight).clamp(1, MAX_WEIGHT);
                            Some(Located { address, weight, priority: service.priority })
                        }));
                    }
                    Err(error) => failed = Some(error),
                }
            }
            // A host that can't be resolved now would be taken away; it may only be slow.
            match failed {
                Some(error) => Err(error),
                None => Ok(Found { located, good_for: dns::good_for(until, *min_ttl) }),
            }
        })
    }
}

/// What a record tells; the target `.` says that the service is not there.
fn service(data: &RData) -> Option<Service> {
    let RData::SRV(srv) = data else { return None };
    let host = srv.target.to_utf8();
    let host = host.trim_end_matches('.').to_owned();
    let (port, weight, priority) = (srv.port, srv.weight, srv.priority);
    (!host.is_empty()).then_some(Service { host, port, weight, priority })
}
