//! The runtime as run: everything that a request meets, compiled and immutable.

use std::{collections::HashMap, sync::Arc};

use http::Request;
use hyper::body::Incoming;

use super::{Prepared, Resolved};
use crate::{
    exchange::Upstream,
    lasting::Lasting,
    meter::{Meter, MethodMeter, MethodMeters},
    problem::Problem,
    protocol::{Door, cors::Cors},
    schema::{Method, Schema},
    stage::Chain,
    upstream::{Cluster, Destination, Draining, Own, Split},
};

/// One snapshot of schema, doors, stages and clusters. A request keeps the one that it began with.
pub struct Runtime {
    schema: Arc<Schema>,
    doors: Vec<Box<dyn Door>>,
    cors: Cors,
    /// By `Method::index`.
    chains: Vec<Chain>,
    /// In the order of their names.
    clusters: Vec<Arc<Cluster>>,
    meter: Arc<Meter>,
    /// By `Method::index`.
    meters: MethodMeters,
    nowhere: Arc<MethodMeter>,
    asks_for_approach: bool,
}

impl Runtime {
    /// Compiles what was prepared, for this many worker threads. Connections and what is known of
    /// endpoints are found in `lasting` again.
    ///
    /// # Errors
    /// Every problem of upstreams that can't be made: their certificates may have gone since they
    /// were checked.
    pub fn build(
        prepared: Prepared,
        workers: usize,
        lasting: &Lasting,
    ) -> Result<Self, Vec<Problem>> {
        let Prepared { file, schema, methods, doors, cors, meter, upstreams, .. } = prepared;
        let mut problems = Vec::new();
        let mut clusters = HashMap::new();
        for (name, settings) in &file.upstreams {
            match Cluster::new(name, settings, workers, lasting) {
                Ok(cluster) => drop(clusters.insert(name.as_str(), cluster)),
                Err(found) => problems.extend(found),
            }
        }
        upstreams.seat(|name| Some(clusters.get(name)?.clone()));
        let answering = answering(&methods, &clusters, workers);
        let own = Own::new(schema.clone(), backends(&methods, &answering), Draining::of(lasting));
        let own: Arc<dyn Upstream> = Arc::new(own);
        // Collected where the methods stood: there may be thousands.
        let chains: Vec<_> = methods
            .into_iter()
            .filter_map(|resolved| {
                let upstream = match &resolved.policy.upstream {
                    nobody if nobody.is_nobody() => &own,
                    destination => answering.get(destination)?,
                };
                Some(Chain::new(resolved.stages, upstream.clone()))
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let names = schema.methods().iter().map(|method| (&method.service, method.name()));
        // In the order of their names, as the file has them.
        let clusters = file.upstreams.keys().filter_map(|name| clusters.remove(name.as_str()));
        let clusters = clusters.collect();
        let meters = meter.methods(names, workers);
        let nowhere = meter.nowhere(workers);
        let asks_for_approach = chains.iter().any(Chain::asks_for_approach);
        Ok(Self {
            schema,
            doors,
            cors,
            chains,
            clusters,
            meter,
            meters,
            nowhere,
            asks_for_approach,
        })
    }

    /// A runtime of one door, which must answer everything itself.
    #[cfg(test)]
    pub(crate) fn of_door(schema: Schema, door: Box<dyn Door>) -> Self {
        let (schema, cors) = (Arc::new(schema), Cors::default());
        let meter = Meter::of(&crate::lasting::Lasting::new(), []);
        let nowhere = meter.nowhere(1);
        let (doors, chains) = (vec![door], Vec::new());
        let meters = meter.methods([].into_iter(), 1);
        let (clusters, asks_for_approach) = (Vec::new(), false);
        Self { schema, doors, cors, chains, clusters, meter, meters, nowhere, asks_for_approach }
    }

    /// Begins to look after the endpoints of all clusters, on the runtime of whoever calls, until
    /// this snapshot is dropped.
    pub fn look_after(&self) {
        self.clusters.iter().for_each(Cluster::look_after);
    }

    /// The same, with every method answered by `upstream` and no stages.
    #[cfg(test)]
    pub(crate) fn answered_by(mut self, upstream: &Arc<dyn Upstream>) -> Self {
        let chains = self.schema.methods().iter().map(|_| Chain::new(vec![], upstream.clone()));
        self.chains = chains.collect();
        self
    }

    /// The services that are served.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Who answers, in the order of their names.
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// What web pages of other origins may call.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Whether any stage looks at how calls come in.
    pub fn asks_for_approach(&self) -> bool {
        self.asks_for_approach
    }

    /// The door for this request.
    pub fn door(&self, request: &Request<Incoming>) -> &dyn Door {
        let known = self.doors.iter().position(|door| door.knows(request));
        // The last door knows everything.
        &*self.doors[known.unwrap_or(self.doors.len() - 1)]
    }

    /// Where everything is counted.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Where the requests of a method are counted.
    pub fn method_meter(&self, method: &Method) -> &MethodMeter {
        self.meters.of(method.index, &method.service, method.name())
    }

    /// Where requests are counted that call no method.
    pub fn nowhere(&self) -> &MethodMeter {
        &self.nowhere
    }

    /// The stages of a method, and the backend behind them.
    pub fn chain(&self, method: &Method) -> &Chain {
        &self.chains[method.index]
    }
}

/// Who answers, by what policies say.
fn answering(
    methods: &[Resolved],
    clusters: &HashMap<&str, Arc<Cluster>>,
    workers: usize,
) -> HashMap<Destination, Arc<dyn Upstream>> {
    let cluster = |name: &str| -> Option<Arc<dyn Upstream>> { Some(clusters.get(name)?.clone()) };
    let mut answering = HashMap::new();
    for resolved in methods {
        let destination = &resolved.policy.upstream;
        if answering.contains_key(destination) {
            continue;
        }
        let upstream = match destination {
            Destination::Upstream(name) => cluster(name),
            Destination::Among(among) => {
                Split::new(among, workers, cluster).map(|split| Arc::new(split) as _)
            }
        };
        answering.extend(upstream.map(|upstream| (destination.clone(), upstream)));
    }
    answering
}

/// Who answers each service, for those that ask after its health.
fn backends(
    methods: &[Resolved],
    answering: &HashMap<Destination, Arc<dyn Upstream>>,
) -> HashMap<String, Arc<dyn Upstream>> {
    let named = methods.iter().filter_map(|resolved| {
        let upstream = answering.get(&resolved.policy.upstream)?.clone();
        Some((resolved.method.service.to_string(), upstream))
    });
    named.collect()
}
