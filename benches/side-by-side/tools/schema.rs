//! The catalogue's descriptors, compiled when the program runs: there is nothing to keep in step.

use std::{path::Path, sync::LazyLock};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// How many of the methods that are only routes stand in one service.
const METHODS_OF_A_SERVICE: usize = 100;

/// All that the catalogue's .proto declares and imports.
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(compile(&[], &[]).as_slice()).unwrap());

/// The catalogue's descriptor set with so many methods more, `Get` of `/more/{service}/{method}/{id}`
/// each, which nobody implements.
pub(crate) fn with_more_methods(count: usize) -> Vec<u8> {
    let mut text = String::from(
        "syntax = \"proto3\"; package more.v1; import \"google/api/annotations.proto\"; \
         message Nothing { string id = 1; }",
    );
    for first in (0..count).step_by(METHODS_OF_A_SERVICE) {
        let service = first / METHODS_OF_A_SERVICE;
        text.push_str(&format!(" service Service{service} {{"));
        for method in 0..METHODS_OF_A_SERVICE.min(count - first) {
            text.push_str(&format!(
                " rpc Method{method}(Nothing) returns (Nothing) {{ option (google.api.http) = \
                 {{ get: \"/more/{service}/{method}/{{id}}\" }}; }}"
            ));
        }
        text.push('}');
    }
    if count == 0 { compile(&[], &[]) } else { compile(&["more.proto"], &[("more.proto", &text)]) }
}

/// Compiles the catalogue and further files, whose texts are given.
fn compile(names: &[&str], texts: &[(&str, &str)]) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let folders = [folder.path(), &root.join("benches/side-by-side"), &root.join("proto")];
    let mut compiler = protox::Compiler::new(folders).unwrap();
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(["catalogue.proto"].iter().chain(names)).unwrap();
    compiler.encode_file_descriptor_set()
}

/// A message of the catalogue, from its name within the package and its JSON.
pub(crate) fn message(name: &str, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor(name), json).unwrap()
}

/// A message's bytes on the wire.
pub(crate) fn wire(name: &str, json: &Value) -> Vec<u8> {
    message(name, json).encode_to_vec()
}

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("catalogue.v1.{name}")).unwrap()
}
