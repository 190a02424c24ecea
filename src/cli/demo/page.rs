//! The page of `examples/browser`, served like anything else: by a gRPC service, as HttpBody.

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Error, Server},
};

use super::bookshelf::{
    self,
    types::{
        demo::v1::{
            GetFileRequest, GetPageRequest,
            page_server::{self, PageServer},
        },
        google::api::HttpBody,
    },
};

/// A file of the page: its name, its media type, its bytes.
type File = (&'static str, &'static str, &'static [u8]);

const INDEX: &[u8] = include_bytes!("../../../examples/browser/index.html");

const FILES: [File; 3] = [
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../examples/browser/page.js"),
    ),
    (
        "clients.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../examples/browser/clients.js"),
    ),
    // What a generated client would have built in.
    ("bookshelf.binpb", "application/x-protobuf", bookshelf::DESCRIPTOR_SET),
];

struct Page;

#[async_trait]
impl page_server::Page for Page {
    async fn get_page(&self, _: Request<GetPageRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(body("text/html; charset=utf-8", INDEX))
    }

    async fn get_file(
        &self,
        request: Request<GetFileRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let name = &request.get_ref().name;
        let file = FILES.iter().find(|(known, ..)| known == name);
        let (_, content_type, bytes) =
            file.ok_or_else(|| Status::not_found(format!("the page has no file `{name}`")))?;
        Ok(body(content_type, bytes))
    }
}

fn body(content_type: &str, bytes: &'static [u8]) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data: bytes.into(),
        ..HttpBody::default()
    })
}

/// Serves the page over cleartext HTTP/2, with reflection, for as long as the process lives.
///
/// # Errors
/// If the connection machinery fails.
pub(super) async fn serve(listener: TcpListener) -> Result<(), Error> {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/page.binpb"));
    let mut routes = tonic::service::Routes::new(PageServer::new(Page));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(set)
        .build_v1();
    if let Ok(reflection) = reflection {
        routes = routes.add_service(reflection);
    }
    let connections = TcpListenerStream::new(listener);
    Server::builder().add_routes(routes).serve_with_incoming(connections).await
}
