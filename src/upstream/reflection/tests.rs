//! Against real servers in this process.

use std::net::SocketAddr;

use prost_types::FileDescriptorSet;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{service::Routes, transport::Server};
use tonic_reflection::server::Builder;

use super::*;
use crate::schema::Schema;

const BOOKSHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

/// Serves until the test ends.
async fn serve(routes: Routes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
    address
}

fn ask_for_bookshelf<'b>() -> Builder<'b> {
    Builder::configure().register_encoded_file_descriptor_set(BOOKSHELF)
}

fn channel(address: &str) -> Result<tonic::transport::Channel, ReflectionError> {
    channel_to(&parse_address(address).unwrap(), &Settings::default())
}

async fn fetch_from(address: SocketAddr, bounds: Bounds) -> Result<Reflected, String> {
    let channel = channel(&address.to_string()).unwrap();
    fetch(channel, bounds).await.map_err(|error| error.to_string())
}

async fn assert_gives_bookshelf(routes: Routes) {
    let address = serve(routes).await;
    let reflected = fetch_from(address, Bounds::default()).await.unwrap();
    assert_eq!(reflected.undescribed, [""; 0]);
    let (schema, problems) = Schema::builder().add_files("bookshelf", &reflected.files).build();
    assert_eq!(problems, []);
    let schema = schema.unwrap();
    let services: Vec<_> = schema.services().iter().map(|one| &*one.full_name).collect();
    assert_eq!(services, ["bookshelf.v1.Bookshelf"]);
    let get = schema.method_by_path("/bookshelf.v1.Bookshelf/GetBook").unwrap();
    assert_eq!(&*get.rules[0].template, "/v1/{name=shelves/*/books/*}");
}

#[tokio::test]
async fn version_1_gives_files_with_their_options() {
    assert_gives_bookshelf(Routes::new(ask_for_bookshelf().build_v1().unwrap())).await;
}

#[tokio::test]
async fn version_1alpha_is_asked_where_1_is_not_offered() {
    assert_gives_bookshelf(Routes::new(ask_for_bookshelf().build_v1alpha().unwrap())).await;
}

#[tokio::test]
async fn both_versions_and_health_are_not_services_of_the_schema() {
    let (_, health) = tonic_health::server::health_reporter();
    let set = tonic_health::pb::FILE_DESCRIPTOR_SET;
    let builder = || ask_for_bookshelf().register_encoded_file_descriptor_set(set);
    let routes = Routes::new(builder().build_v1().unwrap())
        .add_service(builder().build_v1alpha().unwrap())
        .add_service(health);
    assert_gives_bookshelf(routes).await;
}

#[tokio::test]
async fn stripped_options_are_a_warning() {
    // Decoding with types that know no extensions loses them, as some servers do.
    let set = FileDescriptorSet::decode(BOOKSHELF).unwrap();
    let builder = Builder::configure().register_file_descriptor_set(set);
    let address = serve(Routes::new(builder.build_v1().unwrap())).await;
    let reflected = fetch_from(address, Bounds::default()).await.unwrap();

    let builder = || Schema::builder().add_files("bookshelf", &reflected.files);
    let (schema, problems) = builder().build();
    assert!(schema.is_some());
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].is_error());
    let text = problems[0].to_string();
    assert!(text.contains("without a single HTTP rule"), "{text}");
    assert!(text.contains("descriptor set"), "{text}");

    let (_, problems) = builder().auto_map(|_| true).build();
    assert_eq!(problems, []);
    let (schema, problems) = builder().add_descriptor_set("api.binpb", BOOKSHELF).build();
    assert_eq!(problems, []);
    assert!(!schema.unwrap().methods()[0].rules.is_empty());
}

#[tokio::test]
async fn unknown_services_and_imports_are_told_not_fatal() {
    let mut set = FileDescriptorSet::decode(BOOKSHELF).unwrap();
    set.file.retain(|file| !file.name().starts_with("google/"));
    let builder = Builder::configure()
        .include_reflection_service(false)
        .register_file_descriptor_set(set)
        .with_service_name("no.Such")
        .with_service_name("bookshelf.v1.Bookshelf");
    let address = serve(Routes::new(builder.build_v1().unwrap())).await;
    let reflected = fetch_from(address, Bounds::default()).await.unwrap();
    assert_eq!(reflected.undescribed, ["no.Such"]);
    assert_eq!(reflected.files.len(), 1);
    let (schema, _) = Schema::builder().add_files("bookshelf", &reflected.files).build();
    assert!(schema.is_some(), "the bundled files stand in for the imports");
}

#[tokio::test]
async fn a_server_without_reflection_says_so() {
    let (_, health) = tonic_health::server::health_reporter();
    let address = serve(Routes::new(health)).await;
    let error = fetch_from(address, Bounds::default()).await.unwrap_err();
    assert!(error.contains("offers no reflection"), "{error}");
    assert!(error.contains("descriptor set"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = fetch_from(address, Bounds::default()).await.unwrap_err();
    assert!(error.contains("can't be reached"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bounds = Bounds { deadline: Duration::from_millis(50), ..Bounds::default() };
    let error = fetch_from(listener.local_addr().unwrap(), bounds).await.unwrap_err();
    assert!(error.contains("within 50ms"), "{error}");
}

#[tokio::test]
async fn too_many_files_or_bytes_are_refused() {
    let address = serve(Routes::new(ask_for_bookshelf().build_v1().unwrap())).await;
    for bounds in
        [Bounds { files: 2, ..Bounds::default() }, Bounds { bytes: 3000, ..Bounds::default() }]
    {
        let error = fetch_from(address, bounds).await.unwrap_err();
        assert!(error.contains("pass the bound"), "{error}");
    }
}

#[tokio::test]
async fn endpoint_of_any_kind_can_be_asked() {
    for address in ["https://localhost:1", "localhost:1", "[::1]:1", "unix:/run/a.sock"] {
        assert!(channel(address).is_ok(), "{address}");
    }
}

#[test]
fn the_future_can_be_spawned() {
    fn assert_send(_: impl Send) {}
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    assert_send(fetch(channel("localhost:1").unwrap(), Bounds::default()));
}
