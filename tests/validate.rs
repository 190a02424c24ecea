//! Rules that no file of the gateway's holds: an upstream tells them by reflection, with the schema
//! that they stand in.

use std::{net::SocketAddr, path::Path};

use prost::Message;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{service::Routes, transport::Server};
use transom::{
    cli::demo::bookshelf::{Bookshelf, types::bookshelf::v1::bookshelf_server::BookshelfServer},
    schema::Schema,
};

use crate::{
    matrix::rules::write_ruled,
    support::{Gateway, gateway::run_to_end, http1},
};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// Where the rules of `buf.validate` are declared.
const DECLARED: &str = "buf/validate/validate.proto";

/// What a server tells.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// By the newer protocol, the declaration of the rules too.
    All,
    /// By the older protocol, its own files and those that it was made with, but not the declaration.
    Own,
}

/// A bookshelf whose schema has this rule on the name of a book, and which tells of it.
struct Shelf {
    bookshelf: Bookshelf,
    address: SocketAddr,
}

/// `google.protobuf.FileDescriptorSet`, of which the files stay as they are, unknown options too.
#[derive(Clone, PartialEq, prost::Message)]
struct Set {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

/// `google.protobuf.FileDescriptorProto`, as much as tells which it is.
#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
}

/// The descriptors as the server's maker had them.
fn descriptors(rule: &str, told: Told) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let protos = write_ruled(folder.path(), rule);
    let (schema, problems) = Schema::builder().add_proto_folder(protos).build();
    let schema = schema.unwrap_or_else(|| panic!("{problems:?}"));
    let mut set = Set::decode(schema.descriptor_set().unwrap()).unwrap();
    let is_told = |file: &Vec<u8>| File::decode(&file[..]).unwrap().name != DECLARED;
    let before = set.files.len();
    set.files.retain(|file| matches!(told, Told::All) || is_told(file));
    assert_eq!(set.files.len(), before - usize::from(matches!(told, Told::Own)));
    set.encode_to_vec()
}

impl Shelf {
    async fn start(rule: &str, told: Told) -> Self {
        let set = descriptors(rule, told);
        let tells = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&set);
        let bookshelf = Bookshelf::new();
        let routes = Routes::new(BookshelfServer::new(bookshelf.clone()));
        let routes = match told {
            Told::All => routes.add_service(tells.build_v1().unwrap()),
            Told::Own => routes.add_service(tells.build_v1alpha().unwrap()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        Self { bookshelf, address }
    }

    /// A configuration that knows the server's address, and no schema.
    fn configuration(&self) -> (TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transom.yaml");
        let text = format!(
            "listen: [{{ address: 127.0.0.1:0 }}]\nupstreams: {{ bookshelf: {{ endpoints: \
             [\"http://{}\"] }} }}\nservices: {{ \"bookshelf.v1.*\": {{ validate: {{}} }} }}\n",
            self.address
        );
        std::fs::write(&path, text).unwrap();
        (folder, Path::to_str(&path).unwrap().to_owned())
    }
}

#[tokio::test]
async fn validate_rules_that_an_upstream_tells_are_kept_by_its_callers() {
    for told in [Told::All, Told::Own] {
        for (rule, code) in [("string.max_len = 100", 0), ("string.max_len = 10", 3)] {
            println!("{told:?} {rule}");
            let server = Shelf::start(rule, told).await;
            let (_folder, config) = server.configuration();
            let gateway = Gateway::serve(&["--config", &config]).await;
            let response = http1::request(gateway.address, "GET", BOOK, &[], b"").await;
            assert_eq!(server.bookshelf.begun(), u64::from(code == 0), "{response:?}");
            if code == 0 {
                assert_eq!(response.ok()["name"], "shelves/fiction/books/letters");
                continue;
            }
            let violation = &response.json()["details"][0]["fieldViolations"][0];
            response.refusal(400, code);
            assert_eq!(violation["field"], "name", "{violation}");
            assert_eq!(violation["reason"], "string.max_len", "{violation}");
        }
    }
}

#[tokio::test]
async fn validate_wrong_rule_that_an_upstream_tells_is_a_problem_with_its_place() {
    let rule = "cel = { id: \"odd\", message: \"odd\", expression: \"that == 1\" }";
    let server = Shelf::start(rule, Told::All).await;
    let (_folder, config) = server.configuration();
    let output = run_to_end(&["check", "--config", &config]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("bookshelf.v1.GetBookRequest.name"), "{told}");
    assert!(told.contains("the variable `that` is unknown"), "{told}");
}
