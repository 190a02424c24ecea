//! Descriptors: what the services look like, gathered from any mix of sources into one pool.
//!
//! ```text
//! descriptor sets ─┐
//! .proto folders  ─┼─ merge ─ imports ─ edition ─► DescriptorPool ─► methods ─► Schema
//! reflection      ─┤  (one copy  (missing, (editions           Features    ▲
//! bundled files   ─┘   a file)    twice)    to proto2/3)    overlay rules ─┘
//! ```
//!
//! The library behind the pool knows proto2 and proto3 only, and trusts its input. So everything is
//! checked and rewritten before it gets there, and what gets lost by that is kept in [`Features`].

mod annotation;
mod builder;
mod compare;
mod descriptor;
mod edition;
mod features;
mod imports;
mod merge;
mod method;
mod methods;
mod original;
mod overlay;
mod pool;
mod protos;
mod source;
mod table;
mod validate;
mod visit;

use std::{fmt, hash::BuildHasher, sync::Arc};

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};
use prost_reflect::DescriptorPool;

use self::original::Original;
use crate::error::Error;

pub use self::{
    builder::SchemaBuilder,
    compare::breaking_changes,
    features::{AnyField, Features, Presence},
    method::{Body, HttpMethod, HttpRule, Idempotency, Method},
    protos::proto_files,
    table::route_table,
};

/// All that is known about the services: types, methods, rules. Immutable.
pub struct Schema {
    pool: DescriptorPool,
    features: Features,
    services: Vec<Service>,
    own: Vec<Service>,
    methods: Vec<Arc<Method>>,
    /// Places in `methods`, found by the path that stands there.
    by_path: HashTable<u32>,
    hasher: DefaultHashBuilder,
    original: Original,
}

/// A service and its methods, in the order of its file.
#[derive(Clone, Debug)]
pub struct Service {
    /// The full name, `bookshelf.v1.Bookshelf`.
    pub full_name: String,
    /// The source that brought it, for people: a path, a folder, `reflection of …`.
    pub origin: String,
    /// Its methods.
    pub methods: Vec<Arc<Method>>,
}

impl Schema {
    /// Begins to gather sources.
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder::default()
    }

    fn new(
        pool: DescriptorPool,
        features: Features,
        found: Vec<methods::Found>,
        original: Original,
    ) -> Self {
        let count = found.iter().map(|service| service.methods.len()).sum();
        let mut methods = Vec::with_capacity(count);
        let (mut services, mut own) = (Vec::new(), Vec::new());
        for service in found {
            methods.extend_from_slice(&service.methods);
            let (full_name, origin) = (service.full_name, service.origin.to_string());
            let kind = if service.own { &mut own } else { &mut services };
            kind.push(Service { full_name, origin, methods: service.methods });
        }
        let hasher = DefaultHashBuilder::default();
        let hash = |method: &Arc<Method>| hasher.hash_one(method.path.as_str());
        let mut by_path = HashTable::with_capacity(count);
        for (method, place) in methods.iter().zip(0..) {
            by_path.insert_unique(hash(method), place, |at| hash(&methods[*at as usize]));
        }
        Self { pool, features, services, own, methods, by_path, hasher, original }
    }

    /// Every type of every source, and the bundled ones.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// What the pool can't say about fields and enums.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The services of the sources; bundled files have none.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The services that the gateway answers itself.
    pub fn own_services(&self) -> &[Service] {
        &self.own
    }

    /// Every file as its source gave it, as a `google.protobuf.FileDescriptorSet` in binary, a
    /// file behind those that it imports.
    ///
    /// # Errors
    /// A lack of memory.
    pub fn descriptor_set(&self) -> Result<Bytes, Error> {
        self.original.unpack()
    }

    /// All methods, the gateway's own too; [`Method::index`] is the position.
    pub fn methods(&self) -> &[Arc<Method>] {
        &self.methods
    }

    /// Every HTTP rule with its method, in the order of methods.
    pub fn rules(&self) -> impl Iterator<Item = (&Method, &HttpRule)> {
        let methods = self.methods.iter();
        methods.flat_map(|method| method.rules.iter().map(move |rule| (&**method, rule)))
    }

    /// The method that a gRPC call with this path (`/pkg.Service/Method`) means.
    pub fn method_by_path(&self, path: &str) -> Option<&Arc<Method>> {
        let is_it = |place: &u32| self.methods[*place as usize].path.as_str() == path;
        let place = self.by_path.find(self.hasher.hash_one(path), is_it)?;
        Some(&self.methods[*place as usize])
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("files", &self.pool.files().len())
            .field("services", &self.services.len())
            .field("methods", &self.methods.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
