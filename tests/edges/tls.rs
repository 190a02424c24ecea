//! What `sslyze` finds when it looks at the listener's TLS: no old version, and none of the known
//! faults. Which suites the new ones have is asked of `openssl`, among the listener's tests.
//!
//! It needs the packages of `tests/requirements.txt` in `tests/.venv`, which `tests/run` sets up.

use std::{fs, path::Path};

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Gateway, authority::Authority, rig};

#[tokio::test]
#[ignore = "needs sslyze, which tests/run sets up"]
async fn edges_tls_has_nothing_that_sslyze_finds_fault_with() {
    let (_bookshelf, upstream) = rig::start_bookshelf().await;
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path(), "ca").write("a", &["localhost"]);
    let set = rig::write_descriptor_set(&folder);
    let address = "  - address: 127.0.0.1:0\n";
    let tls = "    tls: { certificates: [{ certificate: a.pem, key: a.key }] }\n    \
               security_headers: {}\n";
    let text = rig::configuration(&set, upstream, "");
    let config = folder.path().join("transom.yaml");
    fs::write(&config, text.replace(address, &format!("{address}{tls}"))).unwrap();
    let gateway = Gateway::serve(&["--config", config.to_str().unwrap()]).await;

    let report = folder.path().join("report.json");
    let target = format!("localhost:{}{{127.0.0.1}}", gateway.address.port());
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.venv/bin/sslyze"))
        .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1"])
        .args(["--heartbleed", "--openssl_ccs", "--compression", "--reneg", "--fallback"])
        .args(["--http_headers", "--mozilla_config", "disable", "--json_out"])
        .arg(&report)
        .arg(&target)
        .output()
        .await
        .expect("tests/run sets up tests/.venv");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let report = fs::read(&report).unwrap_or_else(|error| panic!("{error}: {told}"));
    let report: Value = serde_json::from_slice(&report).unwrap();
    let scan = &report["server_scan_results"][0]["scan_result"];
    let result = |name: &str| {
        let result = &scan[name]["result"];
        assert!(!result.is_null(), "{name}: {}", scan[name]);
        result
    };
    let suites = |name: &str| result(name)["accepted_cipher_suites"].as_array().unwrap().len();
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(suites(&format!("{old}_cipher_suites")), 0, "{old}");
    }
    assert_eq!(result("heartbleed")["is_vulnerable_to_heartbleed"], false);
    assert_eq!(result("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"], false);
    assert_eq!(result("tls_compression")["supports_compression"], false);
    let renegotiation = result("session_renegotiation");
    assert_eq!(renegotiation["is_vulnerable_to_client_renegotiation_dos"], false);
    let age = &result("http_headers")["strict_transport_security_header"]["max_age"];
    assert_eq!(*age, 31_536_000, "it is told to browsers");
}
