//! Files that are replaced under load: by others that are good, and by broken ones.

use super::{CALLS, load::Door, survive};
use crate::support::operated::Operated;

/// What a deploy may leave behind: no YAML, a setting that isn't there, half a file, nothing.
const BROKEN: [&str; 4] = ["listen: [", "lisen: []\n", "listen: [{ address: 127.0.0.1", ""];

#[tokio::test]
async fn bad_day_broken_configuration_fails_no_call() {
    let operated = Operated::start("").await;
    let door = Door::Tcp(operated.gateway.address);
    survive("broken configuration files", &door, async |load| {
        for text in BROKEN {
            operated.write("transom.yaml", text);
            assert_eq!(operated.reload().await["result"], "failed", "{text}");
            load.calls(CALLS / 4).await;
        }
        operated.write("transom.yaml", operated.configuration());
        operated.reload().await;
        load.calls(CALLS / 4).await;
    })
    .await;
}

#[tokio::test]
async fn bad_day_broken_descriptor_fails_no_call() {
    let operated = Operated::start("").await;
    let door = Door::Tcp(operated.gateway.address);
    let whole = std::fs::read(operated.path("api.binpb")).unwrap();
    survive("broken and half-written descriptors", &door, async |load| {
        for bytes in [&whole[..whole.len() / 2], b"no descriptor", &[0xff; 64]] {
            operated.write("api.binpb", bytes);
            assert_eq!(operated.reload().await["result"], "failed");
            load.calls(CALLS / 4).await;
        }
        operated.write("api.binpb", &whole);
        operated.reload().await;
        load.calls(CALLS / 4).await;
    })
    .await;
}
