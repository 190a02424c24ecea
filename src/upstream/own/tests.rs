//! The gateway's own services, called through the waist.

use std::{fs, time::Duration};

use bytes::Bytes;
use prost::Message;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use super::*;
use crate::{
    coding::Codings,
    error::Code,
    exchange::{Limits, Messages, Metadata},
    lasting::Lasting,
    upstream::{Destination, Split},
};

const SERVICE: &str = "kitchen.v1.Kitchen";

/// What a backend says of its health.
type Tells = fn() -> Result<ServingStatus, Error>;

/// A backend whose health service answers with this.
struct Backend(Tells);

impl Upstream for Backend {
    fn call(&self, mut exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            let request = exchange.messages.next().await.unwrap()?;
            let request = HealthCheckRequest::decode(request).unwrap();
            assert_eq!((exchange.worker, request.service.as_str()), (3, SERVICE));
            let response = HealthCheckResponse { status: (self.0)()?.into() };
            let messages = Messages::one(response.encode_to_vec().into());
            Ok(Reply { metadata: Metadata::new(), messages })
        })
    }
}

fn own(backend: Tells) -> Own {
    own_before(Arc::new(Backend(backend)))
}

fn own_before(backend: Arc<dyn Upstream>) -> Own {
    let folder = tempfile::tempdir().unwrap();
    let proto = "syntax = 'proto3';\npackage kitchen.v1;\n\
                 import 'google/api/annotations.proto';\n\
                 service Kitchen { rpc Cook(Dish) returns (Dish) {\n\
                   option (google.api.http) = { get: '/dishes' };\n } }\n\
                 message Dish { string name = 1; }\n";
    fs::write(folder.path().join("kitchen.proto"), proto).unwrap();
    let builder = Schema::builder().add_proto_folder(folder.path());
    let builder = DESCRIPTORS.into_iter().fold(builder, crate::schema::SchemaBuilder::add_own);
    let (schema, problems) = builder.build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:#?}"));
    assert_eq!((schema.services().len(), schema.own_services().len()), (1, 3));
    let draining = Draining::of(&Lasting::new());
    Own::new(Arc::new(schema), HashMap::from([(SERVICE.to_owned(), backend)]), draining)
}

async fn call(own: &Own, path: &str, request: impl Message) -> Result<Reply, Error> {
    let method = own.schema.method_by_path(path).unwrap().clone();
    own.call(Exchange {
        method,
        metadata: Metadata::new(),
        messages: Messages::one(request.encode_to_vec().into()),
        deadline: None,
        limits: Limits::default(),
        codings: Codings::NONE,
        worker: 3,
        extensions: http::Extensions::new(),
        journal: None,
    })
    .await
}

async fn first(own: &Own, path: &str, request: impl Message) -> Result<Bytes, Error> {
    call(own, path, request).await?.messages.next().await.unwrap()
}

async fn health(own: &Own, service: &str) -> Result<ServingStatus, Error> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = first(own, "/grpc.health.v1.Health/Check", request).await?;
    Ok(HealthCheckResponse::decode(answer).unwrap().status())
}

async fn reflect(own: &Own, version: &str, request: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let answer = first(own, &path, request).await.unwrap();
    // Both versions have the same messages.
    ServerReflectionResponse::decode(answer).unwrap().message_response.unwrap()
}

#[tokio::test]
async fn gateway_itself_serves_and_unknown_services_are_not_found() {
    let own = own(|| Ok(ServingStatus::Serving));
    assert_eq!(health(&own, "").await.unwrap(), ServingStatus::Serving);
    let error = health(&own, "kitchen.v1.Cellar").await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn health_of_a_service_is_what_its_backend_tells() {
    let unimplemented = || Err(Error::new(Code::Unimplemented, "x", "no such service"));
    let gone = || Err(Error::unavailable("x", "gone"));
    for (backend, status) in [
        ((|| Ok(ServingStatus::Serving)) as fn() -> _, ServingStatus::Serving),
        (|| Ok(ServingStatus::NotServing), ServingStatus::NotServing),
        (unimplemented, ServingStatus::Serving),
        (gone, ServingStatus::NotServing),
    ] {
        assert_eq!(health(&own(backend), SERVICE).await.unwrap(), status);
    }
}

#[tokio::test]
async fn health_of_a_service_that_is_split_is_that_of_who_answers_it() {
    let backends: [(&str, Tells); 2] =
        [("sound", || Ok(ServingStatus::Serving)), ("sick", || Ok(ServingStatus::NotServing))];
    let upstream = |name: &str| -> Option<Arc<dyn Upstream>> {
        let (_, answer) = backends.iter().find(|(known, _)| *known == name)?;
        Some(Arc::new(Backend(*answer)))
    };
    for (sound, sick, status) in [(1, 0, ServingStatus::Serving), (0, 1, ServingStatus::NotServing)]
    {
        let settings = serde_json::json!({ "split": [
            { "upstream": "sound", "weight": sound }, { "upstream": "sick", "weight": sick },
        ] });
        let Destination::Among(among) = serde_json::from_value(settings).unwrap() else {
            panic!("one upstream")
        };
        let own = own_before(Arc::new(Split::new(&among, 1, upstream).unwrap()));
        assert_eq!(health(&own, SERVICE).await.unwrap(), status);
        // Reflection tells of the service whoever answers it.
        let listed = reflect(&own, "v1", MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
        assert!(listed.service.iter().any(|service| service.name == SERVICE));
    }
}

#[tokio::test(start_paused = true)]
async fn watch_tells_the_status_at_once_and_then_only_changes() {
    let own = own(|| Ok(ServingStatus::NotServing));
    let request = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut reply = call(&own, "/grpc.health.v1.Health/Watch", request).await.unwrap();
    let first = reply.messages.next().await.unwrap().unwrap();
    assert_eq!(HealthCheckResponse::decode(first).unwrap().status(), ServingStatus::NotServing);
    let second = tokio::time::timeout(Duration::from_secs(60), reply.messages.next()).await;
    assert!(second.is_err(), "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn drain_is_told_to_all_who_ask_and_ends_their_watches() {
    let own = own(|| Ok(ServingStatus::Serving));
    let request = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut reply = call(&own, "/grpc.health.v1.Health/Watch", request).await.unwrap();
    let mut status = async || {
        let message = reply.messages.next().await?.unwrap();
        Some(HealthCheckResponse::decode(message).unwrap().status())
    };
    assert_eq!(status().await, Some(ServingStatus::Serving));
    own.draining.begin();
    assert_eq!(status().await, Some(ServingStatus::NotServing));
    assert_eq!(status().await, None);
    for service in ["", SERVICE] {
        assert_eq!(health(&own, service).await.unwrap(), ServingStatus::NotServing);
    }
    let error = health(&own, "kitchen.v1.Cellar").await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_services_and_keeps_options() {
    let own = own(|| Ok(ServingStatus::Serving));
    for version in ["v1", "v1alpha"] {
        let listed = reflect(&own, version, MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
        let names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
        assert_eq!(names[0], SERVICE);
        assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");

        let symbol = MessageRequest::FileContainingSymbol(SERVICE.to_owned());
        let found = reflect(&own, version, symbol).await;
        let MessageResponse::FileDescriptorResponse(found) = found else { panic!("{found:?}") };
        let has_rule = |file: &Vec<u8>| file.windows(7).any(|window| window == b"/dishes");
        assert!(found.file_descriptor_proto.iter().any(has_rule), "the HTTP rule is kept");
    }
}
