//! The schema as its users see it: sources in, methods and problems out.

mod conflicts;
mod editions;
mod hostile;
mod rules;
mod sources;

use std::fs;

use prost::Message;

use super::{
    Schema, SchemaBuilder,
    descriptor::{File, FileSet},
};
use crate::problem::Problem;

const BOOKSHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

fn built(builder: SchemaBuilder) -> Schema {
    let (schema, problems) = builder.build();
    schema.unwrap_or_else(|| panic!("no schema: {problems:#?}"))
}

fn refused(builder: SchemaBuilder) -> Vec<String> {
    let (schema, problems) = builder.build();
    assert!(schema.is_none(), "a schema in spite of {problems:#?}");
    assert!(problems.iter().any(Problem::is_error));
    problems.iter().map(Problem::to_string).collect()
}

fn files(set: &[u8]) -> Vec<File> {
    let set = FileSet::decode(set).unwrap();
    set.file.iter().map(|bytes| File::decode(bytes.clone()).unwrap()).collect()
}

fn set_of(files: &[File]) -> Vec<u8> {
    FileSet { file: files.iter().map(|file| file.encode_to_vec().into()).collect() }.encode_to_vec()
}

/// Compiles one source.
fn file(name: &str, source: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), source).unwrap();
    let mut compiler = protox::Compiler::new([folder.path(), "proto".as_ref()]).unwrap();
    compiler.open_file(name).unwrap();
    let set = compiler.encode_file_descriptor_set();
    files(&set).pop().unwrap()
}
