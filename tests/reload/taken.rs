//! What is taken, by whichever way it is noticed, and what is not.

use std::{fs, os::unix::fs::symlink};

use super::{BOOK, descriptor_set_with};
use crate::support::{Gateway, http1, operated::Operated};

/// A policy that shows in every answer.
fn stamped(stamp: &str) -> String {
    format!(
        "services: {{ '*': {{ headers: {{ response: {{ set: {{ x-stamp: {stamp} }} }} }} }} }}\n"
    )
}

async fn stamp(gateway: &Gateway) -> String {
    let answer = http1::request(gateway.address, "GET", BOOK, &[], b"").await;
    answer.ok();
    answer.header("x-stamp").to_owned()
}

#[tokio::test]
async fn reload_by_a_changed_file_needs_nobody() {
    let watched = |configuration: String| configuration.replace("watch: false", "watch: true");
    let operated =
        Operated::start_with(|_, configuration| watched(configuration) + &stamped("one")).await;
    assert_eq!(stamp(&operated.gateway).await, "one");
    // As editors do it: a new file in the place of the old.
    operated.write("new", watched(operated.configuration()) + &stamped("two"));
    fs::rename(operated.path("new"), operated.path("transom.yaml")).unwrap();
    let last = operated.until_reloaded(|last| last["reason"] == "files").await;
    assert_eq!(last["result"], "taken", "{last}");
    assert_eq!(stamp(&operated.gateway).await, "two");
}

#[tokio::test]
async fn reload_by_sighup_takes_the_new_configuration() {
    let operated = Operated::start(&stamped("one")).await;
    operated.write("transom.yaml", operated.configuration() + &stamped("two"));
    operated.gateway.signal("HUP").await;
    let waiting = async { while stamp(&operated.gateway).await != "two" {} };
    crate::support::within("the new configuration", waiting).await;
}

#[tokio::test]
async fn reload_by_a_mounted_volume_follows_its_links() {
    let mount = |folder: &tempfile::TempDir, version: &str, set: &[u8]| {
        let place = folder.path().join(version);
        fs::create_dir(&place).unwrap();
        fs::write(place.join("api.binpb"), set).unwrap();
        symlink(version, folder.path().join("..new")).unwrap();
        fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
    };
    let operated = Operated::start_with(|folder, configuration| {
        fs::remove_file(folder.path().join("api.binpb")).unwrap();
        mount(folder, "..1", &descriptor_set_with("Before"));
        symlink("..data/api.binpb", folder.path().join("api.binpb")).unwrap();
        configuration.replace("watch: false", "watch: true")
    })
    .await;
    mount(&operated.folder, "..2", &descriptor_set_with("After"));
    let last = operated.until_reloaded(|last| last["reason"] == "files").await;
    assert_eq!(last["problems"][0]["path"], "extra.Before", "{last}");
}

#[tokio::test]
async fn reload_of_nothing_new_changes_nothing() {
    let operated = Operated::start("").await;
    let outcome = operated.reload().await;
    assert_eq!((&outcome["result"], &outcome["reason"]), (&"unchanged".into(), &"operator".into()));
}

#[tokio::test]
async fn reload_that_does_not_build_leaves_the_old_in_force_and_says_why() {
    let operated = Operated::start(&stamped("one")).await;
    let sound = operated.configuration() + &stamped("one");
    let set = transom::cli::demo::bookshelf::DESCRIPTOR_SET;
    let half = &set[..set.len() / 2];
    let broken: [(&str, Vec<u8>, &str); 4] = [
        ("transom.yaml", b"listen: [".to_vec(), "transom.yaml"),
        ("transom.yaml", sound.as_bytes()[..sound.len() / 2].to_vec(), "transom.yaml"),
        ("api.binpb", half.to_vec(), "api.binpb"),
        ("api.binpb", b"not a descriptor".to_vec(), "api.binpb"),
    ];
    for (name, text, file) in broken {
        let before = fs::read(operated.path(name)).unwrap();
        operated.write(name, &text);
        let outcome = operated.reload().await;
        assert_eq!(outcome["result"], "failed", "{name}");
        let problem = &outcome["problems"][0];
        assert!(problem["file"].as_str().unwrap().ends_with(file), "{outcome}");
        assert_eq!(stamp(&operated.gateway).await, "one");
        let ready = operated.ask("GET", "/ready").await;
        assert_eq!(ready.status, 200, "it serves");
        assert_eq!(ready.json()["last_reload"]["problems"], outcome["problems"]);
        let message = problem["message"].as_str().unwrap();
        let waiting = async {
            while !operated.gateway.log().contains(message) {
                tokio::task::yield_now().await;
            }
        };
        crate::support::within(message, waiting).await;
        operated.write(name, before);
    }
    // Back to what is served: nothing is wrong any more, and nothing was swapped.
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "unchanged");
    assert_eq!(operated.ready().await["last_reload"]["problems"], serde_json::json!([]));
}

#[tokio::test]
async fn reload_of_what_breaks_callers_is_refused_where_the_policy_says_so() {
    let operated = Operated::start_with(|_, configuration| {
        configuration.replace("{ watch", "{ on_breaking: refuse, watch")
    })
    .await;
    operated.write("api.binpb", descriptor_set_with("Extra"));
    assert_eq!(operated.reload().await["result"], "taken");
    operated.write("api.binpb", transom::cli::demo::bookshelf::DESCRIPTOR_SET);
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "refused");
    assert_eq!(outcome["problems"][0]["path"], "extra.Extra");
    assert_eq!(outcome["problems"][0]["message"], "the service is gone");
    operated.write("transom.yaml", operated.configuration());
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "taken");
    assert_eq!(outcome["problems"][0]["severity"], "warning");
}

#[tokio::test]
async fn reload_tells_what_takes_a_restart() {
    let operated = Operated::start("").await;
    let other = operated.configuration().replace("workers: 2", "workers: 3");
    operated.write("transom.yaml", other);
    let outcome = operated.reload().await;
    assert_eq!(outcome["result"], "taken");
    let problem = &outcome["problems"][0];
    assert_eq!((&problem["path"], &problem["line"]), (&"workers".into(), &5.into()));
}
