//! Messages between JSON, which the table is written in, and the bytes of a door. The library's
//! mapping, not the gateway's own, does this.

use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;
use transom::cli::demo::bookshelf;

use super::doors::Door;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(bookshelf::DESCRIPTOR_SET).unwrap());

fn method(name: &str) -> MethodDescriptor {
    let service = POOL.get_service_by_name("bookshelf.v1.Bookshelf").unwrap();
    service.methods().find(|method| method.name() == name).unwrap()
}

/// What a door sends for this request.
pub(super) fn write(door: Door, name: &str, ask: &Value) -> Vec<u8> {
    match door.is_json() {
        true => ask.to_string().into_bytes(),
        false => DynamicMessage::deserialize(method(name).input(), ask).unwrap().encode_to_vec(),
    }
}

/// The answer that a door gave as these bytes.
pub(super) fn read(door: Door, name: &str, bytes: &[u8]) -> Value {
    match door.is_json() {
        true => serde_json::from_slice(bytes).unwrap(),
        false => {
            let message = DynamicMessage::decode(method(name).output(), bytes).unwrap();
            serde_json::to_value(message).unwrap()
        }
    }
}
