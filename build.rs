//! Compiles `proto/` in pure Rust (protox, no protoc): the bookshelf's types and
//! service for the demo and the tests, and descriptor sets that the program embeds; and
//! `src/callout/proto/`, the services of others that the gateway calls for itself. Tells the linker
//! how the program shall lie in memory.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    pack_relocations();
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=src/callout/proto");
    println!("cargo:rerun-if-changed=examples/browser/page.proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let common = [
        "google/api/annotations.proto",
        "google/api/field_behavior.proto",
        "google/api/httpbody.proto",
        "google/rpc/code.proto",
        "google/rpc/status.proto",
        "google/rpc/error_details.proto",
        "buf/validate/validate.proto",
    ];
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false).open_files(common)?;
    fs::write(out.join("common.binpb"), compiler.encode_file_descriptor_set())?;

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(["bookshelf/v1/bookshelf.proto"])?;
    fs::write(out.join("bookshelf.binpb"), compiler.encode_file_descriptor_set())?;

    // No part of proto/, which is the bookshelf's for whoever compiles that folder.
    let mut page = protox::Compiler::new(["examples/browser", "proto"])?;
    page.include_imports(true).include_source_info(false).open_file("page.proto")?;
    fs::write(out.join("page.binpb"), page.encode_file_descriptor_set())?;

    let mut types = protox::Compiler::new(["examples/browser", "proto"])?;
    types.include_imports(true).include_source_info(true).open_files([
        "bookshelf/v1/bookshelf.proto",
        "google/rpc/status.proto",
        "google/rpc/error_details.proto",
        "page.proto",
    ])?;
    let encoded = types.encode_file_descriptor_set();
    let files = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .bytes(".google.api.HttpBody")
        .include_file("types.rs")
        .compile_fds(files)?;
    callouts(&out)
}

/// The services that the gateway calls for itself. Apart from `proto/`, which holds what it serves.
fn callouts(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["src/callout/proto", "proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files([
        "envoy/service/auth/v3/external_auth.proto",
        "envoy/service/ratelimit/v3/rls.proto",
    ])?;
    let encoded = compiler.encode_file_descriptor_set();
    fs::write(out.join("callouts.binpb"), &encoded)?;
    fs::create_dir_all(out.join("callouts"))?;
    let files = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    // The services are for those who answer in tests.
    tonic_prost_build::configure()
        .build_transport(false)
        .build_client(false)
        .btree_map(".")
        .out_dir(out.join("callouts"))
        .include_file("types.rs")
        .compile_fds(files)?;
    Ok(())
}

/// Has the places that the loader adjusts written down in a few kilobytes rather than in one and a
/// half megabytes, all of which would be read at start and stay resident.
///
/// glibc reads them from 2.36 on; so only a program for this machine gets them, where the library
/// is known.
fn pack_relocations() {
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    if env::var("HOST").ok() == env::var("TARGET").ok() && glibc() >= Some((2, 36)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's C library.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let told = String::from_utf8(told).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
