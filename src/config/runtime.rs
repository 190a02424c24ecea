//! The runtime as run: everything that a request meets, compiled and immutable.

use std::{collections::HashMap, sync::Arc};

use http::Request;
use hyper::body::Incoming;

use super::{Prepared, Resolved};
use crate::{
    exchange::Upstream,
    meter::{Meter, MethodMeter},
    problem::Problem,
    protocol::{Door, cors::Cors},
    schema::{Method, Schema},
    stage::Chain,
    upstream::{Cluster, Own},
};

/// One snapshot of schema, doors, stages and clusters. A request keeps the one that it began with.
pub struct Runtime {
    schema: Arc<Schema>,
    doors: Vec<Box<dyn Door>>,
    cors: Cors,
    /// By `Method::index`.
    chains: Vec<Chain>,
    meter: Arc<Meter>,
    /// By `Method::index`.
    meters: Vec<Arc<MethodMeter>>,
    nowhere: Arc<MethodMeter>,
    asks_for_approach: bool,
}

impl Runtime {
    /// Compiles what was prepared, for this many worker threads.
    ///
    /// # Errors
    /// Every problem of upstreams that can't be made: their certificates may have gone since they
    /// were checked.
    pub fn build(prepared: Prepared, workers: usize) -> Result<Self, Vec<Problem>> {
        let Prepared { file, schema, methods, doors, cors, meter, .. } = prepared;
        let mut problems = Vec::new();
        let mut clusters = HashMap::new();
        for (name, settings) in &file.upstreams {
            match Cluster::new(name, settings, workers) {
                Ok(cluster) => drop(clusters.insert(name.as_str(), cluster)),
                Err(found) => problems.extend(found),
            }
        }
        let own: Arc<dyn Upstream> =
            Arc::new(Own::new(schema.clone(), backends(&methods, &clusters)));
        let chains = methods.into_iter().filter_map(|resolved| {
            let upstream = match resolved.policy.upstream.as_str() {
                "" => own.clone(),
                name => clusters.get(name)?.clone(),
            };
            Some(Chain::new(resolved.stages, upstream))
        });
        let chains: Vec<_> = chains.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let names = schema.methods().iter().map(|method| (&method.service, method.name.as_str()));
        let meters = meter.methods(names, workers);
        let nowhere = meter.nowhere(workers);
        let asks_for_approach = chains.iter().any(Chain::asks_for_approach);
        Ok(Self { schema, doors, cors, chains, meter, meters, nowhere, asks_for_approach })
    }

    /// A runtime of one door, which must answer everything itself.
    #[cfg(test)]
    pub(crate) fn of_door(schema: Schema, door: Box<dyn Door>) -> Self {
        let (schema, cors) = (Arc::new(schema), Cors::default());
        let meter = Meter::of(&crate::lasting::Lasting::new(), []);
        let nowhere = meter.nowhere(1);
        let (doors, chains, meters) = (vec![door], Vec::new(), Vec::new());
        let asks_for_approach = false;
        Self { schema, doors, cors, chains, meter, meters, nowhere, asks_for_approach }
    }

    /// The services that are served.
    pub fn schema(&self) -> &Schema {
        &self.schema
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
        &self.meters[method.index]
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

/// Which cluster answers each service, for those that ask after its health.
fn backends(
    methods: &[Resolved],
    clusters: &HashMap<&str, Arc<Cluster>>,
) -> HashMap<String, Arc<dyn Upstream>> {
    let named = methods.iter().filter_map(|resolved| {
        let cluster: Arc<dyn Upstream> = clusters.get(resolved.policy.upstream.as_str())?.clone();
        Some((resolved.method.service.to_string(), cluster))
    });
    named.collect()
}
