//! The runtime as run: everything that a request meets, compiled and immutable.

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;

use crate::{protocol::Door, schema::Method, stage::Chain};

/// One snapshot of schema, doors, stages and clusters. A request keeps the one that it began with.
pub struct Runtime {
    doors: Vec<Box<dyn Door>>,
    /// By `Method::index`.
    chains: Vec<Chain>,
}

impl Runtime {
    /// A snapshot of these doors, in the order in which a request is offered to them (the last
    /// knows everything), and of one chain a method, by `Method::index`.
    pub fn new(doors: Vec<Box<dyn Door>>, chains: Vec<Chain>) -> Self {
        Self { doors, chains }
    }

    /// The door for this request.
    pub fn door(&self, request: &Request<Incoming>) -> &dyn Door {
        let known = self.doors.iter().position(|door| door.knows(request));
        &*self.doors[known.unwrap_or(self.doors.len() - 1)]
    }

    /// The stages of a method, and the backend behind them.
    pub fn chain(&self, method: &Arc<Method>) -> &Chain {
        &self.chains[method.index]
    }
}
