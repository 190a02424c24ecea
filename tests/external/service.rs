//! Envoy's authorization service, which does what the caller's `x-please` says.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use transom::callout::types::{
    envoy::{
        config::core::v3::{HeaderValue, HeaderValueOption, address, socket_address},
        service::auth::v3::{
            CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            authorization_server::{Authorization, AuthorizationServer},
            check_response::HttpResponse,
        },
        r#type::v3::HttpStatus,
    },
    google::rpc,
};

pub(crate) use transom::callout::types::envoy::service::auth::v3::attribute_context::Peer;

/// A running service.
#[derive(Clone)]
pub(crate) struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<CheckRequest>>>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let server = AuthorizationServer::new(service.clone());
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_service(server).serve_with_incoming(incoming));
        service
    }

    /// Its line among the upstreams.
    pub(crate) fn upstream(&self) -> String {
        format!("authz: {{ endpoints: [\"http://{}\"] }}", self.address)
    }

    /// What it was asked last.
    pub(crate) fn last(&self) -> CheckRequest {
        self.asked.lock().unwrap().last().expect("it was asked").clone()
    }

    /// How often it was asked.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The port of a peer.
pub(crate) fn port(peer: Peer) -> u32 {
    let Some(address::Address::SocketAddress(socket)) = peer.address.unwrap().address else {
        panic!("no address of a socket")
    };
    let socket_address::PortSpecifier::PortValue(port) = socket.port_specifier.unwrap();
    port
}

fn header(key: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

#[tonic::async_trait]
impl Authorization for Service {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let request = request.into_inner();
        let http = request.attributes.clone().unwrap().request.unwrap().http.unwrap();
        let please = http.headers.get("x-please").cloned().unwrap_or("403".into());
        self.asked.lock().unwrap().push(request);
        let response = match please.as_str() {
            "pass" => HttpResponse::OkResponse(OkHttpResponse {
                headers: vec![header("x-echo-user", "ada"), header("x-echo-other", "unlisted")],
                response_headers_to_add: vec![header("x-judged", "yes"), header("x-inner", "no")],
                ..OkHttpResponse::default()
            }),
            "fail" => return Err(Status::internal("out of order")),
            "hang" => pending().await,
            status => HttpResponse::DeniedResponse(DeniedHttpResponse {
                status: Some(HttpStatus { code: status.parse().unwrap() }),
                headers: vec![
                    header("location", "https://login.example/"),
                    header("x-inner", "no"),
                ],
                body: format!("denied with {status}"),
            }),
        };
        let code = if please == "pass" { 0 } else { 7 };
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status { code, ..rpc::Status::default() }),
            http_response: Some(response),
            dynamic_metadata: None,
        }))
    }
}
