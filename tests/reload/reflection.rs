//! Upstreams that tell another schema, or none any more.

use std::net::SocketAddr;

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use super::descriptor_set_with;
use crate::support::operated::Operated;

/// A server that tells of the bookshelf and one more service, and answers nothing.
async fn tell(address: SocketAddr, service: &str) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let set: &'static [u8] = descriptor_set_with(service).leak();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(set)
        .build_v1()
        .unwrap();
    let serving = tokio::spawn(async move {
        let server = Server::builder().add_service(reflection);
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    (address, serving)
}

async fn start(upstream: SocketAddr, refresh: &str) -> Operated {
    Operated::start_with(|_, configuration| {
        let reflected = format!("[{{ reflection: told{refresh} }}]");
        let upstreams =
            format!("upstreams: {{ told: {{ endpoints: [\"http://{upstream}\"] }}, bookshelf: ");
        let changed = configuration
            .replace("[{ descriptor_set: api.binpb }]", &reflected)
            .replace("upstreams: { bookshelf: ", &upstreams);
        changed + "services: { '*': { upstream: bookshelf } }\n"
    })
    .await
}

async fn end(serving: JoinHandle<()>) {
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn reload_follows_an_upstream_that_tells_another_schema() {
    let (upstream, first) = tell(([127, 0, 0, 1], 0).into(), "Before").await;
    let operated = start(upstream, ", refresh: 50ms").await;
    end(first).await;
    let (_, _second) = tell(upstream, "After").await;
    let last = operated.until_reloaded(|last| last["reason"] == "reflection").await;
    assert_eq!(last["result"], "taken", "{last}");
    assert_eq!(last["problems"][0]["path"], "extra.Before", "{last}");
}

#[tokio::test]
async fn reload_keeps_what_an_upstream_told_that_is_away() {
    let (upstream, serving) = tell(([127, 0, 0, 1], 0).into(), "Before").await;
    let operated = start(upstream, "").await;
    let routes = operated.ask("GET", "/routes").await.text().to_owned();
    end(serving).await;
    let text = std::fs::read_to_string(operated.path("transom.yaml")).unwrap();
    operated.write("transom.yaml", text + "drain_timeout: 1s\n");
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "taken", "{outcome}");
    let problem = &outcome["problems"][0];
    assert_eq!(
        (&problem["path"], &problem["severity"]),
        (&"upstreams.told".into(), &"warning".into())
    );
    let ready = operated.ready().await;
    assert_eq!(ready["schema_not_told_by"][0]["upstream"], "told", "{ready}");
    assert_eq!(operated.ask("GET", "/routes").await.text(), routes);
}
