//! grpc.reflection.v1 and v1alpha of the schema as its sources gave it.

use tonic::service::Routes;
use tonic_reflection::server::Builder;

use crate::{
    error::{Code, Error},
    schema::Schema,
};

/// Adds both versions of the service. They tell of the services that callers may know of.
pub(super) fn add(schema: &Schema, routes: Routes) -> Result<Routes, Error> {
    let set = schema.descriptor_set()?;
    let builder = || {
        // The set has the descriptors of our own services, where the sources have none.
        let builder = Builder::configure()
            .include_reflection_service(false)
            .register_encoded_file_descriptor_set(&set);
        let services = schema.services().iter().chain(schema.own_services());
        services.fold(builder, |builder, service| builder.with_service_name(&service.full_name))
    };
    let latest = builder().build_v1().map_err(failed)?;
    let older = builder().build_v1alpha().map_err(failed)?;
    Ok(routes.add_service(latest).add_service(older))
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Code::Internal, "reflection", "the gateway can't tell of its schema")
        .with_source(error)
}
