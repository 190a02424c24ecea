//! Metadata both ways, and status details as they were.

use prost::Message;
use tonic::{Code, Request, metadata::MetadataValue};
use transom::cli::demo::bookshelf::types::{bookshelf::v1::*, google::rpc};

use crate::support::{Gateway, Rig, backend, grpc, rig, within};

const BOOK: &str = "shelves/science/books/tides";

#[tokio::test]
async fn metadata_goes_through_with_all_values_in_order() {
    let rig = Rig::start().await;
    let mut request = Request::new(GetBookRequest { name: BOOK.into() });
    let metadata = request.metadata_mut();
    for value in ["one", "two", "one"] {
        metadata.append("x-echo-many", value.parse().unwrap());
    }
    for value in [&b"\x00\xff"[..], b"", b"abc"] {
        metadata.append_bin("x-echo-bytes-bin", MetadataValue::from_bytes(value));
    }
    let response = rig.grpc().await.get_book(request).await.unwrap();
    let many: Vec<_> = response.metadata().get_all("x-echo-many").iter().collect();
    assert_eq!(many, ["one", "two", "one"]);
    let bytes = response.metadata().get_all_bin("x-echo-bytes-bin").iter();
    let bytes: Vec<_> = bytes.map(|value| value.to_bytes().unwrap()).collect();
    assert_eq!(bytes, [&b"\x00\xff"[..], b"", b"abc"]);
}

#[tokio::test]
async fn request_head_reaches_the_backend_without_what_is_the_hops() {
    let (address, mut asked) = backend::recorder().await;
    let folder = tempfile::tempdir().unwrap();
    let set = rig::write_descriptor_set(&folder);
    let gateway =
        Gateway::serve(&["--upstream", &address.to_string(), "--descriptor-set", &set]).await;
    let mut client = grpc::client(gateway.address).await;
    let mut request = Request::new(DeleteBookRequest::default());
    request.metadata_mut().insert("authorization", "Bearer t".parse().unwrap());
    client.delete_book(request).await.unwrap();
    let head = within("the record", asked.recv()).await.unwrap();
    assert_eq!(head.uri.path(), "/bookshelf.v1.Bookshelf/DeleteBook");
    assert_eq!(head.headers["authorization"], "Bearer t");
    assert!(head.headers["user-agent"].to_str().unwrap().starts_with("tonic/"));
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["x-forwarded-for"], "127.0.0.1");
    assert!(!head.headers.contains_key("grpc-accept-encoding"));
}

#[tokio::test]
async fn status_of_the_backend_arrives_with_details_byte_for_byte() {
    let rig = Rig::start().await;
    let fail = FailRequest {
        code: 9,
        message: "half way: 100% é\n".into(),
        details: true,
        unknown_detail: true,
        ..Default::default()
    };
    let through = rig.grpc().await.fail(fail.clone()).await.unwrap_err();
    assert_eq!(
        (through.code(), through.message()),
        (Code::FailedPrecondition, "half way: 100% é\n")
    );
    let whole = rpc::Status::decode(through.details()).unwrap();
    assert_eq!(whole.details.len(), 3);
    let (_bookshelf, address) = rig::start_bookshelf().await;
    let direct = grpc::client(address).await.fail(fail).await.unwrap_err();
    assert_eq!(through.details(), direct.details());
    assert_eq!(
        through.metadata().get("x-bookshelf-version"),
        direct.metadata().get("x-bookshelf-version")
    );
}

#[tokio::test]
async fn late_error_arrives_behind_the_messages() {
    let rig = Rig::start().await;
    let watch =
        WatchBooksRequest { parent: "shelves/fiction".into(), fail_after: 1, ..Default::default() };
    let mut books = rig.grpc().await.watch_books(watch).await.unwrap().into_inner();
    books.message().await.unwrap().unwrap();
    let status = books.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(!rpc::Status::decode(status.details()).unwrap().details.is_empty());
}
