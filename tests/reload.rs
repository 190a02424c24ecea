//! Configuration that changes while calls are in flight.

mod listeners;
mod load;
mod reflection;
mod taken;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use transom::cli::demo::bookshelf;

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// The bookshelf's descriptor set, and another file with a service of this name.
fn descriptor_set_with(service: &str) -> Vec<u8> {
    let file = FileDescriptorProto {
        name: Some("extra.proto".into()),
        package: Some("extra".into()),
        syntax: Some("proto3".into()),
        service: vec![ServiceDescriptorProto { name: Some(service.into()), ..Default::default() }],
        ..Default::default()
    };
    // Two messages one behind the other are one with the elements of both.
    let more = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    [bookshelf::DESCRIPTOR_SET, &more].concat()
}
