//! What a runtime of ten thousand methods takes: at its peak while it is made, and when it serves.

use std::{fmt::Write, fs, path::Path, sync::atomic::Ordering::Relaxed};

use transom::{
    config::{File, Runtime, prepare},
    lasting::Lasting,
};

use super::{LIVE, PEAK};

const METHODS: usize = 10_000;
/// Bytes a method that stay, and bytes a method that the peak may have; the types that every schema
/// has are among them.
const STAYING: usize = 720;
const PEAKING: usize = 830;

/// A method with its route stays within what is set above.
pub(super) fn assert_compact() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("transom.yaml");
    let text = "schema: [{ descriptor_set: api.binpb }]\n\
                upstreams: { one: { endpoints: [http://127.0.0.1:1] } }\n";
    fs::write(&config, text).expect("a file");
    fs::write(folder.path().join("api.binpb"), descriptor_set(folder.path())).expect("a file");

    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let executor = executor.expect("a runtime");
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let lasting = Lasting::new();
    let prepared = executor.block_on(prepare(File::load(&config), &lasting));
    let prepared = prepared.expect("it is sound");
    let runtime = Runtime::build(prepared, 1, &lasting).expect("it is sound");
    let staying = (LIVE.load(Relaxed) - before) / METHODS;
    let peaking = (PEAK.load(Relaxed) - before) / METHODS;
    assert_eq!(runtime.schema().rules().count(), METHODS);
    println!("routes: {staying} bytes a method stay, the peak is {peaking}");
    assert!(staying <= STAYING, "{staying} bytes a method stay");
    assert!(peaking <= PEAKING, "the peak is {peaking} bytes a method");
}

/// Services of a hundred methods, each with one of four kinds of rule.
fn descriptor_set(folder: &Path) -> Vec<u8> {
    let mut text = "syntax = \"proto3\"; package routes;\n\
                    import \"google/api/annotations.proto\";\n\
                    message Ask { string project = 1; string id = 2; }\n"
        .to_owned();
    for method in 0..METHODS {
        let area = method / 100;
        match method % 100 {
            0 if method > 0 => writeln!(text, "}}\nservice Area{area} {{"),
            0 => writeln!(text, "service Area{area} {{"),
            _ => Ok(()),
        }
        .expect("memory");
        let path = format!("/v2/projects/{{project}}/kind{method:05}");
        let rule = match method % 4 {
            0 => format!("get: \"{path}/{{id}}\""),
            1 => format!("get: \"{path}/{{id}}/parts\""),
            2 => format!("post: \"{path}\" body: \"*\""),
            _ => format!("post: \"{path}/{{id}}:renew\" body: \"*\""),
        };
        let rpc = format!("rpc Call{method:05}(Ask) returns (Ask)");
        writeln!(text, "{rpc} {{ option (google.api.http) = {{ {rule} }}; }}").expect("memory");
    }
    text.push('}');
    fs::write(folder.join("routes.proto"), text).expect("a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([folder, &root]).expect("folders");
    compiler.include_imports(true).open_file("routes.proto").expect("it is sound");
    compiler.encode_file_descriptor_set()
}
